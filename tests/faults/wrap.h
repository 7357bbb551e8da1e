/* wrap.h: allocations that fail on demand: those of our own code (the linker leads its calls of malloc and its kind
 * here: --wrap), of SQLite (SQLITE_CONFIG_MALLOC) and of jansson (json_set_alloc_funcs). Those of other libraries do not:
 * GLib, which libvips uses, and ggml end the process when memory runs out, and no program can keep them from it. */
#ifndef RAP_TESTS_FAULTS_WRAP_H
#define RAP_TESTS_FAULTS_WRAP_H

#include <stdbool.h>

/* Before anything else; SQLite must not have been used yet. */
void wrap_start(void);
/* From now on the n-th allocation fails, and with `lasting` every one after it. 0: none. */
void wrap_fail(long n, bool lasting);
/* None fails, or is counted, until it goes on. */
void wrap_pause(bool paused);
/* Whether one failed since then. */
bool wrap_failed(void);

#endif

/* sandbox.h: restricts a process to computing and talking to its parent. */
#ifndef RAP_DECODE_SANDBOX_H
#define RAP_DECODE_SANDBOX_H

#include <stdbool.h>
#include <stdint.h>

/* Limits of memory, processor time, and the size and number of files: no file can be opened or written from here on.
 * False: the system refused one. */
bool sandbox_limit(uint64_t memory, unsigned seconds);

/* From here on the kernel refuses every call but those for memory, threads of this process, clocks, and reading and
 * writing what is open. False: this kernel cannot; the limits hold all the same. */
bool sandbox_close(void);

#endif

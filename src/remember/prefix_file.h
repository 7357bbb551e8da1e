/* prefix_file.h: one file of a kept prefix: its head, its bytes, and its end. See prefixes.h. */
#ifndef RAP_REMEMBER_PREFIX_FILE_H
#define RAP_REMEMBER_PREFIX_FILE_H

#include "remember/store.h"

#include <stdbool.h>

enum { PREFIX_NAME = 64, PREFIX_CONCEPTS = 1024 };

typedef struct prefix_file {
    char name[PREFIX_NAME + 1];
    uint64_t concepts;
    store_stamp *concept; /* [concepts], owned when read */
    uint8_t *bytes;       /* [size], owned when read; NULL: not read */
    uint64_t size;
} prefix_file;

/* Reads the head, and with `whole` the bytes. False: there is none, it is damaged, or somebody else could have written it. */
bool prefix_file_read(prefix_file *out, const char *path, bool whole);
void prefix_file_release(prefix_file *f);
/* Under a temporary name first, for its owner only. */
bool prefix_file_write(const char *path, const prefix_file *f);
void prefix_file_touch(const char *path); /* used now */
/* Overwrites and removes it. False: it is still there. */
bool prefix_file_remove(const char *path);
/* Removes what a writer left that was killed. */
void prefix_file_remove_leftover(const char *path);

#endif

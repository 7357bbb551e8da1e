/* mem.h: checked sizes and small copies. Nothing here aborts: NULL means out of memory or overflow. */
#ifndef RAP_BASE_MEM_H
#define RAP_BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>

bool mem_mul(size_t *out, size_t a, size_t b); /* false on overflow */
bool mem_add(size_t *out, size_t a, size_t b); /* false on overflow */
void *mem_array(size_t count, size_t size);    /* zeroed; NULL on overflow; free() */
void *mem_aligned(size_t bytes);               /* 64-byte aligned, zeroed; free() */
void *mem_aligned_raw(size_t bytes);           /* the same with anything in it */
char *mem_string(const char *text);            /* copy; NULL for NULL; free() */
char *mem_string_n(const char *text, size_t len);
/* Room for one more in a list of `count`, doubled when full: the list, moved; NULL: out of memory, and the old one stays. */
void *mem_grow(void *list, size_t count, size_t *room, size_t size);
void *mem_copy(const void *bytes, size_t len);

#endif

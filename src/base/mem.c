/* mem.c: checked sizes and small copies. */
#include "base/mem.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

bool mem_mul(size_t *out, size_t a, size_t b)
{
    return !__builtin_mul_overflow(a, b, out);
}

bool mem_add(size_t *out, size_t a, size_t b)
{
    return !__builtin_add_overflow(a, b, out);
}

void *mem_array(size_t count, size_t size)
{
    /* calloc checks the product; a zero size still gives a pointer, so that NULL means failure. */
    return calloc(count ? count : 1, size ? size : 1);
}

void *mem_aligned_raw(size_t bytes)
{
    size_t whole;

    if (!mem_add(&whole, bytes ? bytes : 1, 63))
        return NULL;
    return aligned_alloc(64, whole & ~(size_t)63);
}

void *mem_aligned(size_t bytes)
{
    void *memory = mem_aligned_raw(bytes);

    if (memory)
        memset(memory, 0, bytes);
    return memory;
}

char *mem_string(const char *text)
{
    return text ? mem_string_n(text, strlen(text)) : NULL;
}

char *mem_string_n(const char *text, size_t len)
{
    char *copy;

    if (len == SIZE_MAX)
        return NULL;
    copy = malloc(len + 1);
    if (!copy)
        return NULL;
    if (len)
        memcpy(copy, text, len);
    copy[len] = '\0';
    return copy;
}

void *mem_copy(const void *bytes, size_t len)
{
    void *copy = malloc(len ? len : 1);

    if (copy && len)
        memcpy(copy, bytes, len);
    return copy;
}

void *mem_grow(void *list, size_t count, size_t *room, size_t size)
{
    size_t wanted = *room ? *room * 2 : 1024, bytes;
    void *grown;

    if (count < *room)
        return list;
    grown = mem_mul(&bytes, wanted, size) ? realloc(list, bytes) : NULL;
    if (grown)
        *room = wanted;
    return grown;
}

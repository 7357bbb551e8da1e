/* hash.h: a fast sum that notices damage. Not for secrets: file.h has SHA-256. */
#ifndef RAP_BASE_HASH_H
#define RAP_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* Every bit of the bytes and of `seed` moves the result; the same on every machine of one byte order. */
uint64_t hash_fast(const void *bytes, size_t size, uint64_t seed);

#endif

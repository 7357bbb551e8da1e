/* gguf_types.h: ggml's tensor types (block and byte sizes) and the two half-width floats. */
#ifndef RAP_FORMATS_GGUF_TYPES_H
#define RAP_FORMATS_GGUF_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct gguf_block {
    int elements; /* per block; 0: an unknown or removed type */
    int bytes;    /* per block */
} gguf_block;

gguf_block gguf_type_block(int64_t type);

float gguf_half_to_float(uint16_t half);
float gguf_bfloat_to_float(uint16_t bfloat);
uint16_t gguf_float_to_half(float value); /* round to nearest even; overflow gives infinity */

/* Element-wise over possibly unaligned little-endian memory. */
void gguf_halves_to_floats(float *out, const void *in, size_t count);
void gguf_bfloats_to_floats(float *out, const void *in, size_t count);
void gguf_q8_0_to_floats(float *out, const void *in, size_t count); /* count: a multiple of 32 */

/* The reverse, for finite numbers; false if one of them is too large for the type. */
bool gguf_floats_to_halves(void *out, const float *in, size_t count);
bool gguf_floats_to_bfloats(void *out, const float *in, size_t count); /* to nearest even */
bool gguf_floats_to_q8_0(void *out, const float *in, size_t count);    /* count: a multiple of 32 */

#endif

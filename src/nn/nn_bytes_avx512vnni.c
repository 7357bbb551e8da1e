/* nn_bytes_avx512vnni.c: the byte-product tile for AVX512-VNNI. */
#if defined(__AVX512VNNI__)
#include "nn/nn_sets.h"

#define VECTOR 16
#define BYTE_ROWS NN_AVX512VNNI_ROWS
#include "nn/nn_loops_bytes.inc"

void nn_byte_tile_avx512vnni(int32_t *acc, const uint8_t *const *a, const int8_t *w, int64_t depth,
                             bool fresh)
{
    byte_tile(acc, a, w, depth, fresh);
}
#endif

/* nn_bytes_avxvnni.c: the byte-product tile for AVX-VNNI. */
#if defined(__AVXVNNI__)
#include "nn/nn_sets.h"

#define VECTOR 8
#define BYTE_ROWS NN_AVXVNNI_ROWS
#include "nn/nn_loops_bytes.inc"

void nn_byte_tile_avxvnni(int32_t *acc, const uint8_t *const *a, const int8_t *w, int64_t depth,
                          bool fresh)
{
    byte_tile(acc, a, w, depth, fresh);
}
#endif

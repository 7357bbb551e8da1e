/* nn_kernels_avx512.c: the inner loops for AVX-512: 32 registers of 16 numbers. */
#if defined(__AVX512F__)
#define VECTOR 16
#define ROWS_1 12
#define ROWS_2 12
#define ROWS_3 8
#define CHUNK_STEP 8
#define STEPS 4
#define BYTE_ROWS 12
#include "nn/nn_loops.inc"

#include "nn/nn_sets.h"

const nn_kernels nn_kernels_avx512 = NN_KERNELS("avx512", byte_tile, BYTE_ROWS, BYTE_LIMIT);
const nn_kernels nn_kernels_avx512_vnni =
    NN_KERNELS("avx512", nn_byte_tile_avx512vnni, NN_AVX512VNNI_ROWS, 127);
#endif

/* nn_kernels_avx2.c: the inner loops for AVX2 and FMA: 16 registers of 8 numbers. */
#if defined(__AVX2__)
#define VECTOR 8
#define ROWS_1 6
#define ROWS_2 6
#define ROWS_3 4
#define CHUNK_STEP 12
#define STEPS 8
#define BYTE_ROWS 4
#include "nn/nn_loops.inc"

#include "nn/nn_sets.h"

const nn_kernels nn_kernels_avx2 = NN_KERNELS("avx2", byte_tile, BYTE_ROWS, BYTE_LIMIT);
const nn_kernels nn_kernels_avx2_vnni =
    NN_KERNELS("avx2", nn_byte_tile_avxvnni, NN_AVXVNNI_ROWS, 127);
#endif

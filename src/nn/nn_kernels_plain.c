/* nn_kernels_plain.c: the inner loops for processors without AVX2, in any vectors of 4 the
 * compiler can use. */
#define VECTOR 4
#if defined(__SSE2__) /* 16 registers, and each product needs one */
#define ROWS_1 4
#define ROWS_2 4
#define ROWS_3 3
#else
#define ROWS_1 6
#define ROWS_2 6
#define ROWS_3 4
#endif
#define CHUNK_STEP 12
#define STEPS 8
#define BYTE_ROWS 4
#include "nn/nn_loops.inc"

#include "nn/nn_sets.h"

const nn_kernels nn_kernels_plain = NN_KERNELS("plain", byte_tile, BYTE_ROWS, BYTE_LIMIT);

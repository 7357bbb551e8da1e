/* nn_avx2.h: for kernels whose sums stay in registers: written out row by row, since a compiler does not keep an array there. */
#ifndef RAP_NN_NN_AVX2_H
#define RAP_NN_NN_AVX2_H

#if defined(__x86_64__)
#include <immintrin.h>
#define AVX2 __attribute__((target("avx2,fma"))) /* a function that is only called where the processor has both */
#else
#define AVX2
#endif

/* X(0) X(1) …: one for each row of a tile. */
#define FOR_1(X) X(0)
#define FOR_2(X) FOR_1(X) X(1)
#define FOR_3(X) FOR_2(X) X(2)
#define FOR_4(X) FOR_3(X) X(3)
#define FOR_5(X) FOR_4(X) X(4)
#define FOR_6(X) FOR_5(X) X(5)

#endif

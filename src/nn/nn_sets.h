/* nn_sets.h: the kernel sets, each compiled in its own file, for nn_isa.c and each other. */
#ifndef RAP_NN_NN_SETS_H
#define RAP_NN_NN_SETS_H

#include "nn/nn_kernels.h"

extern const nn_kernels nn_kernels_plain;
#if defined(__x86_64__)
extern const nn_kernels nn_kernels_avx2, nn_kernels_avx2_vnni, nn_kernels_avx512, nn_kernels_avx512_vnni;
#define NN_AVXVNNI_ROWS 6
#define NN_AVX512VNNI_ROWS 12
nn_byte_tile_fn nn_byte_tile_avxvnni, nn_byte_tile_avx512vnni;
#endif

#endif

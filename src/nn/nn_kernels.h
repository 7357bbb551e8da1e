/* nn_kernels.h: the inner loops, as one set of functions for each instruction set.
 *
 * The source is the same for all (nn_loops.inc and what it includes), compiled for vectors of 4, 8 and 16 numbers. Which set
 * runs is found out once for each process: the best that the processor has, or what $RAP_ISA names:
 *
 *     plain    vectors of 4: x86-64 without AVX2, other processors
 *     avx2     vectors of 8: AVX2 and FMA; bytes by AVX-VNNI where it is there
 *     avx512   vectors of 16: AVX-512 F, BW, DQ and VL; bytes by AVX512-VNNI where it is there
 *     onednn   the best of these, but linear layers and convolutions in f32 by oneDNN, for comparison */
#ifndef RAP_NN_NN_KERNELS_H
#define RAP_NN_NN_KERNELS_H

#include "nn/nn.h"

enum {
    NN_MAX_VECTOR = 16,
    NN_MAX_PANEL = 3 * NN_MAX_VECTOR, /* columns */
    NN_MAX_CHUNK = 96,                /* rows that a task takes together */
    NN_MAX_BYTE_ROWS = 12,
    NN_WINDOW = 6, /* places of a side that one square of a Winograd convolution reads, */
    NN_SQUARE = 4, /* and results of a side */
    NN_TERMS = NN_WINDOW * NN_WINDOW
};

/* What a tile adds up: for each row `taps` runs of `depth` numbers, each times its part of a panel. */
typedef struct nn_sum {
    const float *const *at; /* [taps][apart]: where the rows' runs begin, */
    int64_t apart, taps;
    int64_t skip, depth;   /* and which part of a run is wanted */
    const float *weights;  /* [taps · depth, width] */
    const float *ahead;    /* what is needed next; only prefetched, any address */
    bool fresh;            /* out starts at zero */
} nn_sum;

/* out [rows, width] += the sum; rows of out lie `ldo` apart. Rows and width are those of the function. */
typedef void nn_tile_fn(float *out, int64_t ldo, const nn_sum *s);

/* acc [byte_rows, 2 · vector] += rows a of `depth` bytes, a multiple of 4, · w [depth / 4][2 · vector][4]. */
typedef void nn_byte_tile_fn(int32_t *acc, const uint8_t *const *a, const int8_t *w, int64_t depth, bool fresh);

/* The end of a layer for rows of `columns` of its result: dst = act(acc + bias) + residual. acc [rows, width], width a multiple of
 * `vector` and at most NN_MAX_PANEL; rows of dst and residual lie `o` apart; bias and residual may be NULL. */
typedef struct nn_ending {
    float *acc; /* changed */
    int64_t rows, width, columns, o;
    const float *bias, *residual;
    float *dst;
    nn_act act;
} nn_ending;

/* The part of a square of results that lies in the map: dst and residual from its first place on. */
typedef struct nn_square {
    float *dst;
    const float *residual; /* NULL: none */
    int64_t line, place;   /* how far apart lines and places lie */
    int64_t lines, places;
} nn_square;

typedef struct nn_kernels {
    const char *name;
    int vector;                 /* numbers of a vector */
    int rows[3];                /* of the largest tile 1, 2 and 3 vectors wide */
    nn_tile_fn *const *tile[3]; /* [rows] each, the first of one row */
    int chunk_step;             /* a number of rows that gives full tiles */
    int byte_rows;
    int byte_limit; /* of the absolute value of a weight in bytes: 63 where sums of two products must fit in 16 bits */
    nn_byte_tile_fn *byte_tile;
    void (*finish)(const nn_ending *e);
    /* out [width] = (sums − zero · total) · (scale · t), width a multiple of `vector` */
    void (*from_bytes)(float *out, const int32_t *sums, const int32_t *total, const float *t, int64_t width,
                       int32_t zero, float scale);
    float (*weights)(float *x, int64_t n, float top, float scale); /* nn_row_weights() */
    void (*act)(float *out, const float *x, int64_t n, nn_act act);
    /* v [NN_TERMS], `apart` numbers apart, [c] each = the transformed windows of c channels, a multiple of `vector` */
    void (*winograd_in)(float *v, int64_t apart, const float *const at[NN_TERMS], int64_t c);
    /* a vector of channels of a square: act(results + bias) + residual, from the products m [NN_TERMS], `apart` apart */
    void (*winograd_out)(const nn_square *to, const float *m, int64_t apart, const float *bias, nn_act act);
} nn_kernels;

/* What runs here; RAP_E_ARGUMENT when $RAP_ISA asks for what is not known or not there. */
rap_status nn_kernels_check(rap_err *err);
const nn_kernels *nn_kernels_used(void); /* the best there is when that fails */
bool nn_kernels_leave_layers(void);      /* to oneDNN, where both can run them */

/* The i-th set that this processor can run, NULL behind the last; the last is the best. */
const nn_kernels *nn_kernels_at(int i);

#endif

/* nn_kernels.h: the inner loops, one set of functions per instruction set.
 *
 * All sets share one source (nn_loops.inc and what it includes), compiled for vectors of 4, 8 and 16 floats.
 * Each process chooses one set once: the best the processor supports, or the one $RAP_ISA names:
 *
 *     plain    vectors of 4: x86-64 without AVX2, other processors
 *     avx2     vectors of 8: AVX2 and FMA; AVX-VNNI for bytes if present
 *     avx512   vectors of 16: AVX-512 F, BW, DQ and VL; AVX512-VNNI for bytes if present
 *     onednn   the best of these, but f32 linear layers and convolutions run in oneDNN, for comparison */
#ifndef RAP_NN_NN_KERNELS_H
#define RAP_NN_NN_KERNELS_H

#include "nn/nn.h"

enum {
    NN_MAX_VECTOR = 16,
    NN_MAX_PANEL = 3 * NN_MAX_VECTOR, /* columns */
    NN_MAX_CHUNK = 96,                /* rows a task processes together */
    NN_MAX_BYTE_ROWS = 12,
    NN_WINDOW = 6, /* input positions per side of a Winograd square */
    NN_SQUARE = 4, /* results per side */
    NN_TERMS = NN_WINDOW * NN_WINDOW
};

/* The sum a tile computes: for each row, `taps` runs of `depth` values, each times its part of a panel. */
typedef struct nn_sum {
    const float *const *at; /* [taps][apart]: where the rows' runs begin */
    int64_t apart, taps;
    int64_t skip, depth;   /* the part of each run to use */
    const float *weights;  /* [taps · depth, width] */
    const float *ahead;    /* what is needed next; only prefetched, so any address is fine */
    bool fresh;            /* out starts at zero */
} nn_sum;

/* out [rows, width] += the sum; row stride of out `ldo`. The function fixes rows and width. */
typedef void nn_tile_fn(float *out, int64_t ldo, const nn_sum *s);

/* acc [byte_rows, 2 · vector] += rows a of `depth` bytes (a multiple of 4) · w [depth / 4][2 · vector][4]. */
typedef void nn_byte_tile_fn(int32_t *acc, const uint8_t *const *a, const int8_t *w, int64_t depth, bool fresh);

/* The last step of a layer for rows of `columns` of its result: dst = act(acc + bias) + residual. acc [rows,
 * width], width a multiple of `vector` and at most NN_MAX_PANEL; dst and residual have row stride `o`; bias
 * and residual may be NULL. */
typedef struct nn_ending {
    float *acc; /* modified */
    int64_t rows, width, columns, o;
    const float *bias, *residual;
    float *dst;
    nn_act act;
} nn_ending;

/* The part of a square of results inside the map; dst and residual point at its first position. */
typedef struct nn_square {
    float *dst;
    const float *residual; /* NULL: none */
    int64_t line, place;   /* strides of lines and positions */
    int64_t lines, places;
} nn_square;

/* A number of 32 bits drawn for place i: the same in every set. */
static inline uint32_t nn_drawn(uint32_t key, uint32_t i)
{
    uint32_t x = (i * 0x9e3779b9u) ^ key;
    x = (x ^ x >> 16) * 0x7feb352du;
    x = (x ^ x >> 15) * 0x846ca68bu;
    return x ^ x >> 16;
}

typedef struct nn_kernels {
    const char *name;
    int vector;                 /* floats per vector */
    int rows[3];                /* rows of the largest tile 1, 2 and 3 vectors wide */
    nn_tile_fn *const *tile[3]; /* [rows] each, the first of one row */
    int chunk_step;             /* row count that fills whole tiles */
    int byte_rows;
    int byte_limit; /* largest absolute value of a weight in bytes: 63 where sums of two products must fit in 16 bits */
    nn_byte_tile_fn *byte_tile;
    void (*finish)(const nn_ending *e);
    /* out [width] = (sums − zero · total) · (scale · t), width a multiple of `vector` */
    void (*from_bytes)(float *out, const int32_t *sums, const int32_t *total, const float *t, int64_t width,
                       int32_t zero, float scale);
    float (*weights)(float *x, int64_t n, float top, float scale); /* nn_row_weights() */
    void (*act)(float *out, const float *x, int64_t n, nn_act act);
    /* out [n] = or += x · keep where nn_drawn(key, i) is `least` or more, else 0 */
    void (*drop)(float *out, const float *x, int64_t n, uint32_t key, uint32_t least, float keep, bool add);
    /* v [NN_TERMS], stride `apart`, [c] each = the transformed windows of c channels, a multiple of `vector` */
    void (*winograd_in)(float *v, int64_t apart, const float *const at[NN_TERMS], int64_t c);
    /* one vector of channels of a square: act(results + bias) + residual, from the products m [NN_TERMS],
     * stride `apart` */
    void (*winograd_out)(const nn_square *to, const float *m, int64_t apart, const float *bias, nn_act act);
} nn_kernels;

/* Checks $RAP_ISA: RAP_E_ARGUMENT if its value is unknown or unsupported here. */
rap_status nn_kernels_check(rap_err *err);
const nn_kernels *nn_kernels_used(void); /* the best available if the check fails */
bool nn_kernels_leave_layers(void);      /* run layers in oneDNN where both can */

/* The i-th set this processor supports, NULL after the last; the last is the best. */
const nn_kernels *nn_kernels_at(int i);

#endif

/* decoder_inside.h: a decoder's memory, for decoder_open.c and forward.c. T = rows at most, D = width, F = inner,
 * Q = heads · head, K = groups · head. */
#ifndef RAP_TRAIN_DECODER_INSIDE_H
#define RAP_TRAIN_DECODER_INSIDE_H

#include "train/decoder.h"

enum {
    HEAD_ROWS = 256,
    HEAD_BLOCK = 8192
}; /* rows whose logits are there at once; tokens of a block of them */

/* What a layer keeps for its way back. What norms and swiglu make of it is made again there: that costs nothing beside the
 * products, and would take a third of the memory. */
typedef struct acts {
    real *q0, *k0;         /* [T, Q], [T, K] before the norm of heads; NULL without one */
    real *q, *k, *v;       /* [T, Q], [T, K], [T, K] as attention takes them */
    real *att;             /* [T, Q] */
    real *x2;              /* [T, D] after attention */
    real *g, *u;           /* [T, F] */
    real *z[LINEAR_KINDS]; /* [T, rank] of each LoRA */
} acts;

typedef struct layer {
    linear linear[LINEAR_KINDS];           /* those that shape_has() */
    real *norm1, *norm2, *norm_q, *norm_k; /* [D], [D], [head], [head] or NULL */
    real *x;                               /* [T, D] its input */
    acts acts;                             /* with recompute the same memory for all layers */
} layer;

struct decoder {
    const gguf_file *file;
    shape shape;
    decoder_options options;
    bool kept; /* frozen weights are packed once */
    layer *layers;
    const gguf_tensor *table;
    frozen head; /* [vocab, D] */
    real *norm;  /* [D] before the head */
    rope rope;
    attention attention;
    workshop shop;
    real *arena;
    real *param, *grad;
    size_t params;
    real *x;                        /* [T, D] after the last layer */
    real *n, *h;                    /* [T, D] after a layer's first or second norm; [T, F] after its swiglu */
    real *dx, *dn;                  /* [T, D] */
    real *dq, *dk, *dv, *datt;      /* like q, k, v, att */
    real *dg, *du;                  /* [T, F] */
    real *wide;                     /* [T, Q + 2 K] and [T, 2 F] of joint weights */
    real *rest;                     /* scratch of attention */
    real *heads, *picked, *dpicked; /* [HEAD_ROWS, D] normed, before; gradient */
    real *logits;     /* [HEAD_ROWS, vocab] block by block: each [n, HEAD_BLOCK], then [n, words] */
    const real *word; /* [words, D] further rows of the head (words.c) */
    real *dword;      /* their gradient */
    int words;
    double loss[HEAD_ROWS];
    real weight[HEAD_ROWS];
    int32_t place[HEAD_ROWS], target[HEAD_ROWS];
};

/* ---- words.c: in forward.c's head, where there are any ---- */

/* The words' logits behind d->logits. */
void words_run(decoder *d, int64_t n);
/* From their gradients, which stand there: dword +=; before d->heads become gradients. */
void words_back(decoder *d, int64_t n);
/* Then d->heads [n, D] += the words' part. */
void words_add(decoder *d, int64_t n);

#endif

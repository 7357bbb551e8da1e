/* ops.h: the steps of a decoder without weights to train, each with its gradient. T rows (tokens), D numbers each.
 * dX is the derivative of the loss by X. Forward: ops_norm.c (RMSNorm, RoPE, SwiGLU), ops_attention.c, ops_loss.c. */
#ifndef RAP_TRAIN_OPS_H
#define RAP_TRAIN_OPS_H

#include "train/real.h"

/* Sequences one behind the other, without padding: sequence s is rows begin[s] to begin[s + 1]. */
typedef struct spans {
    const int32_t *begin; /* [count + 1] */
    int count;
} spans;

/* out [T, D] = x / √(mean(x²) + eps) · w, w [D], for each row of D. `out` may be x. */
void rms_norm(real *out, const real *x, const real *w, int64_t t, int64_t d, real eps, int threads);
/* dx [T, D] += the gradient through it. `dx` must not be dout. */
void rms_norm_back(real *dx, const real *dout, const real *x, const real *w, int64_t t, int64_t d,
                   real eps, int threads);

/* Rotary positions. */
typedef struct rope {
    real *cos, *sin;  /* [positions, dims / 2] */
    int64_t positions, dims;
    bool neox;        /* pairs (i, i + dims/2), else (2i, 2i + 1) */
} rope;
/* x [T, heads, head] rotated in place by its place in its sequence; `back`: the other way, which is the gradient. */
void rope_turn(real *x, const rope *r, const spans *s, int64_t heads, int64_t head, bool back,
               int threads);

/* h [T, F] = silu(g) · u */
void swiglu(real *h, const real *g, const real *u, int64_t count, int threads);
/* dg, du [T, F] from dh; dg may be dh. */
void swiglu_back(real *dg, real *du, const real *dh, const real *g, const real *u, int64_t count,
                 int threads);

/* Causal attention with `heads` queries and `groups` keys and values, heads a multiple of groups. */
typedef struct attention {
    int64_t heads, groups, head; /* numbers of a head */
    real scale;                  /* of scores         */
} attention;
size_t attention_reals(const attention *a, const spans *s, int threads); /* of scratch */
/* out, q [T, heads · head]; k, v [T, groups · head] */
void attention_run(real *out, const real *q, const real *k, const real *v, const attention *a,
                   const spans *s, real *scratch, int threads);
/* dq like q, dk and dv like k, all overwritten */
void attention_back(real *dq, real *dk, real *dv, const real *dout, const real *q, const real *k,
                    const real *v, const attention *a, const spans *s, real *scratch, int threads);

/* Logits [N, V] lie in blocks of columns, one behind the other: [N, block] each, the last with the rest; behind them
 * [N, extra] of words that the vocabulary does not have, columns V and on. */
static inline real *logit(real *logits, int64_t row, int64_t column, int64_t n, int64_t vocab, int64_t block,
                          int64_t extra)
{
    int64_t first = column < vocab ? column / block * block : vocab;
    int64_t wide = column >= vocab ? extra : vocab - first < block ? vocab - first : block;
    return logits + first * n + row * wide + (column - first);
}

/* loss [N] = −weight · log softmax(logits [N, V])[target]; logits become scale · weight · (softmax − onehot(target)), the
 * gradient of scale · loss. weight [N] */
void cross_entropy(double *loss, real *logits, const int32_t *target, const real *weight, int64_t n,
                   int64_t vocab, int64_t block, int64_t extra, real scale, int threads);

#endif

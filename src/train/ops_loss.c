/* ops_loss.c: cross-entropy.
 *     loss = w (log Σ e^x − x_target),   dx = w (softmax(x) − onehot(target)) */
#include "nn/nn.h"
#include "train/ops.h"

#include <math.h>

typedef struct entropy {
    double *loss;
    real *logits;
    const int32_t *target;
    const real *weight;
    int64_t n, vocab, block, extra;
    real scale;
} entropy;

/* x [wide] of a block of row t from `first` on. */
static real *piece(int64_t *wide, const entropy *e, int64_t t, int64_t first)
{
    int64_t left = first < e->vocab ? e->vocab - first : e->extra;
    *wide = first < e->vocab && left > e->block ? e->block : left;
    return logit(e->logits, t, first, e->n, e->vocab, e->block, e->extra);
}

static real top_of_row(const entropy *e, int64_t t)
{
    real top = *logit(e->logits, t, 0, e->n, e->vocab, e->block, e->extra);
    int64_t wide;
    for (int64_t first = 0; first < e->vocab + e->extra; first += wide) {
        const real *x = piece(&wide, e, t, first);
        for (int64_t i = 0; i < wide; i++)
            top = x[i] > top ? x[i] : top;
    }
    return top;
}

static void entropy_row(void *payload, int64_t t, int lane)
{
    const entropy *e = payload;
    real *target = logit(e->logits, t, e->target[t], e->n, e->vocab, e->block, e->extra);
    real top = top_of_row(e, t), of_target = *target, sum = 0, weight = e->weight[t],
         scale = e->scale * weight;
    int64_t wide;
    for (int64_t first = 0; first < e->vocab + e->extra; first += wide) {
        real *x = piece(&wide, e, t, first);
        sum += row_weights(x, wide, top, 1);
    }
    e->loss[t] = (double)weight * (log((double)sum) + (double)top - (double)of_target);
    for (int64_t first = 0; first < e->vocab + e->extra; first += wide) {
        real *x = piece(&wide, e, t, first);
        for (int64_t i = 0; i < wide; i++)
            x[i] *= scale / sum;
    }
    *target -= scale;
}

void cross_entropy(double *loss, real *logits, const int32_t *target, const real *weight, int64_t n,
                   int64_t vocab, int64_t block, int64_t extra, real scale, int threads)
{
    entropy e = { loss, logits, target, weight, n, vocab, block, extra, scale };
    nn_each(threads, n, entropy_row, &e);
}

/* ops_loss.c: cross-entropy.
 *     loss = log Σ e^x − x_target,   dx = softmax(x) − onehot(target) */
#include "nn/nn.h"
#include "train/ops.h"

#include <math.h>

typedef struct entropy {
    double *loss;
    real *logits;
    const int32_t *target;
    int64_t vocab;
    real scale;
} entropy;

static void entropy_row(void *payload, int64_t t, int lane)
{
    const entropy *e = payload;
    real *x = e->logits + t * e->vocab, top = x[0], of_target = x[e->target[t]], sum;
    for (int64_t i = 1; i < e->vocab; i++)
        top = x[i] > top ? x[i] : top;
    sum = row_weights(x, e->vocab, top, 1);
    e->loss[t] = log((double)sum) + (double)top - (double)of_target;
    for (int64_t i = 0; i < e->vocab; i++)
        x[i] *= e->scale / sum;
    x[e->target[t]] -= e->scale;
}

void cross_entropy(double *loss, real *logits, const int32_t *target, int64_t n, int64_t vocab,
                   real scale, int threads)
{
    entropy e = { loss, logits, target, vocab, scale };
    nn_each(threads, n, entropy_row, &e);
}

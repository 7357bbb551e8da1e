/* optimiser.c: see optimiser.h. */
#include "train/optimiser.h"

#include "nn/nn.h"

#include <math.h>

#define BETA1 0.9
#define BETA2 0.999
#define EPSILON 1e-8
#define PI 3.14159265358979323846

enum { PIECE = 1 << 14, PIECES = 512 };

double learning_rate(double lr, int64_t step, int64_t steps, double warm_share)
{
    int64_t warm = (int64_t)ceil((double)steps * warm_share);

    if (step < warm)
        return lr * (double)(step + 1) / (double)warm;
    return steps > warm ? lr * 0.5 * (1 + cos(PI * (double)(step - warm) / (double)(steps - warm)))
                        : lr;
}

typedef struct squares {
    const real *grad;
    size_t count;
    double *sum; /* of each piece */
} squares;

static void square_piece(void *payload, int64_t piece, int lane)
{
    const squares *s = payload;
    size_t at = (size_t)piece * PIECE;
    double sum = 0;

    for (size_t i = at; i < s->count && i < at + PIECE; i++)
        sum += (double)s->grad[i] * (double)s->grad[i];
    s->sum[piece] = sum;
}

double gradient_norm(const real *grad, size_t count, int threads)
{
    double all = 0, sum[PIECES];

    for (size_t at = 0; at < count; at += (size_t)PIECE * PIECES) {
        size_t left = count - at, pieces = (left + PIECE - 1) / PIECE;
        squares s = { grad + at, left, sum };

        pieces = pieces < PIECES ? pieces : PIECES;
        nn_each(threads, (int64_t)pieces, square_piece, &s);
        for (size_t i = 0; i < pieces; i++)
            all += sum[i];
    }
    return sqrt(all);
}

static void step_piece(void *payload, int64_t piece, int lane)
{
    const adam *a = payload;
    size_t at = (size_t)piece * PIECE, end = at + PIECE < a->count ? at + PIECE : a->count;
    real rate = (real)(a->lr / (1 - pow(BETA1, (double)a->t)));
    real unbias = (real)(1 / (1 - pow(BETA2, (double)a->t)));
    real scale = (real)a->scale, b1 = (real)BETA1, b2 = (real)BETA2, epsilon = (real)EPSILON;

    for (size_t i = at; i < end; i++) {
        real g = a->grad[i] * scale;

        a->m[i] = b1 * a->m[i] + (1 - b1) * g;
        a->v[i] = b2 * a->v[i] + (1 - b2) * g * g;
        a->param[i] -= rate * a->m[i] / (sqrtf((float)(a->v[i] * unbias)) + epsilon);
        a->grad[i] = 0;
    }
}

void adam_step(const adam *a, int threads)
{
    adam copy = *a;

    nn_each(threads, (int64_t)((a->count + PIECE - 1) / PIECE), step_piece, &copy);
}

/* classifier.c: see classifier.h.
 *     loss = mean over classes of mean log(1 + e^−ys) + decay/2 · |w|²,   s = w·x + b,   ds = (σ(s) − y) · weight */
#include "train/concept/classifier.h"

#include "base/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define RATE 0.05

static double score(const classifier *c, const float *x)
{
    double sum = c->bias;

    for (int i = 0; i < c->dim; i++)
        sum += (double)c->w[i] * (double)x[i];
    return sum;
}

double classifier_yes(const classifier *c, const float *feature)
{
    return 1 / (1 + exp(-score(c, feature)));
}

/* Adam on dim + 1 numbers, the bias last. */
typedef struct state {
    double *grad, *m, *v;
    int t;
} state;

static double adam(state *s, int i)
{
    double g = s->grad[i];

    s->m[i] = 0.9 * s->m[i] + 0.1 * g;
    s->v[i] = 0.999 * s->v[i] + 0.001 * g * g;
    return RATE * s->m[i] / (1 - pow(0.9, s->t)) / (sqrt(s->v[i] / (1 - pow(0.999, s->t))) + 1e-8);
}

static void step(classifier *c, state *s, const float *feature, const uint8_t *label, int count,
                 const double weight[2], double decay)
{
    memset(s->grad, 0, (size_t)(c->dim + 1) * sizeof *s->grad);
    for (int n = 0; n < count; n++) {
        const float *x = feature + (size_t)n * (size_t)c->dim;
        double d = (classifier_yes(c, x) - label[n]) * weight[label[n]];

        for (int i = 0; i < c->dim; i++)
            s->grad[i] += d * (double)x[i];
        s->grad[c->dim] += d;
    }
    s->t++;
    for (int i = 0; i < c->dim; i++) {
        s->grad[i] += decay * (double)c->w[i];
        c->w[i] -= (float)adam(s, i);
    }
    c->bias -= (float)adam(s, c->dim);
}

rap_status classifier_fit(classifier *c, const float *feature, const uint8_t *label, int count,
                          double decay, int steps, rap_err *err)
{
    size_t numbers = (size_t)c->dim + 1;
    int of[2] = { 0, 0 };
    double *room = mem_array(3 * numbers, sizeof *room), weight[2];
    state s = { room, room + numbers, room + 2 * numbers, 0 };

    for (int n = 0; n < count; n++)
        of[label[n]]++;
    if (!room)
        return err_memory(err, "training a classifier");
    if (!of[0] || !of[1]) {
        free(room);
        return err_set(err, RAP_E_ARGUMENT,
                       "a classifier takes pictures that show the concept and "
                       "pictures that do not; %s are missing",
                       of[1] ? "the latter" : "the former");
    }
    for (int k = 0; k < 2; k++)
        weight[k] = 0.5 / of[k];
    memset(c->w, 0, (size_t)c->dim * sizeof *c->w);
    c->bias = 0;
    for (int i = 0; i < steps; i++)
        step(c, &s, feature, label, count, weight, decay);
    free(room);
    return RAP_OK;
}

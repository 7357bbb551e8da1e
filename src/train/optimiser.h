/* optimiser.h: AdamW without weight decay, a cosine with warm-up, clipping. */
#ifndef RAP_TRAIN_OPTIMISER_H
#define RAP_TRAIN_OPTIMISER_H

#include "train/real.h"

/* lr · (step + 1) / warm for the first `warm` steps, then lr · ½ (1 + cos(π · share of the rest)); step from 0. */
double learning_rate(double lr, int64_t step, int64_t steps, double warm_share);

/* √ Σ grad², summed in one order on any number of threads. */
double gradient_norm(const real *grad, size_t count, int threads);

/* One step, t from 1; grad is scaled by `scale` first (clipping) and zeroed afterwards.
 *     m = β₁ m + (1 − β₁) g,  v = β₂ v + (1 − β₂) g²,  w −= lr · m̂ / (√v̂ + ε),  m̂ = m / (1 − β₁ᵗ), v̂ = v / (1 − β₂ᵗ) */
typedef struct adam {
    real *param, *grad, *m, *v;
    size_t count;
    int64_t t;
    double lr, scale;
} adam;
void adam_step(const adam *a, int threads);

#endif

/* linear.h: a linear layer of the decoder: a frozen weight W out of the GGUF, and a LoRA (A, B) that is trained.
 *
 *     out = x Wᵀ + bias + s · (x̃ Aᵀ) Bᵀ         x̃ = dropout(x)
 *
 * with z = x̃ Aᵀ and dz = s · dout B:
 *     dB = s · doutᵀ z,   dA = dzᵀ x̃,   dx = dout W + mask ∘ (dz A) */
#ifndef RAP_TRAIN_LINEAR_H
#define RAP_TRAIN_LINEAR_H

#include "train/real.h"
#include "train/shape.h"

/* A frozen matrix [rows, width], unpacked for products. */
typedef struct frozen {
    const gguf_tensor *tensor;
    int64_t rows, width;
    real *forth, *back; /* packed for x Wᵀ and for dout W; NULL: unpacked each time */
} frozen;

typedef struct linear {
    linear_kind kind;
    int64_t layer, in, out;
    frozen w;
    real *bias;      /* [out] or NULL */
    real *a, *b;     /* [rank, in], [out, rank]; NULL: no LoRA */
    real *da, *db;
    size_t place;    /* of a among all numbers of LoRAs; b follows it */
    uint64_t number; /* of this layer, for dropout */
} linear;

/* What all linear layers share while they run. */
typedef struct workshop {
    int64_t rank, rows; /* of the LoRAs; T at most */
    real scale;         /* s */
    double dropout;
    uint64_t dropout_key; /* 0: none */
    int threads;
    real *plain, *packed; /* of the largest frozen matrix */
    real *x, *z, *turned; /* [T, widest in], [T, rank], [widest, T] */
    real *factor;         /* of LoRA matrices and of [T, …] */
} workshop;

/* out [rows, width] in the order of the file. */
void frozen_read(real *out, const gguf_tensor *t, int64_t rows, int threads);
void frozen_read_row(real *out, const gguf_tensor *t, int64_t row); /* out [width] */
/* W as the factor of x Wᵀ (NN_ROWS) or of dout W (NN_COLUMNS). */
factor frozen_factor(const frozen *f, nn_matrix_layout layout, workshop *shop);

/* Reals of the workshop's fields, for its allocation. */
size_t workshop_factor_reals(int64_t rank, int64_t rows, int64_t widest);

/* out [T, out] from x [T, in]; z [T, rank] is kept for the way back. */
void linear_run(real *out, real *z, const real *x, int64_t t, const linear *l, workshop *shop);
/* dx [T, in] (+)= from dout [T, out]; da and db += . */
void linear_back(real *dx, bool add, const real *dout, const real *z, const real *x, int64_t t,
                 const linear *l, workshop *shop);

/* A uniform number 0 ≤ u < 1 that depends on nothing but its names. */
double uniform_at(uint64_t key, uint64_t stream, uint64_t i);

#endif

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

/* An adapter that the frozen matrix has already: W + scale · b a. */
typedef struct frozen_lora {
    const float *a, *b; /* [rank, width], [rows, rank] */
    int64_t rank;
    real scale;
} frozen_lora;

enum { FROZEN_LORAS = 16 };

/* A frozen matrix [rows, width], unpacked for products in blocks of rows: one, but for the wide output. */
typedef struct frozen {
    const gguf_tensor *tensor;
    frozen_lora lora[FROZEN_LORAS]; /* [loras] added wherever the matrix is unpacked */
    int loras;
    int64_t rows, width, block;
    real *forth, *back; /* packed for x Wᵀ and for dout W, block by block; NULL: unpacked each time */
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

enum { FROZEN_ROWS = NN_STRIP_ROWS };

/* What all linear layers share while they run. */
typedef struct workshop {
    int64_t rank, rows; /* of the LoRAs; T at most */
    real scale;         /* s */
    double dropout;
    uint64_t dropout_key; /* 0: none */
    int threads;
    bool half;            /* products with frozen weights in bf16 */
    real *strip;          /* [threads, FROZEN_ROWS, widest in] rows of a frozen matrix */
    int64_t strip_reals;  /* of a thread */
    real *packed;         /* of the largest frozen block */
    real *rounded;        /* [T, widest] in bf16 */
    real *x, *z, *turned; /* [T, widest in], [T, rank], [rank, T] */
    real *gradient;       /* [rank, widest out] */
    real *factor;         /* of LoRA matrices and of [T, …] */
    double spent[LINEAR_KINDS][3]; /* milliseconds of processor time: W forwards, W backwards, LoRA */
} workshop;

/* out [rows, width] in the order of the file. */
void frozen_read(real *out, const gguf_tensor *t, int64_t rows, int threads);
void frozen_read_row(real *out, const gguf_tensor *t, int64_t row); /* out [width] */

int64_t frozen_blocks(const frozen *f);
/* Reals of all blocks, packed. */
size_t frozen_reals(const frozen *f, nn_matrix_layout layout, bool half);
/* W as it is kept: packs f->forth and f->back. */
void frozen_keep(const frozen *f, workshop *shop);
/* out [m, rows of block i] = x Wᵀ of block i, or (NN_COLUMNS) out [m, width] = dout [m, rows of block i] W. */
void frozen_product(real *out, const real *a, int64_t m, bool add, const frozen *f, int64_t i,
                    nn_matrix_layout layout, workshop *shop);

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

/* projector.h: LLaVA's projector, two linear layers with an exact GELU between them, trained in full. R rows of a tower's
 * features become rows that stand in the decoder's sequences where tokens' embeddings would.
 *
 *     h = f W0ᵀ + b0,  a = gelu(h),  out = a W2ᵀ + b2        gelu(x) = x Φ(x)
 *
 *     dW2 = doutᵀ a,  db2 = Σ dout,  dh = (dout W2) ∘ gelu'(h),  dW0 = dhᵀ f,  db0 = Σ dh        gelu'(x) = Φ(x) + x φ(x) */
#ifndef RAP_TRAIN_PROJECTOR_H
#define RAP_TRAIN_PROJECTOR_H

#include "base/err.h"
#include "formats/gguf_file.h"
#include "train/real.h"

typedef struct projector {
    int64_t in, inner, out; /* of a feature, between the layers, of a row */
    int64_t rows;           /* R at most */
    int threads;
    size_t params;
    real *param, *grad;                         /* [params] w0, b0, w2, b2 one behind the other */
    real *h, *a, *dh, *turned, *factor, *result; /* [R, inner] three times; scratch; [R, out] */
} projector;

/* Floats of a feature in that mmproj; 0: its projector is none of these two layers. */
int64_t projector_width(const gguf_file *mmproj);
size_t projector_numbers(const gguf_file *mmproj); /* that are trained */
/* Bytes that it takes with `rows` rows, without Adam's. */
size_t projector_bytes(const gguf_file *mmproj, int64_t rows);

/* The mmproj's numbers. RAP_E_UNSUPPORTED for another projector. */
rap_status projector_open(projector *out, const gguf_file *mmproj, int64_t rows, int threads, rap_err *err);
void projector_close(projector *p);

/* p->result [r, out] from features [r, in]. */
void projector_run(projector *p, const real *features, int64_t r);
/* p->grad += from dout [r, out], behind projector_run() of the same features. */
void projector_back(projector *p, const real *features, const real *dout, int64_t r);

#ifndef RAP_TRAIN_DOUBLE
/* Writes the mmproj with these numbers to `path`, each tensor in the type it had. */
rap_status projector_write(const projector *p, const gguf_file *mmproj, const char *path, rap_err *err);
#endif

#endif

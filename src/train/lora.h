/* lora.h: an adapter in memory: pairs A, B by the name of the weight that they belong to; read from and written to
 * llama.cpp's form of GGUF, and merged into a model.
 *
 *     W' = W + scale · alpha / rank · B A */
#ifndef RAP_TRAIN_LORA_H
#define RAP_TRAIN_LORA_H

#include "base/err.h"
#include "formats/gguf_file.h"

typedef struct lora_pair {
    char *name;   /* of the weight in the model: "blk.0.attn_q.weight" */
    float *a, *b; /* [rank, in], [out, rank] */
    int64_t rank, in, out;
} lora_pair;

typedef struct lora {
    lora_pair *pair;
    size_t count, cap;
    double alpha;
} lora;

void lora_release(lora *l);
/* The pair of that name, made when absent; NULL: out of memory. */
lora_pair *lora_pair_of(lora *l, const char *name);

rap_status lora_read(lora *out, const char *path, rap_err *err);
rap_status lora_write(const lora *l, const char *path, const char *architecture, rap_err *err);

/* The pair of that name; NULL: none. */
const lora_pair *lora_find(const lora *l, const char *name);

/* RAP_OK when each pair is whole and has a weight of its shape in the model. `path` is the adapter's, for the error. */
rap_status lora_check(const lora *l, const char *path, const gguf_file *model, rap_err *err);

/* Writes the model with the adapter in it to `out`, each weight in the type it had. */
rap_status lora_merge(const lora *l, double scale, const gguf_file *model, const char *out, int threads,
                      rap_err *err);

/* ---- a GGUF with other numbers ---- */

/* The new numbers of t [its elements], malloc()ed, in *out; NULL: it stays. */
typedef rap_status new_numbers(float **out, const gguf_tensor *t, void *payload, rap_err *err);
/* Copies the file; tensors keep their place, shape and type. */
rap_status gguf_renumber(const gguf_file *g, const char *out, new_numbers *fn, void *payload, rap_err *err);

#endif

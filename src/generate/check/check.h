/* check.h: is a model file safe to hand to llama.cpp?
 *
 * llama.cpp answers many kinds of damage with an assertion, which ends the process. These functions read
 * a file's header first and answer with RAP_E_FORMAT and one line. What is checked: the container
 * (base/gguf_file), the keys llama.cpp reads without looking at their type, hyper-parameters against each
 * other, and tensor shapes against hyper-parameters. Families: "llama" decoders and "mlp" projectors are
 * checked tensor by tensor, others as far as all families agree. */
#ifndef RAP_GENERATE_CHECK_CHECK_H
#define RAP_GENERATE_CHECK_CHECK_H

#include "base/err.h"
#include "formats/gguf_file.h"

#include <stdbool.h>

typedef struct check_facts {
    char architecture[64];
    int64_t width; /* n_embd: floats per token */
    int64_t vocab; /* tokens                   */
    bool known;    /* of a family (and with a projector) that the checks know: safe to load after them. Others are
                    * tried in a child process first: trial.h */
    bool split;    /* into several files */
} check_facts;

rap_status check_model(check_facts *out, const char *path, rap_err *err);
/* May take away model->known. */
rap_status check_mmproj(const char *path, check_facts *model, rap_err *err);
rap_status check_lora(const char *path, const check_facts *model, rap_err *err);

/* ---- for the check_*.c files ---- */

typedef enum check_role {
    CHECK_MATRIX, /* the weight of a product or a look-up: any float or block type llama.cpp computes with */
    CHECK_VECTOR, /* added or multiplied element-wise: f32                                                 */
    CHECK_KERNEL /* of a convolution: f32 or f16                                                          */
} check_role;

#define CHECK_ANY (-1) /* in `ne`: this side is free */

/* The tensor must be there, of that role and shape (ne in ggml order, `dims` sides, the rest 1). */
rap_status check_tensor(const gguf_file *g, const char *name, check_role role, int dims,
                        const int64_t *ne, rap_err *err);
/* The same when it is there; nothing when it is not. */
rap_status check_optional(const gguf_file *g, const char *name, check_role role, int dims,
                          const int64_t *ne, rap_err *err);
/* Every tensor of one dimension is f32 and every other one of a type that can be computed with. */
rap_status check_types(const gguf_file *g, rap_err *err);
/* Keys that llama.cpp reads without asking for their type (image projectors, adapters) have it. */
rap_status check_kinds(const gguf_file *g, rap_err *err);

/* A whole number between low and high. */
rap_status check_int(const gguf_file *g, const char *key, int64_t low, int64_t high, int64_t *out,
                     rap_err *err);
/* The same when it is there, else `fallback`. */
rap_status check_int_or(const gguf_file *g, const char *key, int64_t fallback, int64_t low,
                        int64_t high, int64_t *out, rap_err *err);

/* Every part of a split model but the first, whose path ends in "-00001-of-0000N.gguf": a container of its own, its number
 * and count right, its tensors of types that can be computed with. */
rap_status check_parts(const char *path, int64_t count, rap_err *err);

/* The tokenizer's arrays: lengths, no token twice, every byte spelled. */
rap_status check_vocab(const gguf_file *g, int64_t *out_tokens, rap_err *err);

#endif

/* convert.h: a published checkpoint becomes our GGUF, or, if it is a LLaVA, the two that llama.cpp loads.
 *
 * The checkpoint is any file or folder that state_dict.h opens; the kind of model is recognised by the
 * names of its tensors. Every tensor must have the shape its neighbours (and config.json, where there is
 * one) imply, and none may be left over that means something: a model that is only nearly of these kinds
 * is refused, not half converted. */
#ifndef RAP_CONVERT_CONVERT_H
#define RAP_CONVERT_CONVERT_H

#include "base/err.h"

#include <stddef.h>

/* What the matrices and convolutions are written in. Norms, biases and single vectors are f32 unless the
 * type is kept. q8_0 is for linear layers with rows of a multiple of 32; the rest is then f16. */
typedef enum convert_type {
    CONVERT_KEEP = 0, /* as in the checkpoint; f64 becomes f32 */
    CONVERT_F32,
    CONVERT_F16,
    CONVERT_BF16,
    CONVERT_Q8_0,
    CONVERT_QUANTISED /* options.quantise does it: the language model of a LLaVA only */
} convert_type;

/* Of a LLaVA. */
typedef enum convert_part {
    CONVERT_ALL = 0, /* the output is a folder, which gets model.gguf and mmproj.gguf */
    CONVERT_LLM,     /* the language model alone; the output is a file */
    CONVERT_MMPROJ   /* the image tower and the projector */
} convert_part;

/* Writes the language model `in` as `type` over the file `out`, which errors call `name`. */
typedef rap_status convert_quantise(const char *in, const char *out, const char *name,
                                    const char *type, rap_on_progress *on_progress, void *payload,
                                    rap_err *err);

typedef struct convert_options {
    const char *vocab; /* NULL: what lies beside the checkpoint. BPE merges of a CLIP, plain or gzip */
    convert_type type;
    const char *type_name;      /* of CONVERT_QUANTISED: "q4_k_m" */
    convert_quantise *quantise; /* generate's, which this layer does not know; NULL: none */
    convert_part part;
    const char *tower; /* a LLaVA's image tower, where the checkpoint does not hold it; NULL: it does */
    int image_size; /* pixels a side, of an image encoder; 0: as published. Positions are resampled */
    float mean[3], std[3]; /* of the colours, 0 to 1, for an encoder; all of std 0: as published */
    /* Called with each remark for the user: what was assumed, which of several weights were
     * taken. One line without a newline; may be NULL. */
    void (*remark)(void *payload, const char *line);
    rap_on_progress *on_progress; /* NULL: silent; counts tensors, may cancel */
    void *payload;
} convert_options;

/* Each output is written atomically. */
rap_status convert_file(const char *in, const char *out, const convert_options *options,
                        rap_err *err);

/* Sets type and type_name: "f32", "f16", "bf16", "q8_0", or a type of llama.cpp's quantiser; NULL: kept. RAP_E_ARGUMENT for
 * anything else. */
rap_status convert_set_type(convert_options *out, const char *text, rap_err *err);
/* Name i of llama.cpp's types, in small letters; NULL behind the last. */
const char *convert_quantised_type(size_t i);

#endif

/* convert.h: a published checkpoint becomes our GGUF.
 *
 * The checkpoint is any file or folder that state_dict.h opens; the kind of model is recognised by the
 * names of its tensors. Every tensor must have the shape its neighbours (and config.json, where there is
 * one) imply, and none may be left over that means something: a model that is only nearly of these kinds
 * is refused, not half converted. */
#ifndef RAP_CONVERT_CONVERT_H
#define RAP_CONVERT_CONVERT_H

#include "base/err.h"

/* What the matrices and convolutions are written in. Norms, biases and single vectors are f32 unless the
 * type is kept. q8_0 is for linear layers with rows of a multiple of 32; the rest is then f16. */
typedef enum convert_type {
    CONVERT_KEEP = 0, /* as in the checkpoint; f64 becomes f32 */
    CONVERT_F32,
    CONVERT_F16,
    CONVERT_BF16,
    CONVERT_Q8_0
} convert_type;

typedef struct convert_options {
    const char *vocab; /* NULL: what lies beside the checkpoint. BPE merges of a CLIP, plain or gzip */
    convert_type type;
    int image_size; /* pixels a side, of an image encoder; 0: as published. Positions are resampled */
    float mean[3], std[3]; /* of the colours, 0 to 1, for an encoder; all of std 0: as published */
    /* Called with each remark for the user: what was assumed, which of several weights were
     * taken. One line without a newline; may be NULL. */
    void (*remark)(void *payload, const char *line);
    rap_on_progress *on_progress; /* NULL: silent; counts tensors, may cancel */
    void *payload;
} convert_options;

/* The output is written atomically. */
rap_status convert_file(const char *in, const char *out, const convert_options *options,
                        rap_err *err);

/* "f32", "f16", "bf16", "q8_0"; NULL: kept. RAP_E_ARGUMENT for anything else. */
rap_status convert_type_of(convert_type *out, const char *text, rap_err *err);

#endif

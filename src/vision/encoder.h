/* encoder.h: one interface for every image encoder (CLIP, SigLIP, DINOv2, ViT). Pictures in, features out.
 *
 * An encoder may be used by several threads: its network runs one batch at a time, while pictures are scaled and
 * texts tokenised in parallel. */
#ifndef RAP_VISION_ENCODER_H
#define RAP_VISION_ENCODER_H

#include "base/err.h"
#include "image/image.h"

typedef struct encoder encoder;

/* PRECISION_INT8: linear layers in 8 bits; a detector, which has none, takes it as PRECISION_AUTO. */
typedef enum precision {
    PRECISION_AUTO,
    PRECISION_F32,
    PRECISION_BF16,
    PRECISION_INT8
} precision;

/* Opens a GGUF whose general.architecture is "clip", "siglip", "dinov2" or "vit". threads 0: every core
 * this process may use, fewer for a small network. */
rap_status encoder_open(encoder **out, const char *path, int threads, precision p, rap_err *err);
/* The same for its texts alone: nothing of the image tower is prepared. RAP_E_UNSUPPORTED without text. */
rap_status encoder_open_text(encoder **out, const char *path, int threads, precision p,
                             rap_err *err);
void encoder_close(encoder *e);

int encoder_dim(const encoder *e);
int encoder_threads(const encoder *e); /* that one run uses */
const char *encoder_name(const encoder *e);        /* general.name, e.g. "tiny-clip" */
const char *encoder_fingerprint(const encoder *e); /* the first 16 hex digits of the file's SHA-256
                                                      + preprocessing version, + "-i8" in 8 bits;
                                                      compares encoders */
int encoder_has_text(const encoder *e);

/* Features of `count` pictures, not normalised: out [count, dim], caller's memory. One batch. */
rap_status encoder_images(encoder *e, const image *images, int count, float *out, rap_err *err);

/* The same for texts (CLIP only, else RAP_E_UNSUPPORTED): out [count, dim]. */
rap_status encoder_texts(encoder *e, const char *const *texts, int count, float *out, rap_err *err);

/* The tokens of one text as the reference tokenizer pads them: [context] with start, end, zeros.
 * Free with free(). */
rap_status encoder_tokens(encoder *e, const char *text, int32_t **out, int *out_count, rap_err *err);

/* The preprocessed pixels of one picture, [3, size, size], for parity tests; free(). */
rap_status encoder_preprocess(encoder *e, const image *im, float **out, int *out_size, rap_err *err);

/* Times every layer from here on; the report lists the best times of each batch size met. free(). */
void encoder_profile(encoder *e);
rap_status encoder_report(encoder *e, char **out, rap_err *err);

#endif

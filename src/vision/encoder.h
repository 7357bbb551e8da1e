/* encoder.h: one interface for all image encoders (CLIP, SigLIP, DINOv2, ViT). Pictures in, features out.
 *
 * An encoder may be used by several threads: its network runs one batch at a time, while pictures are scaled
 * and texts tokenised in parallel. */
#ifndef RAP_VISION_ENCODER_H
#define RAP_VISION_ENCODER_H

#include "base/err.h"
#include "image/image.h"

typedef struct encoder encoder;

/* PRECISION_INT8: 8-bit linear layers; a detector has none and treats it as PRECISION_AUTO. */
typedef enum precision {
    PRECISION_AUTO,
    PRECISION_F32,
    PRECISION_BF16,
    PRECISION_INT8
} precision;

/* Opens a GGUF whose general.architecture is "clip", "siglip", "dinov2" or "vit". threads 0: every core this
 * process may use, fewer for a small network. */
rap_status encoder_open(encoder **out, const char *path, int threads, precision p, rap_err *err);
/* Opens the text tower only, without preparing the image tower. RAP_E_UNSUPPORTED if it has none. */
rap_status encoder_open_text(encoder **out, const char *path, int threads, precision p,
                             rap_err *err);
void encoder_close(encoder *e);

int encoder_dim(const encoder *e);
int encoder_threads(const encoder *e); /* per run */
const char *encoder_name(const encoder *e);        /* general.name, e.g. "tiny-clip" */
const char *encoder_fingerprint(const encoder *e); /* the first 16 hex digits of the file's SHA-256
                                                      + preprocessing version, + "-i8" in 8 bits;
                                                      compares encoders */
int encoder_has_text(const encoder *e);

/* Features of `count` pictures, not normalised: out [count, dim], the caller's memory. One batch. */
rap_status encoder_images(encoder *e, const image *images, int count, float *out, rap_err *err);

/* The same for texts (CLIP only, otherwise RAP_E_UNSUPPORTED): out [count, dim]. */
rap_status encoder_texts(encoder *e, const char *const *texts, int count, float *out, rap_err *err);

/* The tokens of one text, padded like the reference tokenizer's: [context] with start, end, zeros. Free with
 * free(). */
rap_status encoder_tokens(encoder *e, const char *text, int32_t **out, int *out_count, rap_err *err);

/* The preprocessed pixels of one picture, [3, size, size], for parity tests; free(). */
rap_status encoder_preprocess(encoder *e, const image *im, float **out, int *out_size, rap_err *err);

/* Times every layer from now on; the report lists the best times per batch size. free(). */
void encoder_profile(encoder *e);
rap_status encoder_report(encoder *e, char **out, rap_err *err);

#endif

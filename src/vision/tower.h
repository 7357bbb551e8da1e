/* tower.h: the image tower and projector of a vision-language model, from its mmproj GGUF. Pixels in, image
 * tokens out. See MODELS.md.
 *
 * Families: LLaVA (a CLIP tower and two linear layers), Idefics 3 and SmolVLM (SigLIP, pixel shuffle, one
 * linear layer), Gemma 3 (SigLIP, average pooling, norm, one linear layer).
 *
 * A tower may be used by several threads: it encodes one picture at a time. Opening checks the file; the weights are
 * packed, or mapped from the cache, with the first picture. */
#ifndef RAP_VISION_TOWER_H
#define RAP_VISION_TOWER_H

#include "vision/encoder.h"

#include <stddef.h>

typedef struct tower tower;

/* RAP_E_UNSUPPORTED for another family, or weights that these families do not have. threads 0: every core
 * this process may use, fewer for a small network. */
rap_status tower_open(tower **out, const char *path, int threads, precision p, rap_err *err);
void tower_close(tower *t); /* NULL-safe */

int tower_side(const tower *t);        /* S: width and height of a picture in pixels */
int tower_rows(const tower *t);        /* T: image tokens of a picture */
int tower_width(const tower *t);       /* D: width of a token */
int tower_threads(const tower *t);     /* per run */
bool tower_is_ready(tower *t);         /* has it encoded a picture, or tried to? */
precision tower_precision(const tower *t); /* never PRECISION_AUTO */

/* From now on tower_encode() keeps what the projector takes in: for training it. RAP_E_UNSUPPORTED where the projector is not
 * LLaVA's, whose rows are the features' rows. */
rap_status tower_keep_features(tower *t, rap_err *err);
int tower_feature_width(const tower *t); /* 0: not kept */
/* [T, tower_feature_width()] of the picture encoded last; lent until the next. */
const float *tower_features(const tower *t);

/* pixels [S, S, 3], scaled and normalised for the family → out [T, D]. */
rap_status tower_encode(tower *t, const float *pixels, float *out, rap_err *err);

#endif

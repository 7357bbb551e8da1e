/* picture.h: one picture of a prompt, ready for the decoder. */
#ifndef RAP_GENERATE_PICTURE_H
#define RAP_GENERATE_PICTURE_H

#include "generate/turn.h"
#include "generate/vlm_inside.h"

/* mtmd's chunks: text tokens and pieces of the picture (one, or several tiles). */
typedef struct picture {
    mtmd_input_chunks *chunks;
    size_t first, skip; /* the chunk to begin with, and how many of its tokens to leave out; 0 unless only the
                         * overview of a tiled picture is shown */
    const float *rows;  /* of every piece, one after another, encoded earlier (borrowed); NULL: the chunks hold
                         * pixels and are encoded when their turn comes */
    size_t row_floats;  /* of the rows */
    int cells;          /* places it takes in the context */
    int positions;      /* by which the next token stands behind it */
} picture;

rap_status picture_init(picture *out, vlm *v, const session_picture *source, rap_err *err);
void picture_release(picture *p); /* NULL-safe fields */

/* The rows of one image chunk: out [tokens, width], free(). Waits for other pictures of this model. */
rap_status picture_encode(float **out, vlm *v, const mtmd_input_chunk *c, rap_err *err);

#endif

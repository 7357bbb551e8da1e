/* picture.h: one picture of a prompt, ready to be fed to the decoder. */
#ifndef RAP_GENERATE_PICTURE_H
#define RAP_GENERATE_PICTURE_H

#include "generate/session.h"
#include "generate/vlm_inside.h"

/* Either cut into mtmd's chunks (pixels, encoded while feeding) or rows encoded earlier. */
typedef struct picture {
    mtmd_input_chunks *chunks; /* NULL: rows                         */
    const float *rows;         /* [count, width] borrowed            */
    size_t count;
    int cells; /* places it takes in the context, its frame included */
} picture;

rap_status picture_init(picture *out, vlm *v, const session_picture *source, rap_err *err);
void picture_release(picture *p); /* NULL-safe fields */

/* The rows of one image chunk: out [tokens, width], free(). Waits for other pictures of this model. */
rap_status picture_encode(float **out, vlm *v, const mtmd_input_chunk *chunk, rap_err *err);

#endif

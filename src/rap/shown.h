/* shown.h: the picture of a concept as the language model gets it: image tokens from the store's cache, or encoded once
 * and cached there; for an endpoint, pixels. */
#ifndef RAP_RAP_SHOWN_H
#define RAP_RAP_SHOWN_H

#include "image/image.h"
#include "rap/handle.h"

typedef struct shown_concept { /* the memory behind one session_picture: one or the other */
    image pixels;
    float *tokens;
    size_t floats;
    int64_t view_id;
} shown_concept;

/* The avatar of this concept. *encoded counts passes of the vision tower. Release it after a failure too. */
rap_status shown_open(shown_concept *out, rap *r, int64_t id, int *encoded);
/* A picture that is not in the store, cropped to its box (w == 0: all of it). Likewise. */
rap_status shown_open_image(shown_concept *out, rap *r, const image *whole, rap_box box);
void shown_release(shown_concept *s);
session_picture shown_picture(const shown_concept *s); /* borrows from `s` */

#endif

/* shown.h: a concept's picture as the language model takes it: image tokens, from the store's cache or made now and
 * cached there, or, for an endpoint, pixels. Needs models_generator(). */
#ifndef RAP_RAP_SHOWN_H
#define RAP_RAP_SHOWN_H

#include "rap/handle.h"

typedef struct shown_concept { /* one or the other */
    image pixels;
    float *tokens;
    size_t floats;
} shown_concept;

/* The avatar of a concept in the store. *encoded counts passes of the vision tower. */
rap_status shown_open(shown_concept *out, rap *r, int64_t concept_id, int *encoded);
/* A picture that is not in the store, cropped to its box ({0}: all of it). */
rap_status shown_open_image(shown_concept *out, rap *r, const image *whole, rap_box box);
void shown_release(shown_concept *s); /* NULL-safe fields */
/* Borrows from `s`. */
session_picture shown_picture(const shown_concept *s);

#endif

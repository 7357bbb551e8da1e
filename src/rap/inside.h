/* inside.h: what the files of the facade share: the handle, and its models opened when needed. */
#ifndef RAP_RAP_INSIDE_H
#define RAP_RAP_INSIDE_H

#include "generate/session.h"
#include "engine/profile.h"
#include "remember/store.h"
#include "retrieve/names.h"
#include "retrieve/retriever.h"
#include "vision/encoder.h"

struct rap {
    rap_err err;
    rap_options options; /* its texts are not used after rap_open() */
    int threads;
    profile *profile; /* NULL: none found, and profile_err says so when one is needed */
    rap_err profile_err;
    store *store;
    encoder *encoder;        /* the models: NULL until first needed */
    encoder *texts;          /* of the detector's names; NULL: those of `encoder` */
    char maker[EMBED_MAKER]; /* of vectors, once the encoder is open */
    yolo_world *detector;
    vlm *vlm;
    retriever *retriever;
    names *names; /* as of names_generation */
    int64_t names_generation;
};

/* Every public call starts with this: the last error is forgotten. False for a NULL handle or one
 * whose opening failed. */
int rap_ready(rap *r);

/* ---- models.c ---- */
rap_status models_profile(rap *r);
rap_status models_encoder(rap *r);
/* Another one like the handle's, to run beside it. */
rap_status models_encoder_like(encoder **out, rap *r);
rap_status models_retriever(rap *r); /* encoder and, where the profile has one, detector */
rap_status models_vlm(rap *r);
void models_close(rap *r);

/* ---- picture.c ---- */
typedef struct picture { /* a decoded picture with the bytes it came from */
    image pixels;
    char *bytes; /* free() */
    size_t size;
} picture;
rap_status picture_open(picture *out, const rap_image *source, rap_err *err);
void picture_close(picture *p);
int image_given(const rap_image *source); /* NULL-safe */
/* Crops the box to the picture; RAP_E_ARGUMENT when nothing of it lies inside. */
rap_status picture_fit_box(rap_box *box, const image *im, rap_err *err);

typedef struct seen_view { /* a picture with its vector, ready for the store */
    picture picture;
    float *feature;
    store_view view;     /* borrows from picture */
    store_vector vector; /* borrows from feature */
} seen_view;
rap_status view_open(seen_view *out, rap *r, const rap_image *source, rap_box box);
void view_close(seen_view *v); /* also after a failed open */

/* ---- retrieve.c ---- */

/* Detects, embeds, searches. */
rap_status retrieve_look(rap *r, const image *photo, sighting *out);
/* Ranks what was seen (NULL: no photo) together with the names in `text` (NULL: none). */
rap_status retrieve_matches(rap *r, const sighting *seen, const char *text, int limit,
                            rap_matches **out);
/* Exactly these names, in this order. */
rap_status retrieve_only(rap *r, const char *const *wanted, rap_matches **out);
/* Removes the matches whose concept is in given [count]. */
void matches_without(rap_matches *m, const int64_t *given, size_t count);
/* Leaves the first `count` matches. */
void matches_cut(rap_matches *m, size_t count);

#endif

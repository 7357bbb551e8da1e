/* kind.h: what kind of thing a box shows, as a word: of the store's categories, further words and nouns.h. */
#ifndef RAP_RETRIEVE_KIND_H
#define RAP_RETRIEVE_KIND_H

#include "remember/store.h"
#include "retrieve/embed.h"
#include "vision/yolo_world.h"

typedef struct kind_case { /* everything is borrowed */
    const image *photo;
    rap_box box; /* w == 0: the whole photo */
    const embed_crop *crop;
    store *store;
    const char *const *extra; /* further words, ended by NULL; NULL: none */
    int read_only;            /* the store's cache of text vectors is not written */
    rap_on_progress *on_progress; /* NULL: silent; while words are encoded for the first time */
    void *payload;
} kind_case;

/* The word whose vector is nearest to the picture's; free(). The encoder has a text tower. */
rap_status kind_by_text(char **out, const kind_case *c, encoder *e, rap_err *err);

/* The detector's word for the most certain region; free(). RAP_E_NOT_FOUND: it finds none. */
rap_status kind_by_detector(char **out, const kind_case *c, yolo_world *detector, encoder *texts,
                            rap_err *err);

#endif

/* given.h: the concepts that a conversation has been given, as they were then. A question does not give them again
 * unless they were edited since; those that were forgotten since are said to be. Any process may have done either. */
#ifndef RAP_RAP_GIVEN_H
#define RAP_RAP_GIVEN_H

#include "rap/handle.h"

#include <stdbool.h>

typedef struct given_concept {
    int64_t id;
    char *name;             /* free() */
    uint64_t told;          /* a sum of its name and info */
    int64_t view_id;        /* of the picture that was shown; 0: none was */
    bool edited, forgotten; /* since */
} given_concept;

typedef struct given {
    given_concept *item; /* [count] */
    size_t count;
    int64_t generation; /* of the store when they were last compared with it */
} given;

void given_release(given *g);

/* Finds out which were edited or forgotten since. */
rap_status given_review(given *g, rap *r);

/* NULL: the conversation has not been given it. */
const given_concept *given_find(const given *g, int64_t id);

/* Records these with the views that were shown, view_id [m->count], and removes what was forgotten. */
rap_status given_note(given *g, const rap_matches *m, const int64_t *view_id, rap_err *err);

/* The names of those that were edited, or forgotten; free(). NULL: out of memory. */
const char **given_edited(const given *g);
const char **given_forgotten(const given *g);
/* The names of those that `text` names, in its order: *out, free(). */
rap_status given_named(const char ***out, const given *g, rap *r, const char *text);

#endif

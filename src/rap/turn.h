/* turn.h: one turn of a conversation: the concepts with their pictures, from the most certain to the least, and what
 * became of them. */
#ifndef RAP_RAP_TURN_H
#define RAP_RAP_TURN_H

#include "generate/turn.h"
#include "rap/shown.h"

typedef struct turn {
    size_t count;
    int *
        order; /* [count]: the matches from the most certain to the least; the arrays below are in that order */
    prompt_concept *concept;
    session_picture *picture; /* borrows from shown */
    shown_concept *shown;
    int *place;       /* in the prompt */
    int64_t *view_id; /* [count], beside the matches: the picture that is shown; 0: none */
    int encoded;      /* passes of the vision tower */
} turn;

/* The matches' texts are borrowed. Release it after a failure too. */
rap_status turn_init(turn *out, rap *r, const rap_matches *m, int no_avatars);
void turn_release(turn *t);

/* After the answer: takes what did not fit off m and view_id, and lists it in `a`. */
rap_status turn_settle(turn *t, rap_matches *m, const session_answer *reply, rap_answer *a,
                       rap_err *err);

#endif

/* plan.h: what a turn puts before the model: its tokens and pictures, and which concepts fit. */
#ifndef RAP_GENERATE_PLAN_H
#define RAP_GENERATE_PLAN_H

#include "generate/picture.h"

/* The state of the conversation before the turn. */
typedef struct plan_place {
    vlm *v;
    int turns;        /* so far                                                */
    int cells;        /* taken in the decoder's memory                         */
    bool has_pending; /* the last answer's last token was said but not decoded */
    llama_token pending;
} plan_place;

typedef struct plan {
    picture *picture;        /* [1 + concepts]: the query's, then each concept's */
    prompt_concept *concept; /* [concepts], the most certain first               */
    int *order;              /* [concepts]: the order of the concepts in the prompt */
    const int *place;        /* the turn's                                          */
    int concepts;
    bool has_query;
    token_list tokens;
    int kept;             /* concepts that fit                                 */
    int pictures_dropped; /* of those that fit, given without their picture    */
    int cells;            /* places the prompt takes                           */
} plan;

/* RAP_E_LIMIT: the question does not fit even without concepts. Release it after a failure too. */
rap_status plan_init(plan *out, const plan_place *at, const session_turn *turn, rap_err *err);
void plan_release(plan *p); /* NULL-safe fields */

/* Names run i of the tokens, so that an equal one is known again; 0: it has no name (a picture's pixels, and the last run,
 * which is evaluated in any case). */
uint64_t plan_run_id(const plan *p, size_t i);

/* Tokens of an answer at most. */
int plan_answer_limit(const session_turn *turn);

#endif

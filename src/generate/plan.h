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
    prefix steps;         /* the tokens and pictures one by one                */
    size_t memory;        /* steps at the start that depend on the concepts alone; 0: there are none */
    int kept;             /* concepts that fit                                 */
    int pictures_dropped; /* of those that fit, given without their picture    */
    int cells;            /* places the prompt takes                           */
} plan;

/* RAP_E_LIMIT: the question does not fit even without concepts. Release it after a failure too. */
rap_status plan_init(plan *out, const plan_place *at, const session_turn *turn, rap_err *err);
void plan_release(plan *p); /* NULL-safe fields */

/* Tokens of an answer at most. */
int plan_answer_limit(const session_turn *turn);

#endif

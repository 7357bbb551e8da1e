/* turn.h: one turn of a conversation: what is asked, with which concepts and pictures, and the answer. The same for
 * every generator (generator.h). */
#ifndef RAP_GENERATE_TURN_H
#define RAP_GENERATE_TURN_H

#include "generate/prompt.h"
#include "image/image.h"

#include <stdbool.h>
#include <stdint.h>

/* A picture: its pixels, or what vlm_encode() made of them. */
typedef struct session_picture {
    const image *pixels; /* NULL when tokens are given */
    const float *tokens; /* [floats] or NULL           */
    size_t floats;
} session_picture;

/* How the next token is chosen. All zero: the likeliest. */
typedef struct sampling {
    float temperature; /* 0: the likeliest token, and the rest is not looked at */
    float top_p;       /* 0: 0.95. At least this much probability is kept       */
    int top_k;         /* 0: 40; < 0: no bound                                  */
    float repeat_penalty; /* 0 or 1: none. Of the last 64 tokens; also without temperature */
    uint32_t seed;
} sampling;

typedef struct session_turn {
    const session_picture *query; /* NULL: no new photo                             */
    const prompt_concept *concept;
    const session_picture *concept_picture; /* [concepts], beside concept           */
    int concepts;       /* the most certain first                              */
    const int *place;   /* [concepts] their places in the prompt; NULL: as they are */
    int concept_budget; /* tokens that the concepts may take; 0: what fits     */
    const char *question;
    int max_tokens;
    sampling sampling;
    rap_on_token *on_token;
    void *payload;
    /* As in rap_query, with the same payload; NULL: not asked, not told. */
    int (*stop)(void *payload);
    void (*on_wait)(const char *why, double seconds, void *payload);
} session_turn;

/* Does somebody want the turn to end? */
bool session_turn_stopped(const session_turn *turn);

typedef struct session_answer {
    char *text;           /* free() */
    rap_finish finish;
    int dropped;          /* concepts left out, from the last of the turn's, because the context was too short */
    int pictures_dropped; /* of the concepts that are given: these, from the last, came as text alone   */
    int prompt_tokens, answer_tokens, images_encoded;
    int kept_tokens; /* of prompt_tokens, in memory from a conversation before: not evaluated again */
    double first_token_ms;
} session_answer;

void session_answer_release(session_answer *a);

#endif

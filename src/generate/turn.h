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

/* Where evaluated starts of prompts are kept beyond this process, for the concepts of one turn. Names are hexadecimal
 * digits and say everything that the bytes depend on. */
typedef struct prefix_shelf {
    void *payload;
    size_t limit; /* bytes of one; larger ones are not offered */
    /* What was put under the name: free(), NULL: nothing. */
    uint8_t *(*get)(void *payload, const char *name, size_t *out_size);
    void (*put)(void *payload, const char *name, const uint8_t *bytes, size_t size);
    void (*drop)(void *payload, const char *name); /* it was of no use */
} prefix_shelf;

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
    const prefix_shelf *shelf; /* NULL: none */
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
    int kept_tokens; /* of prompt_tokens, kept from before, in memory or on the shelf: not evaluated again */
    double first_token_ms;
} session_answer;

void session_answer_release(session_answer *a);

#endif

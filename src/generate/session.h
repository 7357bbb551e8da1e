/* session.h: one conversation: what is in the KV cache, and how an answer streams out of it. */
#ifndef RAP_GENERATE_SESSION_H
#define RAP_GENERATE_SESSION_H

#include "generate/vlm.h"

typedef struct session session;

rap_status session_open(session **out, vlm *v, rap_err *err);
void session_close(session *s);

typedef struct session_picture {
    const image *pixels; /* NULL when tokens are given      */
    const float *tokens; /* [floats / width, width] or NULL */
    size_t floats;
} session_picture;

typedef struct session_turn {
    const session_picture *query; /* NULL: none (also in every follow-up turn)      */
    const prompt_concept *concept;
    const session_picture *concept_picture; /* [concepts], beside concept           */
    int concepts;
    const char *question;
    int max_tokens;
    float temperature;
    uint32_t seed;
    rap_on_token *on_token;
    void *payload;
} session_turn;

typedef struct session_answer {
    char *text;  /* free() */
    int dropped; /* concepts left out, from the last, because the context was too short */
    int prompt_tokens, answer_tokens, images_encoded;
    double first_token_ms;
} session_answer;

/* Runs one turn. Turn 2 and later reuse the KV cache of what came before. When on_token asks to stop, the
 * answer ends there and counts: RAP_OK with what was said. A turn that fails leaves the conversation as
 * it was. RAP_E_LIMIT: the question does not fit even without concepts. */
rap_status session_ask(session *s, const session_turn *turn, session_answer *out, rap_err *err);
void session_answer_release(session_answer *a);

#endif

/* generator.h: what answers questions: a model in this process (generator_local.h), or one behind an endpoint. Whoever
 * asks need not know which. */
#ifndef RAP_GENERATE_GENERATOR_H
#define RAP_GENERATE_GENERATOR_H

#include "base/err.h"
#include "generate/choice.h"
#include "generate/turn.h"

#include <stdbool.h>

typedef struct generator generator;
typedef struct conversation conversation;

/* What a kind of generator can do. */
typedef struct generator_kind {
    void (*close)(generator *g);
    bool (*has_vision)(const generator *g);
    /* Names the model. What encode() makes may be kept under it; "": nothing may be. */
    const char *(*fingerprint)(generator *g);
    /* A concept's picture as tokens that go back in as session_picture.tokens; and whether tokens kept earlier are still
     * such. Both NULL: pictures go in as pixels. */
    rap_status (*encode)(generator *g, const image *im, float **out, size_t *out_floats, rap_err *err);
    bool (*fits)(generator *g, const float *tokens, size_t floats);
    /* Drops what closed conversations left behind. NULL: they leave nothing. */
    void (*forget)(generator *g);

    rap_status (*open_conversation)(conversation **out, generator *g, rap_err *err);
    void (*close_conversation)(conversation *c);
    rap_status (*ask)(conversation *c, const session_turn *turn, session_answer *out, rap_err *err);
    /* NULL: its probabilities are out of reach. */
    rap_status (*judge)(conversation *c, const session_turn *turn, const choice *between,
                        double *out, rap_err *err);
} generator_kind;

struct generator { /* first member of every kind's own struct */
    const generator_kind *kind;
};

struct conversation { /* likewise */
    const generator_kind *kind;
};

void generator_close(generator *g); /* NULL-safe */
bool generator_has_vision(const generator *g);
const char *generator_fingerprint(generator *g);
/* Whether pictures are worth encoding beforehand. */
bool generator_encodes(const generator *g);
rap_status generator_encode(generator *g, const image *im, float **out, size_t *out_floats,
                            rap_err *err);
bool generator_fits(generator *g, const float *tokens, size_t floats);
/* Something was forgotten that closed conversations may have been about. */
void generator_forget(generator *g);

/* Several conversations may be open, each used by one thread at a time. Close them before the generator. */
rap_status conversation_open(conversation **out, generator *g, rap_err *err);
void conversation_close(conversation *c); /* NULL-safe */
/* As session_ask(): on_token may stop the answer; a turn that fails leaves the conversation as it was. */
rap_status conversation_ask(conversation *c, const session_turn *turn, session_answer *out,
                            rap_err *err);
/* Whether a generator can be asked to choose between two words. */
bool generator_judges(const generator *g);
/* As session_judge(). */
rap_status conversation_judge(conversation *c, const session_turn *turn, const choice *between,
                              double *out, rap_err *err);

#endif

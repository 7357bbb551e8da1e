/* concept.h: learning each concept by itself, as other methods than retrieval do, on the same models:
 *
 *     head         MyVLM's way: a linear classifier of the retrieval encoder's features says whether a photo shows the concept;
 *                  where it does, a learnt row behind the photo's rows makes the decoder name it
 *     soft-tokens  Yo'LLaVA's way: a word of its own and 16 learnt rows describe the concept before the question
 *     lora         fine-tuning: a LoRA learns all concepts at once, and nothing is given with a question
 *
 * The decoder, its vocabulary and the encoder stay as they are. What head and soft-tokens learn lies in the store beside the
 * concept, keyed by the models' fingerprints.
 *
 * Reading order: sequence.h (what the decoder takes in), rows.h (learning rows), classifier.h, speaker.h (answers), school.h (models),
 * material.h (pictures), samples.h (questions about them), learn.c, ask.c, tune.c. */
#ifndef RAP_TRAIN_CONCEPT_CONCEPT_H
#define RAP_TRAIN_CONCEPT_CONCEPT_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

typedef enum concept_method { CONCEPT_HEAD, CONCEPT_SOFT, CONCEPT_LORA } concept_method;

/* "head", "soft-tokens", "lora"; false: another word. */
bool concept_method_of(concept_method *out, const char *name);
const char *concept_method_name(concept_method m);

typedef struct concept_options {
    concept_method method;
    const char *profile; /* NULL: the user's default */
    const char *const *lora; /* as in rap_engine_options */
    const char *store;
    const char *const *names; /* NULL: every concept; ended by NULL */
    const char
        *pictures; /* NULL, or a folder with NAME/x.jpg, x.txt (its caption) and NAME/qa.json */
    const char *negatives; /* NULL: the other concepts' views; else a folder of pictures */
    const char *out;       /* lora: the folder that train_run() gets; else NULL */
    int most_negatives; /* 0: 150 for head, 200 for soft-tokens, 60 for lora; of a folder with more, half are the nearest by the
                         * encoder (lora: any) */
    int tokens;         /* 0: 16 rows of a concept (soft-tokens) */
    int epochs;         /* 0: 40 for head, 4 for soft-tokens, 4 for lora */
    int batch;          /* 0: 4 samples a step for head, 8 for soft-tokens, 16 for lora */
    double
        lr; /* 0: chosen for the method. Of head and soft-tokens: a share of the embeddings' spread */
    uint64_t seed;
    int threads;
    bool force; /* begin when memory looks too small */
    rap_on_progress *on_progress;
    void *payload;
} concept_options;

typedef struct concept_result {
    int concepts;
    double positives, negatives; /* pictures of a concept, on the average */
    double
        seconds; /* of processor time, all threads together, to add a concept, on the average; with its share of
                               * reading the negatives */
    double bytes; /* that a concept takes in the store (lora: the adapter, shared by all) */
    double first_loss, last_loss; /* on the average */
    int right, wrong; /* head: training features that the classifiers sort rightly and wrongly */
} concept_result;

/* Learns the concepts one after the other; each is stored when it is done, so that an interruption loses one at most. */
rap_status concept_learn(concept_result *out, const concept_options *o, rap_err *err);

/* ---- asking ---- */

typedef struct concept_asker concept_asker;

/* Of `o`: method, profile, lora, store and threads. adapter: of the method lora, else NULL. RAP_E_NOT_FOUND when the store has
 * nothing that was learnt with these models. */
rap_status concept_asker_open(concept_asker **out, const concept_options *o, const char *adapter,
                              rap_err *err);
void concept_asker_close(concept_asker *a);      /* NULL-safe */
int concept_asker_count(const concept_asker *a); /* concepts that were learnt */

/* photo NULL: a question without one. The answer, free(); found: the names that were given with the question, one string with spaces
 * between them, free(), NULL: not wanted. */
rap_status concept_ask(char **out, char **out_found, concept_asker *a, const rap_image *photo,
                       const char *question, int max_tokens, rap_err *err);

#endif

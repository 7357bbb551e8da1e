/* ask.h: one pass over the questions of a list. */
#ifndef RAP_EVAL_PUBLISHED_ASK_H
#define RAP_EVAL_PUBLISHED_ASK_H

#include "eval/ablation.h"
#include "eval/published/list.h"

typedef struct ask_pass {
    rap *r;
    const char *file;    /* for messages */
    const json_t *known; /* name_index_new() of the names in the store */
    const ablation *without;
    int no_memory;       /* the bare model */
    rap_on_progress *on_progress; /* may be NULL */
    void *payload;
    uint64_t done, total; /* of questions, counted on */
} ask_pass;

/* out: [list_count(l)], the answers, each freed with free(); those behind a failure stay NULL. */
rap_status ask_all(char **out, ask_pass *pass, const list *l, rap_err *err);

/* The concepts that an item is about: its names, or its concept; a new list. NULL: out of memory. */
json_t *ask_concepts(const json_t *item);

/* Are all of the item's concepts known? */
bool ask_knows_all(const json_t *index, const json_t *item);

#endif

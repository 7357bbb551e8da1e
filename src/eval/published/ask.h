/* ask.h: one pass over the questions of a list. */
#ifndef RAP_EVAL_PUBLISHED_ASK_H
#define RAP_EVAL_PUBLISHED_ASK_H

#include "eval/published/list.h"

typedef struct ask_pass {
    rap *r;
    const char *file;    /* for messages */
    const json_t *known; /* ask_index() of the names in the store */
    int oracle;          /* give the right concepts instead of retrieving */
    int no_memory;       /* the bare model */
    rap_on_progress *on_progress; /* may be NULL */
    void *payload;
    uint64_t done, total; /* of questions, counted on */
} ask_pass;

/* out: [list_count(l)], the answers, each freed with free(); those behind a failure stay NULL. */
rap_status ask_all(char **out, ask_pass *pass, const list *l, rap_err *err);

/* The concepts that an item is about: its names, or its concept; a new list. NULL: out of memory. */
json_t *ask_concepts(const json_t *item);

/* A list of names made ready for ask_known, a new object; NULL: out of memory. */
json_t *ask_index(const json_t *names);
/* The name of the index that is the same for a reader, borrowed; NULL: none. */
const char *ask_known(const json_t *index, const char *name);
void ask_forget(json_t *index, const char *name);
/* Are all of the item's concepts known? */
bool ask_knows_all(const json_t *index, const json_t *item);

#endif

/* name_pool.h: the concepts of a list, and which of them a caption names. */
#ifndef RAP_EVAL_PUBLISHED_NAME_POOL_H
#define RAP_EVAL_PUBLISHED_NAME_POOL_H

#include "base/err.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

typedef enum name_rule {
    NAME_WORDS_CASE, /* RePIC, files of two concepts: one word of the caption, as it is written         */
    NAME_WORDS,      /* RePIC, other files: one word of the caption, in lower case                      */
    NAME_WHOLE       /* ours: words of their own, however many a name has, compared as people read them */
} name_rule;

/* Names that the rule cannot tell apart ("<Bo>" and "bo") are one group. */
typedef struct name_entry {
    char *bare;  /* in the rule's form, without <brackets> */
    char *full;  /* the same with them; NULL for NAME_WHOLE */
    const char *raw; /* borrowed from the list of name_pool */
    size_t group;
} name_entry;

typedef struct name_pool {
    name_rule rule;
    size_t count, groups;
    name_entry *entry;    /* [count], by group */
    size_t *first;         /* [groups + 1]: where the entries of a group begin */
    struct name_key *key; /* [keys], sorted: a form and its group */
    size_t keys;
    size_t *found; /* [found_count]: the groups that the last text names, each once */
    size_t found_count;
    unsigned char *is_found; /* [groups] */
} name_pool;

/* `all`: a list of texts, borrowed; the same one twice counts once. */
rap_status name_pool_init(name_pool *out, const json_t *all, name_rule rule, rap_err *err);
void name_pool_release(name_pool *n);

/* Looks for every name in the caption. */
rap_status name_pool_find(name_pool *n, const char *caption, rap_err *err);

enum { NAME_NONE = -1 };
/* The group of a name, NAME_NONE when it is none of them or memory ran out. */
long name_pool_group(const name_pool *n, const char *name);

#endif

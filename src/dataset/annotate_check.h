/* annotate_check.h: what a model wrote, before it may become training data. Thoughts before the answer
 * (<think>…</think>) and a fence around it (```json) are passed over; names that stand without their brackets get them. */
#ifndef RAP_DATASET_ANNOTATE_CHECK_H
#define RAP_DATASET_ANNOTATE_CHECK_H

#include "base/buf.h"

#include <jansson.h>

typedef enum annotate_fault {
    FAULT_NONE,
    FAULT_EMPTY,   /* nothing is in it */
    FAULT_CUT,     /* the answer reached the limit of tokens */
    FAULT_LONG,    /* longer than such a text is */
    FAULT_JSON,    /* not the JSON that was asked for */
    FAULT_NO_NAME, /* a name is missing */
    FAULT_NAMES,   /* a name that it must not use */
    FAULT_COUNT
} annotate_fault;
const char *annotate_fault_text(annotate_fault fault);

enum { ANNOTATE_NAMES = 16, ANNOTATE_PAIRS = 16, ANNOTATE_LONGEST = 1200 }; /* bytes of a text */

typedef struct annotate_names { /* without brackets; borrowed */
    const char *must[ANNOTATE_NAMES], *must_not[ANNOTATE_NAMES];
    int musts, must_nots;
} annotate_names;

/* One line that holds every name it must, in brackets. FAULT_NONE: `out` has it. */
annotate_fault annotate_check_text(buf *out, const char *reply, const annotate_names *names);

/* {"pairs": [{"question", "answer"}…]}, or the list alone: a list of [question, answer], of which each pair uses one
 * of the names at least. Free with json_decref(). */
annotate_fault annotate_check_pairs(json_t **out, const char *reply, const annotate_names *names);

/* {"same": true|false}, also yes and no. */
annotate_fault annotate_check_verdict(int *out, const char *reply);

#endif

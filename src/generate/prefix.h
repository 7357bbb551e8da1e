/* prefix.h: what stands at the start of a decoder's memory, step by step, so that an equal start is known again; and the
 * states of such starts that are kept in memory. */
#ifndef RAP_GENERATE_PREFIX_H
#define RAP_GENERATE_PREFIX_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A token, or a whole picture. */
typedef struct prefix_step {
    uint64_t id;    /* equal steps have equal ids; 0: like no other (a picture's pixels) */
    int32_t cells;  /* places in the memory */
    int32_t positions;
} prefix_step;

typedef struct prefix {
    prefix_step *step; /* [count] */
    size_t count, cap;
} prefix;

rap_status prefix_add(prefix *p, prefix_step step, rap_err *err);
void prefix_release(prefix *p);
/* Steps at the start in which they agree. */
size_t prefix_common(const prefix *a, const prefix *b);
/* Of the first `count` steps. */
int prefix_cells(const prefix *p, size_t count);
int prefix_positions(const prefix *p, size_t count);

/* ---- states that are kept in memory ---- */

enum { KEPT_MOST = 32 };

typedef struct kept_state {
    prefix steps;
    uint8_t *bytes; /* [size]: llama_state_seq_get_data() after these steps */
    size_t size;
    uint64_t used;
} kept_state;

/* Not locked: its owner does that. */
typedef struct kept_states {
    kept_state state[KEPT_MOST]; /* [count] */
    size_t count, bytes, limit;  /* limit: of bytes */
    uint64_t clock;
} kept_states;

/* The state that shares the longest start with `wanted`, of which `*out_common` steps count; NULL: none. exact: only
 * states that are such a start as a whole (of models that cannot forget their last tokens). Borrowed until the next
 * change. */
const kept_state *kept_find(size_t *out_common, kept_states *k, const prefix *wanted, bool exact);
/* Whether exactly these first `count` steps of `p` are kept, or more that begin with them. */
bool kept_has(const kept_states *k, const prefix *p, size_t count);
/* Takes `bytes`, also where they are not kept because they are over the limit. The least recently used make room. */
void kept_add(kept_states *k, const prefix *p, size_t count, uint8_t *bytes, size_t size);
void kept_clear(kept_states *k);

#endif

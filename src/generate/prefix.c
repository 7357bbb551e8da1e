/* prefix.c: starts of prompts, and the states that are kept of them. */
#include "generate/prefix.h"

#include <stdlib.h>
#include <string.h>

rap_status prefix_add(prefix *p, prefix_step step, rap_err *err)
{
    if (p->count == p->cap) {
        size_t cap = p->cap ? 2 * p->cap : 256;
        prefix_step *grown = realloc(p->step, cap * sizeof *grown);

        if (!grown)
            return err_memory(err, "reading a prompt");
        p->step = grown;
        p->cap = cap;
    }
    p->step[p->count++] = step;
    return RAP_OK;
}

void prefix_release(prefix *p)
{
    free(p->step);
    *p = (prefix){ .step = NULL };
}

size_t prefix_common(const prefix *a, const prefix *b)
{
    size_t same = 0, most = a->count < b->count ? a->count : b->count;

    while (same < most && a->step[same].id && a->step[same].id == b->step[same].id &&
           a->step[same].cells == b->step[same].cells)
        same++;
    return same;
}

int prefix_cells(const prefix *p, size_t count)
{
    int sum = 0;

    for (size_t i = 0; i < count; i++)
        sum += p->step[i].cells;
    return sum;
}

int prefix_positions(const prefix *p, size_t count)
{
    int sum = 0;

    for (size_t i = 0; i < count; i++)
        sum += p->step[i].positions;
    return sum;
}

/* ---- states ---- */

const kept_state *kept_find(size_t *out_common, kept_states *k, const prefix *wanted, bool exact)
{
    kept_state *best = NULL;

    *out_common = 0;
    for (size_t i = 0; i < k->count; i++) {
        size_t common = prefix_common(&k->state[i].steps, wanted);

        if (common <= *out_common || (exact && common < k->state[i].steps.count))
            continue;
        best = &k->state[i];
        *out_common = common;
    }
    if (best)
        best->used = ++k->clock;
    return best;
}

bool kept_has(const kept_states *k, const prefix *p, size_t count)
{
    const prefix start = { .step = p->step, .count = count };

    for (size_t i = 0; i < k->count; i++)
        if (prefix_common(&k->state[i].steps, &start) == count)
            return true;
    return false;
}

static void drop(kept_states *k, size_t i)
{
    k->bytes -= k->state[i].size;
    prefix_release(&k->state[i].steps);
    free(k->state[i].bytes);
    k->state[i] = k->state[--k->count];
}

static void drop_oldest(kept_states *k)
{
    size_t oldest = 0;

    for (size_t i = 1; i < k->count; i++)
        if (k->state[i].used < k->state[oldest].used)
            oldest = i;
    drop(k, oldest);
}

void kept_add(kept_states *k, const prefix *p, size_t count, uint8_t *bytes, size_t size)
{
    kept_state *state;
    prefix steps = { .step = NULL };
    bool whole = size <= k->limit;

    for (size_t i = 0; whole && i < count; i++)
        whole = prefix_add(&steps, p->step[i], NULL) == RAP_OK;
    if (!whole) {
        prefix_release(&steps);
        free(bytes);
        return;
    }
    while (k->count > 0 && (k->count == KEPT_MOST || k->bytes > k->limit - size))
        drop_oldest(k);
    state = &k->state[k->count++];
    *state = (kept_state){ .steps = steps, .bytes = bytes, .size = size, .used = ++k->clock };
    k->bytes += size;
}

void kept_clear(kept_states *k)
{
    while (k->count > 0)
        drop(k, k->count - 1);
}

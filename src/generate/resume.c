/* resume.c: a conversation begins where an earlier one began alike: what stands in the decoder's memory, a state that is
 * kept in memory, or one on the shelf, whichever has most of it. */
#include "generate/decoder.h"

#include "base/buf.h"
#include "base/file.h"

#include <stdlib.h>

/* Loading a state costs about as much as evaluating a few tokens. */
enum { LEAST_GAIN = 8 };

static void empty(decoder *d)
{
    llama_memory_clear(llama_get_memory(d->ctx), vlm_is_recurrent(d->v));
    d->cells = 0;
    d->position = 0;
}

/* Leaves the first `count` steps in the memory, which begins with them. False: it is empty now. */
static bool cut(decoder *d, const prefix *steps, size_t count)
{
    llama_memory_t memory = llama_get_memory(d->ctx);
    int position = prefix_positions(steps, count);

    if (count == 0 || !llama_memory_seq_rm(memory, 0, position, -1)) {
        if (llama_memory_seq_pos_max(memory, 0) >= 0)
            empty(d);
        return false;
    }
    d->cells = prefix_cells(steps, count);
    d->position = position;
    return true;
}

static bool load(decoder *d, const uint8_t *bytes, size_t size, const prefix *steps, size_t count)
{
    empty(d);
    if (llama_state_seq_set_data(d->ctx, bytes, size, 0) == size && cut(d, steps, count))
        return true;
    empty(d);
    return false;
}

/* "" where nothing may be kept beyond this process. */
static void name_steps(char out[65], const decoder *d, const prefix *steps, size_t count)
{
    const char *state = vlm_state_name(d->v);
    buf all = BUF_INIT;

    *out = '\0';
    if (!*state)
        return;
    buf_printf(&all, "%s ", state);
    for (size_t i = 0; i < count; i++)
        buf_printf(&all, "%llx/%d/%d ", (unsigned long long)steps->step[i].id, steps->step[i].cells,
                   steps->step[i].positions);
    if (!buf_failed(&all))
        sha256_hex(out, all.data, all.len);
    buf_release(&all);
}

/* A state in memory that begins with more of the steps than `done`. */
static size_t take_kept(decoder *d, const prefix *steps, size_t done)
{
    vlm *v = d->v;
    const kept_state *found;
    size_t common;

    pthread_mutex_lock(&v->lock);
    found = kept_find(&common, &v->kept, steps, vlm_is_recurrent(v));
    common = common < steps->count ? common : steps->count - 1;
    if (found && (!vlm_is_recurrent(v) || common == found->steps.count) &&
        prefix_cells(steps, common) >= prefix_cells(steps, done) + LEAST_GAIN &&
        prefix_cells(&found->steps, found->steps.count) <= (int)llama_n_ctx(d->ctx))
        done = load(d, found->bytes, found->size, &found->steps, common) ? common : 0;
    pthread_mutex_unlock(&v->lock);
    return done;
}

/* The same from the shelf, which has whole memories only. */
static size_t take_shelved(decoder *d, const prefix *steps, size_t memory, size_t done,
                           const prefix_shelf *shelf)
{
    char name[65];
    uint8_t *bytes;
    size_t size = 0;

    if (!shelf || prefix_cells(steps, memory) < prefix_cells(steps, done) + LEAST_GAIN)
        return done;
    name_steps(name, d, steps, memory);
    bytes = *name ? shelf->get(shelf->payload, name, &size) : NULL;
    if (!bytes)
        return done;
    if (!load(d, bytes, size, steps, memory)) {
        shelf->drop(shelf->payload, name);
        free(bytes);
        return 0;
    }
    vlm_keep_state(d->v, d->since, steps, memory, bytes, size);
    d->is_kept = true;
    return memory;
}

rap_status decoder_resume(size_t *out, decoder *d, const prefix *steps, size_t memory, int cells,
                          const prefix_shelf *shelf, rap_err *err)
{
    size_t done = vlm_is_recurrent(d->v) ? 0 : prefix_common(&d->prefix, steps);
    rap_status status;

    done = done < steps->count ? done : steps->count - 1;
    prefix_release(&d->prefix);
    done = cut(d, steps, done) ? done : 0;
    status = decoder_reserve(d, cells, err);
    if (status)
        return status;
    done = take_kept(d, steps, done);
    done = take_shelved(d, steps, memory, done, shelf);
    *out = done;
    return RAP_OK;
}

bool decoder_has_kept(decoder *d, const prefix *steps, size_t count)
{
    pthread_mutex_lock(&d->v->lock);
    d->is_kept = d->is_kept || kept_has(&d->v->kept, steps, count);
    pthread_mutex_unlock(&d->v->lock);
    return d->is_kept;
}

void decoder_keep(decoder *d, const prefix *steps, size_t count, const prefix_shelf *shelf)
{
    size_t size = llama_state_seq_get_size(d->ctx, 0), limit = shelf ? shelf->limit : 0;
    uint8_t *bytes = NULL;
    char name[65] = "";

    if (size <= limit || size <= d->v->kept.limit)
        bytes = malloc(size);
    if (!bytes || llama_state_seq_get_data(d->ctx, bytes, size, 0) != size) {
        free(bytes); /* then it is evaluated again next time */
        return;
    }
    if (size <= limit)
        name_steps(name, d, steps, count);
    if (*name)
        shelf->put(shelf->payload, name, bytes, size);
    vlm_keep_state(d->v, d->since, steps, count, bytes, size);
    d->is_kept = true;
}

rap_status decoder_note(decoder *d, const prefix *steps, rap_err *err)
{
    rap_status status = RAP_OK;

    prefix_release(&d->prefix);
    for (size_t i = 0; !status && i < steps->count; i++)
        status = prefix_add(&d->prefix, steps->step[i], err);
    return status;
}

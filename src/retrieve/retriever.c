/* retriever.c: keeps index and vocabulary up to date with the store (refresh), then searches for a photo's regions. */
#include "retrieve/retriever.h"

#include "base/mem.h"
#include "base/threads.h"
#include "retrieve/memory.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct retriever {
    retriever_options o;
    detect *detect; /* NULL: no detector */
    memory *memory;
    char decoder[IMAGE_DECODER_ROOM];
    int64_t generation; /* of the store when memory and vocabulary were read */
};

rap_status retriever_new(retriever **out, const retriever_options *options, rap_err *err)
{
    retriever *r = mem_array(1, sizeof *r);
    rap_status status = RAP_OK;

    *out = NULL;
    if (!r)
        return err_memory(err, "starting retrieval");
    r->o = *options;
    image_decoder(r->decoder);
    status = store_set_decoder(r->o.store, r->decoder, err);
    if (status == RAP_OK && options->detector)
        status = detect_new(&r->detect, options->detector, options->texts, &options->detect, err);
    if (status == RAP_OK)
        *out = r;
    else
        retriever_free(r);
    return status;
}

void retriever_free(retriever *r)
{
    if (!r)
        return;
    detect_free(r->detect);
    memory_free(r->memory);
    free(r);
}

/* ---- refresh ---- */

typedef struct embed_run {
    retriever *r;
    float *feature; /* [dim] */
    uint64_t done;
    int64_t views, refusals; /* how many to embed */
    bool refusing;           /* the pictures are refusals, not views */
} embed_run;

/* The vector of a picture that was decoded, and where it belongs. */
static rap_status embed_picture(embed_run *run, const image *im, rap_box box, rap_err *err)
{
    const retriever_options *o = &run->r->o;

    if (o->read_only)
        return err_set(err, RAP_E_UNSUPPORTED,
                       "%s: is opened read-only, but its pictures were embedded by another encoder "
                       "than %s; open it for writing once",
                       store_path(o->store), encoder_name(o->encoder));
    return embed_boxes(run->feature, o->encoder, im, &box, 1, &o->crop, err);
}

static rap_status put_vector(embed_run *run, int64_t id, rap_err *err)
{
    const retriever_options *o = &run->r->o;
    store_vector vector = { o->maker, encoder_dim(o->encoder), run->feature };

    return run->refusing ? store_put_refusal_vector(o->store, id, &vector, err)
                         : store_put_vector(o->store, id, &vector, err);
}

static bool is_unreadable(rap_status status)
{
    return status == RAP_E_FORMAT || status == RAP_E_LIMIT;
}

/* One view with the current encoder. Each is its own transaction, so an interrupted run resumes. One that
 * cannot be read is marked and stays without a vector, because one bad picture must not hide all others. */
static rap_status embed_view(int64_t view_id, const store_picture *picture, void *payload,
                             rap_err *err)
{
    embed_run *run = payload;
    const retriever_options *o = &run->r->o;
    const char *reader = run->r->decoder;
    image im = { 0 };
    rap_status status = image_decode(&im, picture->bytes, picture->size, "a stored picture", err);

    if (status == RAP_OK) {
        reader = o->maker;
        status = embed_picture(run, &im, picture->box, err);
    }
    if (status == RAP_OK)
        status = put_vector(run, view_id, err);
    else if (is_unreadable(status))
        status = store_mark_unreadable(o->store, view_id, run->refusing, reader, err);
    if (status == RAP_E_NOT_FOUND) /* another process has deleted it meanwhile */
        status = RAP_OK;
    image_release(&im);
    if (status == RAP_OK)
        err_clear(err);
    run->done++;
    if (status == RAP_OK && o->on_progress &&
        o->on_progress("embedding remembered pictures", run->done,
                       (uint64_t)(run->views + run->refusals), o->payload))
        status = err_set(err, RAP_E_CANCELLED, "embedding the remembered pictures was cancelled");
    return status;
}

static rap_status embed_missing(retriever *r, rap_err *err)
{
    embed_run run = { .r = r };
    rap_status status;

    run.feature = mem_array((size_t)encoder_dim(r->o.encoder), sizeof *run.feature);
    if (!run.feature)
        return err_memory(err, "embedding the remembered pictures");
    status = store_count_stale_refusals(r->o.store, r->o.maker, &run.refusals, err);
    if (status == RAP_OK)
        status = store_each_unembedded(r->o.store, r->o.maker, embed_view, &run, &run.views, err);
    run.refusing = true;
    if (status == RAP_OK)
        status = store_each_stale_refusal(r->o.store, r->o.maker, embed_view, &run, err);
    free(run.feature);
    return status;
}

static rap_status load_index(retriever *r, rap_err *err)
{
    memory *fresh = NULL;
    rap_status status = memory_load(&fresh, r->o.store, r->o.maker, encoder_dim(r->o.encoder),
                                    r->o.on_progress, r->o.payload, err);

    if (status != RAP_OK)
        return status;
    memory_free(r->memory);
    r->memory = fresh;
    return RAP_OK;
}

/* First the steps that write (vectors, vocabulary), repeated until the generation stays the same; then those that only
 * read, under the generation read before both, so that a change in between is noticed next time. */
static rap_status refresh(retriever *r, rap_err *err)
{
    int64_t now = store_generation(r->o.store), before = now;
    rap_status status = RAP_OK;

    if (r->memory && now == r->generation && !memory_is_outdated(r->memory))
        return RAP_OK;
    status = store_correct_encoder(r->o.store, r->o.maker, encoder_dim(r->o.encoder), err);
    if (status != RAP_OK)
        return status;
    for (int round = 0; round < 4; round++) {
        before = now;
        status = embed_missing(r, err);
        if (status == RAP_OK && r->detect)
            status = detect_refresh(r->detect, r->o.store, err);
        if (status != RAP_OK)
            return status;
        now = store_generation(r->o.store);
        if (now == before)
            break;
    }
    status = load_index(r, err);
    if (status == RAP_OK)
        r->generation = before;
    return status;
}

/* ---- regions and features ---- */

static rap_status find_regions(retriever *r, const image *photo, rap_policy policy, sighting *out,
                               rap_err *err)
{
    rap_status status = RAP_OK;

    out->whole = -1;
    out->width = image_full_width(photo);
    out->height = image_full_height(photo);
    if (r->detect)
        status = detect_regions(r->detect, photo, 1, &out->region, &out->count, err);
    else if (!(out->region = mem_array(1, sizeof *out->region)))
        status = err_memory(err, "searching the photo");
    if (status != RAP_OK || (r->detect && (policy == RAP_POLICY_PAPER || out->count > 0)))
        return status;
    out->region[out->count].box = (rap_box){ 0, 0, (float)out->width, (float)out->height };
    out->region[out->count].confidence = 1;
    if (!(out->region[out->count].label = mem_string("")))
        return err_memory(err, "searching the photo");
    out->whole = out->count++;
    return RAP_OK;
}

/* feature [count, dim] of every region; the whole photo is embedded uncropped. */
static rap_status embed_regions(retriever *r, const image *photo, const sighting *s, float *feature,
                                rap_err *err)
{
    rap_box *box = mem_array((size_t)s->count, sizeof *box);
    rap_status status;

    if (!box)
        return err_memory(err, "searching the photo");
    for (int i = 0; i < s->count; i++)
        if (i != s->whole)
            box[i] = s->region[i].box;
    status = embed_boxes(feature, r->o.encoder, photo, box, s->count, &r->o.crop, err);
    free(box);
    return status;
}

/* ---- neighbours ---- */

typedef struct neighbours { /* of each region, nearest first */
    search_hit *hit;        /* [count, per] */
    float *score;           /* [count, per] by judge.h */
    int per;
} neighbours;

static rap_status find_judged(neighbours *n, retriever *r, const sighting *seen, rap_err *err)
{
    judge_case c = { .settings = &r->o.judge,
                     .store = r->o.store,
                     .index = memory_index(r->memory),
                     .maker = r->o.maker,
                     .feature = seen->feature,
                     .count = seen->count,
                     .per = n->per,
                     .dim = seen->dim,
                     .threads = r->o.threads };
    size_t total;
    rap_status status;

    if (!mem_mul(&total, (size_t)seen->count, (size_t)n->per))
        return err_memory(err, "searching the photo");
    n->hit = mem_array(total, sizeof *n->hit);
    n->score = mem_array(total, sizeof *n->score);
    if (!n->hit || !n->score)
        return err_memory(err, "searching the photo");
    c.hit = n->hit;
    status = search_nearest(c.index, seen->feature, seen->count, n->per, r->o.threads, n->hit, err);
    return status == RAP_OK ? judge_hits(n->score, &c, err) : status;
}

static void neighbours_release(neighbours *n)
{
    free(n->hit);
    free(n->score);
}

/* The RANK_HITS nearest of a region that no correction rejects; false if more neighbours are needed. */
static bool take_accepted(search_hit *hit, float *score, const neighbours *n, int region)
{
    const search_hit *from = n->hit + (size_t)region * (size_t)n->per;
    const float *judged = n->score + (size_t)region * (size_t)n->per;
    int kept = 0, i = 0;

    for (; i < n->per && from[i].id >= 0 && kept < RANK_HITS; i++)
        if (isfinite(judged[i])) {
            hit[kept] = from[i];
            score[kept++] = judged[i];
        }
    for (int k = kept; k < RANK_HITS; k++) {
        hit[k] = (search_hit){ -1, INFINITY };
        score[k] = INFINITY;
    }
    return kept == RANK_HITS || i < n->per;
}

/* Doubles the number of neighbours until every region has enough, or there are no more. */
static rap_status search_accepted(retriever *r, sighting *out, rap_err *err)
{
    bool enough = false;
    rap_status status = RAP_OK;

    if (!out->score &&
        !(out->score = mem_array((size_t)out->count * RANK_HITS, sizeof *out->score)))
        return err_memory(err, "searching the photo");
    for (int per = RANK_HITS; status == RAP_OK && !enough; per *= 2) {
        neighbours n = { .per = per };

        status = find_judged(&n, r, out, err);
        enough = true;
        for (int i = 0; status == RAP_OK && i < out->count; i++)
            enough &= take_accepted(out->hit + i * RANK_HITS, out->score + i * RANK_HITS, &n, i);
        neighbours_release(&n);
    }
    return status;
}

static rap_status search_once(retriever *r, rap_policy policy, sighting *out, rap_err *err)
{
    if (policy != RAP_POLICY_PAPER)
        return search_accepted(r, out, err);
    return search_nearest(memory_index(r->memory), out->feature, out->count, RANK_HITS,
                          r->o.threads, out->hit, err);
}

/* A row that does not match its sum was forgotten by another process, or is damaged. Then everything is loaded again;
 * the second time without the snapshot, which may be the cause. */
static rap_status search(retriever *r, rap_policy policy, sighting *out, rap_err *err)
{
    rap_status status = search_once(r, policy, out, err);

    for (int attempt = 1; status == RAP_E_FORMAT && attempt < 3; attempt++) {
        if (attempt == 2)
            store_rows_distrust(r->o.store, r->o.maker);
        err_clear(err);
        status = load_index(r, err);
        if (status == RAP_OK)
            status = search_once(r, policy, out, err);
    }
    return status;
}

static rap_status find_neighbours(retriever *r, const image *photo, rap_policy policy,
                                  sighting *out, rap_err *err)
{
    size_t floats;
    double start = clock_ms(), embedded;
    rap_status status;

    out->dim = encoder_dim(r->o.encoder);
    if (!mem_mul(&floats, (size_t)out->count, (size_t)out->dim))
        return err_memory(err, "searching the photo");
    out->feature = mem_array(floats, sizeof *out->feature);
    out->hit = mem_array((size_t)out->count * RANK_HITS, sizeof *out->hit);
    status = out->feature && out->hit ? embed_regions(r, photo, out, out->feature, err)
                                      : err_memory(err, "searching the photo");
    embedded = clock_ms();
    if (status == RAP_OK)
        status = search(r, policy, out, err);
    out->embed_ms = embedded - start;
    out->search_ms = clock_ms() - embedded;
    return status;
}

rap_status retriever_look(retriever *r, const image *photo, rap_policy policy, sighting *out,
                          rap_err *err)
{
    rap_status status;
    double start;

    memset(out, 0, sizeof *out);
    status = refresh(r, err);
    start = clock_ms();
    if (status == RAP_OK)
        status = find_regions(r, photo, policy, out, err);
    out->detect_ms = clock_ms() - start;
    if (status == RAP_OK && out->count > 0)
        status = find_neighbours(r, photo, policy, out, err);
    if (status != RAP_OK)
        sighting_release(out);
    return status;
}

rap_status retriever_regions(retriever *r, const image *photo, rap_policy policy, sighting *out,
                             rap_err *err)
{
    rap_status status;

    memset(out, 0, sizeof *out);
    status = refresh(r, err);
    if (status == RAP_OK)
        status = find_regions(r, photo, policy, out, err);
    if (status != RAP_OK)
        sighting_release(out);
    return status;
}

rap_status sighting_keep(sighting *s, const image *photo, rap_err *err)
{
    s->photo = photo;
    s->verdicts = mem_array(1, sizeof *s->verdicts);
    return s->verdicts ? RAP_OK : err_memory(err, "looking at a photo");
}

void sighting_release(sighting *s)
{
    if (!s)
        return;
    detect_regions_free(s->region, s->count);
    free(s->hit);
    free(s->score);
    free(s->feature);
    free(s->verdicts);
    memset(s, 0, sizeof *s);
}

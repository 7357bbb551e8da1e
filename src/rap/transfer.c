/* transfer.c: import and export of whole stores; pictures of an import are embedded in groups. */
#include "rap/models.h"
#include "rap/picture.h"

#include "base/mem.h"
#include "remember/transfer.h"

#include <stdlib.h>
#include <string.h>

/* ---- import ---- */

/* A small encoder runs on one thread, so several run in parallel; a large one uses all threads and runs alone. Each
 * worker decodes and embeds its share of a group. */
typedef struct import_run {
    rap *r;
    encoder **encoder; /* [workers]: the first is the handle's own */
    int workers;
    float *feature; /* [TRANSFER_GROUP, dim], borrowed by the importer until the next group */
} import_run;

static void import_release(import_run *run)
{
    for (int i = 1; run->encoder && i < run->workers; i++)
        encoder_close(run->encoder[i]);
    free(run->encoder);
    free(run->feature);
}

/* `count`: pictures of the first group; a few are not worth another encoder. */
static rap_status import_start(import_run *run, size_t count)
{
    rap *r = run->r;
    int useful = 1 + (int)count / 4;
    rap_status status = models_encoder(r);

    if (status != RAP_OK)
        return status;
    run->workers = r->threads / encoder_threads(r->encoder);
    run->workers = run->workers < 1 ? 1 : run->workers > useful ? useful : run->workers;
    run->encoder = mem_array((size_t)run->workers, sizeof *run->encoder);
    run->feature =
        mem_array((size_t)encoder_dim(r->encoder) * TRANSFER_GROUP, sizeof *run->feature);
    if (!run->encoder || !run->feature)
        return err_memory(&r->err, "embedding pictures");
    run->encoder[0] = r->encoder;
    for (int i = 1; status == RAP_OK && i < run->workers; i++)
        status = engine_encoder_more(&run->encoder[i], r->engine, &r->err);
    return status;
}

static rap_status decode_one(image *out, transfer_picture *p, rap_err *err)
{
    rap_status status = image_decode(out, p->view.bytes, p->view.size, p->name, err);

    if (status == RAP_OK)
        status = embed_check_size(out, p->name, err);
    if (status == RAP_OK)
        status = picture_fit_box(&p->view.box, out, err);
    p->view.width = image_full_width(out);
    p->view.height = image_full_height(out);
    return status;
}

/* Pictures from..to−1 of a group, as many at a time as memory allows; for *out_failed see transfer.h. */
static rap_status import_share(import_run *run, encoder *e, transfer_picture *group, size_t from,
                               size_t to, size_t *out_failed, rap_err *err)
{
    size_t dim = (size_t)encoder_dim(e);
    rap_status status = RAP_OK;

    for (size_t done = from; status == RAP_OK && done < to;) {
        image decoded[EMBED_BATCH] = { 0 };
        const image *photo[EMBED_BATCH];
        rap_box box[EMBED_BATCH];
        size_t now = 0, pixels = 0;

        while (status == RAP_OK && now < EMBED_BATCH && done + now < to && pixels < EMBED_PIXELS) {
            *out_failed = done + now;
            status = decode_one(&decoded[now], &group[done + now], err);
            pixels += (size_t)decoded[now].width * (size_t)decoded[now].height;
            photo[now] = &decoded[now];
            box[now] = group[done + now].view.box;
            now++;
        }
        if (status == RAP_OK)
            status = embed_photos(run->feature + done * dim, e, photo, box, (int)now,
                                  &run->r->profile->crop, err);
        for (size_t i = 0; i < now; i++)
            image_release(&decoded[i]);
        done += now;
    }
    return status;
}

/* Of several failures that of the first picture is reported. */
static rap_status import_all(import_run *run, transfer_picture *group, size_t count,
                             size_t *out_failed, rap_err *err)
{
    size_t share = (count + (size_t)run->workers - 1) / (size_t)run->workers;
    rap_status first = RAP_OK;

#pragma omp parallel for schedule(static, 1) num_threads(run->workers)
    for (int w = 0; w < run->workers; w++) {
        size_t from = (size_t)w * share, to = from + share < count ? from + share : count;
        size_t failed = from;
        rap_err why = { 0 };
        rap_status status = import_share(run, run->encoder[w], group, from, to, &failed, &why);

        if (status != RAP_OK) {
#pragma omp critical(import_share)
            if (first == RAP_OK || failed < *out_failed) {
                first = err_set(err, status, "%s", why.text);
                *out_failed = failed;
            }
        }
    }
    return first;
}

static rap_status embed_import(transfer_picture *group, size_t count, size_t *out_failed,
                               void *payload, rap_err *err)
{
    import_run *run = payload;
    rap_status status = RAP_OK;
    size_t dim;

    if (!run->encoder && (status = import_start(run, count)) != RAP_OK)
        return err_set(err, status, "%s", run->r->err.text);
    dim = (size_t)encoder_dim(run->r->encoder);
    for (size_t i = 0; i < count; i++)
        group[i].vector = (store_vector){ run->r->maker, (int)dim, run->feature + i * dim };
    return import_all(run, group, count, out_failed, err);
}

rap_status rap_import(rap_import_report *out, rap *r, const char *path, int replace)
{
    rap_import_report report = { 0 };
    import_run run = { .r = r };
    rap_err err = { 0 };
    rap_status status;

    if (!rap_ready(r) || !path)
        return RAP_E_ARGUMENT;
    if (r->encoder) /* otherwise it follows with the next photo */
        store_correct_encoder(r->store, r->maker, encoder_dim(r->encoder), NULL);
    status = transfer_import(r->store, path, replace, embed_import, &run, r->options.on_progress,
                             r->options.payload, &report, &err);
    import_release(&run);
    handle_changed(r, status);
    r->err = err;
    if (out)
        *out = report;
    return status;
}

rap_status rap_export(rap *r, const char *path)
{
    const char *dot;

    if (!rap_ready(r) || !path)
        return RAP_E_ARGUMENT;
    dot = strrchr(path, '.');
    if (dot && strcmp(dot, ".json") == 0)
        return transfer_export_official(r->store, path, r->options.on_progress, r->options.payload,
                                        &r->err);
    return transfer_export_bundle(r->store, path, r->options.on_progress, r->options.payload,
                                  &r->err);
}

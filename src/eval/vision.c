/* vision.c: retrieval and detection, measured end to end: an object whose region is not found counts as missed in
 * both. */
#include "base/file.h"
#include "base/path_find.h"
#include "base/text_fold.h"
#include "base/vector.h"
#include "eval/eval.h"
#include "eval/metrics.h"

#include <stdlib.h>
#include <string.h>

enum { ALL_MATCHES = 100 };

typedef struct vision_tally {
    int asked, first, second; /* retrieval */
    int objects, found;       /* detection */
} vision_tally;

static rap_box read_box(const json_t *array)
{
    float v[4];

    for (size_t i = 0; i < 4; i++)
        v[i] = (float)json_number_value(json_array_get(array, i));
    return (rap_box){ v[0], v[1], v[2], v[3] };
}

static rap_status see(rap *r, eval_run_state *run, const json_t *item, int limit, rap_matches **out,
                      rap_err *err)
{
    char *path = path_find(run->options->folder, eval_text(item, "image"));
    rap_image image = RAP_IMAGE_INIT;
    rap_status status;

    image.path = path;
    status = path ? rap_retrieve(out, r, &image, NULL, limit) : err_memory(err, "naming a picture");
    if (path && status != RAP_OK)
        err_set(err, status, "%s", rap_error(r));
    free(path);
    return status;
}

/* The rank (0 best) of `name` among the matches that overlap `box`, or −1. */
static int rank_at_box(const rap_matches *m, rap_box box, const char *name)
{
    int rank = 0;

    for (size_t i = 0; i < m->count; i++) {
        if (box_iou(m->match[i].box, box) < 0.5f)
            continue;
        if (text_same_name(m->match[i].name, name))
            return rank;
        rank++;
    }
    return -1;
}

static rap_status retrieval(eval_run_state *run, json_t *item, void *payload, rap_err *err)
{
    vision_tally *t = payload;
    rap_matches *m = NULL;
    rap_status status = see(run->paper, run, item, ALL_MATCHES, &m, err);
    int rank = -1;

    if (status == RAP_OK)
        rank = rank_at_box(m, read_box(json_object_get(item, "box")), eval_text(item, "name"));
    t->asked++;
    t->first += rank == 0;
    t->second += rank == 0 || rank == 1;
    rap_matches_free(m);
    return status;
}

static int region_at(const rap_matches *m, rap_box box)
{
    for (size_t i = 0; i < m->region_count; i++)
        if (*m->region[i].label && box_iou(m->region[i].box, box) >= 0.5f)
            return 1;
    return 0;
}

static rap_status detection(eval_run_state *run, json_t *item, void *payload, rap_err *err)
{
    vision_tally *t = payload;
    rap_matches *m = NULL;
    rap_status status = see(run->r, run, item, 0, &m, err);
    size_t i;
    json_t *box;

    json_array_foreach(json_object_get(item, "boxes"), i, box)
    {
        t->objects++;
        t->found += status == RAP_OK && region_at(m, read_box(box));
    }
    rap_matches_free(m);
    return status;
}

rap_status eval_retrieval(eval_run_state *run, eval_scores *s, eval_counts *counts, rap_err *err)
{
    vision_tally t = { 0 };
    rap_status status = eval_each(run, "retrieval", retrieval, &t, err);

    s->top1 = metrics_ratio(t.first, t.asked);
    s->top2 = metrics_ratio(t.second, t.asked);
    counts->retrieval = t.asked;
    return status;
}

rap_status eval_vision(eval_run_state *run, eval_scores *s, eval_counts *counts, rap_err *err)
{
    vision_tally t = { 0 };
    rap_status status = eval_retrieval(run, s, counts, err);

    if (status == RAP_OK)
        status = eval_each(run, "detection", detection, &t, err);
    s->detection_recall = metrics_ratio(t.found, t.objects);
    counts->detection = t.objects;
    return status;
}

/* calibrate_threshold.c: which distance still means "known"? For retrieval.threshold of a profile.
 *
 *     calibrate_threshold PROFILE SET [boxes]
 *
 * SET is a folder with database.json (the concepts) and retrieval.json, a list of {image, box, name}
 * ("" names a thing that nobody remembered); it must hold nothing of what accuracy is later measured
 * on (tools/tiny/make_calibration.py makes one for the toy world). Every photo is looked at as
 * `rap see` does, or with "boxes" at the listed boxes instead of the detector's. Each region is
 * judged twice: with the whole store, and as if its concept had never been remembered. The threshold
 * that gives the best F1 of named regions over both is printed. */
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "rap_inside.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_BOXES = 16, MAX_SAMPLES = 20000 };

typedef struct sample { /* the nearest neighbour of a region */
    float distance;
    int right; /* it is the concept in the region */
    int known; /* the region shows a concept at all */
} sample;

typedef struct calibration {
    rap *r;
    const char *set;
    int given_boxes;
    sample sample[MAX_SAMPLES];
    int count;
} calibration;

typedef struct truth { /* what is in one photo */
    const char *picture;
    rap_box box[MAX_BOXES];
    int64_t id[MAX_BOXES]; /* −1: nobody remembered it */
    int count;
} truth;

static float overlap(rap_box a, rap_box b) /* intersection over union */
{
    float w = fminf(a.x + a.w, b.x + b.w) - fmaxf(a.x, b.x);
    float h = fminf(a.y + a.h, b.y + b.h) - fmaxf(a.y, b.y);

    return w <= 0 || h <= 0 ? 0 : w * h / (a.w * a.h + b.w * b.h - w * h);
}

static void note(calibration *c, float distance, int right, int known)
{
    if (c->count < MAX_SAMPLES && isfinite(distance))
        c->sample[c->count++] = (sample){ distance, right, known };
}

static void judge_region(calibration *c, const truth *t, rap_box box, const search_hit *hit)
{
    int64_t id = -1;

    for (int i = 0; i < t->count; i++)
        if (overlap(box, t->box[i]) >= 0.5f)
            id = t->id[i];
    note(c, hit[0].distance, hit[0].id == id, id >= 0);
    if (id >= 0) /* as if it had never been remembered */
        note(c, hit[hit[0].id == id].distance, 0, 0);
}

static rap_status judge_photo(calibration *c, const truth *t)
{
    char *path = path_join(c->set, t->picture);
    image photo = { 0 };
    sighting seen = { 0 };
    rap_status status = image_load(&photo, path, &c->r->err);

    if (status == RAP_OK)
        status =
            c->given_boxes
                ? retriever_look_at(c->r->retriever, &photo, t->box, t->count, &seen, &c->r->err)
                : retriever_look(c->r->retriever, &photo, RAP_POLICY_DEFAULT, &seen, &c->r->err);
    for (int i = 0; status == RAP_OK && i < seen.count; i++)
        if (i != seen.whole || seen.count == 1)
            judge_region(c, t, seen.region[i].box, seen.hit + i * RANK_HITS);
    sighting_release(&seen);
    image_release(&photo);
    free(path);
    return status;
}

static int64_t id_of(rap *r, const char *name)
{
    rap_record *record = NULL;
    int64_t id = -1;

    if (*name && rap_find(r, name, &record) == RAP_OK)
        id = record->id;
    rap_record_free(record);
    return id;
}

static void add_truth(calibration *c, truth *t, const json_t *item)
{
    const json_t *box = json_object_get(item, "box");
    const char *name = json_string_value(json_object_get(item, "name"));
    float v[4] = { 0 };

    for (size_t i = 0; i < 4; i++)
        v[i] = (float)json_number_value(json_array_get(box, i));
    if (t->count == MAX_BOXES || !name)
        return;
    t->box[t->count] = (rap_box){ v[0], v[1], v[2], v[3] };
    t->id[t->count++] = id_of(c->r, name);
}

/* Items of one photo stand together. */
static rap_status judge_all(calibration *c, const json_t *items)
{
    rap_status status = RAP_OK;
    truth t = { 0 };

    for (size_t i = 0; status == RAP_OK && i <= json_array_size(items); i++) {
        const json_t *item = json_array_get(items, i);
        const char *file = json_string_value(json_object_get(item, "image"));

        if (t.count && (!file || strcmp(file, t.picture) != 0)) {
            status = judge_photo(c, &t);
            t.count = 0;
        }
        t.picture = file;
        if (file)
            add_truth(c, &t, item);
    }
    return status;
}

static int by_distance(const void *left, const void *right)
{
    const sample *a = left, *b = right;

    return (a->distance > b->distance) - (a->distance < b->distance);
}

static void print_spread(const calibration *c, const char *what, int right, int known)
{
    float d[MAX_SAMPLES];
    int n = 0;

    for (int i = 0; i < c->count; i++) /* sorted */
        if (c->sample[i].right == right && c->sample[i].known == known)
            d[n++] = c->sample[i].distance;
    printf("%-34s %5d", what, n);
    if (n)
        printf("   1%% %.3f  10%% %.3f  50%% %.3f  90%% %.3f  99%% %.3f", d[n / 100], d[n / 10],
               d[n / 2], d[n * 9 / 10], d[n * 99 / 100]);
    printf("\n");
}

/* What other choices would cost: a language model that ignores wrong concepts favours recall. */
static void print_choices(const calibration *c)
{
    printf("threshold  found  misnamed  invented\n");
    for (float t = 0.5f; t < 1.2f; t += 0.05f) {
        int known = 0, unknown = 0, found = 0, misnamed = 0, invented = 0;

        for (int i = 0; i < c->count; i++) {
            const sample *s = &c->sample[i];
            int below = s->distance <= t;

            known += s->known;
            unknown += !s->known;
            found += below && s->right;
            misnamed += below && s->known && !s->right;
            invented += below && !s->known;
        }
        printf("   %.2f    %5.1f%%   %5.1f%%    %5.1f%%\n", (double)t,
               100.0 * found / (known + 1e-9), 100.0 * misnamed / (known + 1e-9),
               100.0 * invented / (unknown + 1e-9));
    }
}

/* Walks the threshold up through the samples: what lies below it is named. */
static void print_best(const calibration *c)
{
    int known = 0, right = 0, wrong = 0, best_right = 0, best_wrong = 0;
    float best = 0, best_f1 = 0;

    for (int i = 0; i < c->count; i++)
        known += c->sample[i].known;
    for (int i = 0; i < c->count; i++) {
        float f1, next = i + 1 < c->count ? c->sample[i + 1].distance : 2;

        right += c->sample[i].right;
        wrong += !c->sample[i].right;
        f1 = 2.0f * (float)right / (float)(right + wrong + known);
        if (f1 > best_f1) {
            best_f1 = f1;
            best = (c->sample[i].distance + next) / 2;
            best_right = right;
            best_wrong = wrong;
        }
    }
    printf("best threshold %.3f: F1 %.3f, precision %.3f, recall %.3f\n", (double)best,
           (double)best_f1, (double)best_right / (best_right + best_wrong + 1e-9),
           (double)best_right / (known + 1e-9));
}

static rap_status open_set(calibration *c, const char *profile_folder, const char *store_file)
{
    rap_options o = RAP_OPTIONS_INIT;
    char *database = path_join(c->set, "database.json");
    rap_status status;

    o.profile = profile_folder;
    o.store = store_file;
    o.threads = 1;
    status = rap_open(&c->r, &o);
    if (status == RAP_OK)
        status = rap_import(c->r, database, 0, NULL);
    if (status == RAP_OK)
        status = models_retriever(c->r);
    free(database);
    return status;
}

int main(int argc, char **argv)
{
    calibration *c = mem_array(1, sizeof *c);
    char folder[] = "/tmp/rap-calibrate-XXXXXX", *store_file = NULL, *list = NULL;
    json_t *items = NULL;
    json_error_t why;
    rap_status status;

    if (argc < 3 || !c || !mkdtemp(folder)) {
        fprintf(stderr, "usage: calibrate_threshold PROFILE SET [boxes]\n");
        return 2;
    }
    c->set = argv[2];
    c->given_boxes = argc > 3 && strcmp(argv[3], "boxes") == 0;
    store_file = path_join(folder, "store.db");
    list = path_join(c->set, "retrieval.json");
    items = json_load_file(list, 0, &why);
    if (!items)
        fprintf(stderr, "%s: %s\n", list, why.text);
    status = open_set(c, argv[1], store_file);
    if (status == RAP_OK)
        status = judge_all(c, items);
    if (status != RAP_OK)
        fprintf(stderr, "%s\n", rap_error(c->r));
    qsort(c->sample, (size_t)c->count, sizeof *c->sample, by_distance);
    print_spread(c, "right concept nearest", 1, 1);
    print_spread(c, "another concept nearest", 0, 1);
    print_spread(c, "unknown or left out", 0, 0);
    print_choices(c);
    print_best(c);
    rap_close(c->r);
    unlink(store_file);
    rmdir(folder);
    json_decref(items);
    free(store_file);
    free(list);
    free(c);
    return status != RAP_OK || !items;
}

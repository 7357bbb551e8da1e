/* tune.c: see tune.h. */
#include "train/concept/tune.h"

#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/threads.h"
#include "dataset/sample.h"
#include "image/augment.h"
#include "train/concept/samples.h"
#include "train/train.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

typedef struct tuning {
    const concept_options *o;
    concept_result *result;
    school school;
    material negatives;
    char *data, *images;
    buf lines; /* train.jsonl */
    int concepts;
    rap_err *err;
    rap_status status;
} tuning;

/* Writes the picture as a file of the set, once: its name is its place in memory. */
static rap_status put_picture(char out[48], const tuning *t, const material_picture *p,
                              const char *stem, size_t number, rap_err *err)
{
    char *path;
    rap_status status = RAP_OK;

    snprintf(out, 48, "%.20s%05zu.jpg", stem, number);
    path = path_join(t->images, out);
    if (!path)
        return err_memory(err, "writing pictures");
    if (!file_exists(path))
        status = image_save_jpeg_cache(&p->pixels, path, 92, err);
    free(path);
    return status;
}

static rap_status put_sample(tuning *t, const concept_sample *s, const material *own,
                             const material *others, size_t number, rap_err *err)
{
    char id[64], picture[48] = "";
    sample line = { .id = id, .type = "qa", .turns = 1 };
    rap_status status = RAP_OK;

    snprintf(id, sizeof id, "c%d-%zu", t->concepts, number);
    line.turn[0] = (sample_turn){ s->question, s->answer };
    if (s->picture) {
        bool is_own = s->picture >= own->picture && s->picture < own->picture + own->pictures;
        char stem[20];

        snprintf(stem, sizeof stem,
                 is_own                    ? "c%d-"
                 : others == &t->negatives ? "n"
                                           : "n%d-",
                 t->concepts);
        status = put_picture(picture, t, s->picture, stem,
                             (size_t)(s->picture - (is_own ? own->picture : others->picture)), err);
        line.image = picture;
    }
    if (!status)
        status = sample_write(&t->lines, &line, err);
    buf_putc(&t->lines, '\n');
    return status;
}

static rap_status put_samples(tuning *t, const rap_record *c, const material *own,
                              const material *others, rap_err *err)
{
    const material_picture **negative = mem_array(others->pictures + 1, sizeof *negative);
    sample_list list = { .item = NULL };
    rap_status status = negative ? RAP_OK : err_memory(err, "making samples");

    for (size_t i = 0; negative && i < others->pictures; i++)
        negative[i] = &others->picture[i];
    if (!status)
        status = samples_make(&list, c, own, negative, others->pictures,
                              &(samples_options){ true, true, t->o->seed }, err);
    for (size_t i = 0; !status && i < list.count; i++)
        status = put_sample(t, &list.item[i], own, others, i, err);
    for (size_t i = 0; i < own->pictures; i++)
        t->result->positives += !own->picture[i].turned;
    t->result->negatives += (double)others->pictures;
    t->concepts++;
    samples_release(&list);
    free(negative);
    return status;
}

static material_options options_of(const concept_options *o)
{
    return (material_options){ .pictures = o->pictures,
                               .negatives = o->negatives,
                               .most_negatives = o->most_negatives ? o->most_negatives : 60,
                               .keep_pixels = true,
                               .seed = o->seed,
                               .on_progress = o->on_progress,
                               .payload = o->payload };
}

static rap_status put_concept(tuning *t, const rap_record *c, rap_err *err)
{
    material_options options = options_of(t->o);
    material own = { .picture = NULL }, others = { .picture = NULL };
    rap_status status = RAP_OK;

    if (!t->o->negatives)
        status = material_negatives(&others, &t->school, c->name, &options, err);
    options.augment = true;
    if (!status)
        status = material_of_concept(&own, &t->school, c, &options, err);
    if (!status)
        status = put_samples(t, c, &own, t->o->negatives ? &t->negatives : &others, err);
    material_release(&own);
    material_release(&others);
    return status;
}

static int put_each(const rap_record *c, void *payload)
{
    tuning *t = payload;

    t->status = put_concept(t, c, t->err);
    return t->status != RAP_OK;
}

static rap_status put_concepts(tuning *t, rap_err *err)
{
    rap_status status = RAP_OK;

    t->err = err;
    if (!t->o->names) {
        status = store_each(t->school.store, NULL, put_each, t, err);
        return t->status ? t->status : status;
    }
    for (const char *const *n = t->o->names; !status && *n; n++) {
        rap_record *c = NULL;

        status = store_find(t->school.store, *n, &c, err);
        if (!status)
            status = put_concept(t, c, err);
        store_record_free(c);
    }
    return status;
}

static rap_status make_data(tuning *t, rap_err *err)
{
    const concept_options *o = t->o;
    const school_options s = {
        .profile = o->profile, .lora = o->lora, .store = o->store, .plain = true
    };
    const material_options negatives = options_of(o);
    char *file = path_join(t->data, "train.jsonl");
    rap_status status = file ? school_open(&t->school, &s, err) : err_memory(err, "making samples");

    if (!status)
        status = file_make_folders(t->images, err);
    if (!status && o->negatives)
        status = material_negatives(&t->negatives, &t->school, "", &negatives, err);
    if (!status)
        status = put_concepts(t, err);
    if (!status && t->concepts == 0)
        status = err_set(err, RAP_E_NOT_FOUND, "%s: no concept to learn", o->store);
    if (!status)
        status = buf_failed(&t->lines) ? err_memory(err, "making samples")
                                       : file_write(file, t->lines.data, t->lines.len, err);
    free(file);
    return status;
}

static rap_status train(tuning *t, rap_err *err)
{
    const concept_options *o = t->o;
    train_options options = TRAIN_OPTIONS_INIT;
    train_result r;
    char *adapter;
    file_state size = { 0 };
    rap_status status;

    options.data = t->data;
    options.folder = o->out;
    options.profile = o->profile;
    options.lora = o->lora;
    options.rank = 16;
    options.alpha = 32;
    options.dropout = 0;
    options.lr = o->lr > 0 ? o->lr : 2e-3;
    options.epochs = o->epochs ? o->epochs : 4;
    options.batch = o->batch ? o->batch : 16;
    options.validation = 0;
    options.seed = o->seed;
    options.threads = o->threads;
    options.force = o->force;
    options.on_progress = o->on_progress;
    options.payload = o->payload;
    status = train_run(&r, &options, err);
    if (status)
        return status;
    t->result->first_loss = r.first_loss;
    t->result->last_loss = r.last_loss;
    adapter = path_join(o->out, "adapter.gguf");
    if (adapter && file_identify(&size, adapter))
        t->result->bytes = (double)size.size;
    free(adapter);
    return RAP_OK;
}

rap_status concept_tune(concept_result *out, const concept_options *o, rap_err *err)
{
    tuning t = { .o = o, .result = out };
    clock_t start = clock();
    rap_status status = RAP_OK;

    if (!o->out || !*o->out)
        return err_set(err, RAP_E_ARGUMENT, "fine-tuning takes --out FOLDER");
    t.data = path_join(o->out, "data");
    t.images = t.data ? path_join(t.data, "images") : NULL;
    if (!t.images)
        status = err_memory(err, "making samples");
    if (!status)
        status = make_data(&t, err);
    material_release(&t.negatives);
    school_close(&t.school);
    if (!status)
        status = train(&t, err);
    out->concepts = status ? 0 : t.concepts;
    out->positives /= t.concepts ? t.concepts : 1;
    out->negatives /= t.concepts ? t.concepts : 1;
    out->seconds = (double)(clock() - start) / CLOCKS_PER_SEC / (t.concepts ? t.concepts : 1);
    buf_release(&t.lines);
    free(t.images);
    free(t.data);
    return status;
}

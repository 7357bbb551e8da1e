/* learn.c: learns one concept after the other, and stores what it learnt.
 *
 * Reading order: which concepts (choose), the decoder (need_decoder), head, soft tokens, then
 * one concept from start to end (learn_one). */
#include "train/concept/concept.h"

#include "base/available.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/threads.h"
#include "train/base_adapters.h"
#include "train/concept/begin.h"
#include "train/concept/classifier.h"
#include "train/concept/negatives.h"
#include "train/concept/rows.h"
#include "train/concept/samples.h"
#include "train/concept/tune.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROWS = 1024, MOST_READ = 2000, HEAD_STEPS = 400, SOFT_TOKENS = 16 };
#define HEAD_DECAY 1e-3
#define KEEP_BYTES ((size_t)2 << 30)

typedef struct learning {
    const concept_options *o;
    concept_result *result;
    school school;
    gguf_file *file;
    base_adapters adapters; /* the profile's */
    decoder *decoder;       /* NULL: not open yet */
    int rows;               /* that it has room for */
    material shared;        /* negatives of all concepts */
    char **name;            /* [count] */
    size_t count;
    size_t at;
    char what[128];
} learning;

/* ---- which concepts ---- */

static int collect(const rap_record *c, void *payload)
{
    learning *l = payload;
    char **grown = realloc(l->name, (l->count + 1) * sizeof *grown);

    if (!grown)
        return 1;
    l->name = grown;
    return (grown[l->count++] = mem_string(c->name)) == NULL;
}

static rap_status choose(learning *l, rap_err *err)
{
    rap_status status = RAP_OK;

    if (!l->o->names)
        status = store_each(l->school.store, NULL, collect, l, err);
    for (const char *const *n = l->o->names; !status && n && *n; n++) {
        rap_record *c = NULL;

        status = store_find(l->school.store, *n, &c, err);
        if (!status && collect(c, l))
            status = err_memory(err, "learning concepts");
        store_record_free(c);
    }
    if (!status && l->count == 0)
        status = err_set(err, RAP_E_NOT_FOUND, "%s: no concept to learn", l->o->store);
    return status;
}

/* ---- the decoder ---- */

static rap_status need_decoder(learning *l, int longest, rap_err *err)
{
    decoder_options o = { .threads = l->o->threads > 0 ? l->o->threads : threads_available(),
                          .rows = longest > ROWS ? longest : ROWS,
                          .keep = KEEP_BYTES,
                          .adapter = l->adapters.lora,
                          .adapter_scale = l->adapters.scale };
    shape s;
    rap_status status = RAP_OK;

    if (l->decoder && longest <= l->rows)
        return RAP_OK;
    decoder_close(l->decoder);
    l->decoder = NULL;
    if (!l->file) {
        status = gguf_file_open(&l->file, l->school.profile->llm.path, err);
        if (!status)
            status = base_adapters_open(&l->adapters, l->school.profile, l->file, err);
    }
    o.adapters = l->adapters.count;
    if (!status)
        status = shape_read(&s, l->file, err);
    if (!status && s.width != l->school.width)
        status =
            err_set(err, RAP_E_UNSUPPORTED, "%s: pictures are %d numbers wide, the decoder %lld",
                    l->school.profile->file, l->school.width, (long long)s.width);
    if (!status && !l->o->force && decoder_bytes(&s, &o) > memory_available())
        status = err_set(err, RAP_E_MEMORY,
                         "learning takes %.2f GB of memory more and %.2f GB are free; --force "
                         "begins all the same",
                         (double)decoder_bytes(&s, &o) / 1e9, (double)memory_available() / 1e9);
    if (!status)
        status = decoder_open(&l->decoder, l->file, &o, err);
    l->rows = o.rows;
    return status;
}

static int on_rows(const char *what, uint64_t done, uint64_t total, void *payload)
{
    const learning *l = payload;

    return l->o->on_progress
               ? l->o->on_progress(what, l->at * total + done, l->count * total, l->o->payload)
               : 0;
}

/* Learns the rows of `param` on the samples. */
static rap_status learn_rows(learning *l, float *param, int inputs, int outputs,
                             const known *concept, const sample_list *samples, int epochs,
                             double share, rap_err *err)
{
    sequence *list = mem_array(samples->count + 1, sizeof *list);
    rows_options o = { .epochs = l->o->epochs ? l->o->epochs : epochs,
                       .batch = l->o->batch                    ? l->o->batch
                                : l->o->method == CONCEPT_HEAD ? 4
                                                               : 8,
                       .lr = (l->o->lr > 0 ? l->o->lr : share) * begin_spread(l->decoder, false),
                       .word_lr =
                           (l->o->lr > 0 ? l->o->lr : share) * begin_spread(l->decoder, true),
                       .seed = l->o->seed,
                       .threads = l->o->threads > 0 ? l->o->threads : threads_available(),
                       .on_progress = on_rows,
                       .what = l->what,
                       .payload = l };
    rows_result r = { .steps = 0 };
    int longest = 0;
    rap_status status = list ? RAP_OK : err_memory(err, "learning a concept");

    for (size_t i = 0; !status && i < samples->count; i++) {
        const concept_sample *s = &samples->item[i];

        status = sequence_build(&list[i], l->school.vlm, s->picture ? &s->picture->shown : NULL,
                                concept, 1, s->question, s->answer, err);
        longest = list[i].count > longest ? list[i].count : longest;
    }
    if (!status)
        status = need_decoder(l, longest, err);
    if (!status)
        status = rows_learn(&r, param, inputs, outputs, l->decoder, list, samples->count, &o, err);
    l->result->first_loss += r.first_loss / (double)l->count;
    l->result->last_loss += r.last_loss / (double)l->count;
    for (size_t i = 0; list && i < samples->count; i++)
        sequence_release(&list[i]);
    free(list);
    return status;
}

/* ---- head ---- */

/* Features of the positives and of the chosen negatives, one after another. */
static rap_status gather(float **out, uint8_t **out_label, int *out_count, const material *m,
                         const material_picture *const *negative, size_t negatives, int dim,
                         rap_err *err)
{
    size_t count = 0, at = 0;

    for (size_t i = 0; i < m->pictures; i++)
        count += (size_t)m->picture[i].features;
    for (size_t i = 0; i < negatives; i++)
        count += (size_t)negative[i]->features;
    *out = mem_array(count * (size_t)dim + 1, sizeof **out);
    *out_label = mem_array(count + 1, 1);
    *out_count = (int)count;
    if (!*out || !*out_label)
        return err_memory(err, "training a classifier");
    for (size_t i = 0; i < m->pictures + negatives; i++) {
        const material_picture *p = i < m->pictures ? &m->picture[i] : negative[i - m->pictures];

        if (p->features)
            memcpy(*out + at * (size_t)dim, p->feature, (size_t)(p->features * dim) * sizeof **out);
        for (int k = 0; k < p->features; k++)
            (*out_label)[at++] = i < m->pictures;
    }
    return RAP_OK;
}

static rap_status fit(learning *l, float *w, const material *m,
                      const material_picture *const *negative, size_t negatives, rap_err *err)
{
    int dim = encoder_dim(l->school.encoder), count = 0;
    classifier c = { .w = w, .dim = dim };
    float *feature = NULL;
    uint8_t *label = NULL;
    rap_status status = gather(&feature, &label, &count, m, negative, negatives, dim, err);

    if (!status)
        status = classifier_fit(&c, feature, label, count, HEAD_DECAY, HEAD_STEPS, err);
    w[dim] = c.bias;
    for (int i = 0; !status && i < count; i++) {
        bool right = (classifier_yes(&c, feature + (size_t)i * (size_t)dim) > 0.5) == label[i];

        l->result->right += right;
        l->result->wrong += !right;
    }
    free(feature);
    free(label);
    return status;
}

/* numbers: [dim + 1] the classifier, then [width] the row. */
static rap_status learn_head(learning *l, float **out, size_t *out_count, const rap_record *c,
                             const material *m, const material_picture *const *negative,
                             size_t negatives, rap_err *err)
{
    size_t dim = (size_t)encoder_dim(l->school.encoder), width = (size_t)l->school.width;
    const known concept = { .name = c->name, .rows = 1, .word = -1, .in_photo = true };
    sample_list samples = { .item = NULL };
    rap_status status;

    *out_count = dim + 1 + width;
    *out = mem_array(*out_count, sizeof **out);
    if (!*out)
        return err_memory(err, "learning a concept");
    status = fit(l, *out, m, negative, negatives, err);
    if (!status)
        status =
            samples_make(&samples, c, m, NULL, 0, &(samples_options){ .seed = l->o->seed }, err);
    if (!status)
        status = need_decoder(l, 1, err);
    if (!status) {
        status = begin_at_text(*out + dim + 1, NULL, l->decoder, l->school.vlm, c->name, err);
    }
    if (!status) {
        status = learn_rows(l, *out + dim + 1, 1, 0, &concept, &samples, 40, 0.3, err);
    }
    samples_release(&samples);
    return status;
}

/* ---- soft tokens ---- */

/* numbers: [tokens, width] its rows, [width] its word going in, [width] its word coming out. */
static rap_status learn_soft(learning *l, float **out, size_t *out_count, const rap_record *c,
                             const material *m, const material_picture *const *negative,
                             size_t negatives, rap_err *err)
{
    int tokens = l->o->tokens ? l->o->tokens : SOFT_TOKENS;
    size_t width = (size_t)l->school.width;
    const known concept = { .name = c->name, .rows = tokens, .word = tokens };
    draw d = draw_for(l->o->seed, "soft tokens", c->name);
    sample_list samples = { .item = NULL };
    rap_status status;

    *out_count = (size_t)(tokens + 2) * width;
    *out = mem_array(*out_count, sizeof **out);
    if (!*out)
        return err_memory(err, "learning a concept");
    status = samples_make(&samples, c, m, negative, negatives,
                          &(samples_options){ true, true, l->o->seed }, err);
    if (!status)
        status = need_decoder(l, 1, err);
    if (!status) {
        for (int i = 0; i < tokens; i++)
            begin_anywhere(*out + (size_t)i * width, l->decoder, &d);
        status = begin_at_text(*out + (size_t)tokens * width, *out + (size_t)(tokens + 1) * width,
                               l->decoder, l->school.vlm, c->name, err);
    }
    if (!status) {
        status = learn_rows(l, *out, tokens + 1, 1, &concept, &samples, 4, 0.3, err);
    }
    samples_release(&samples);
    return status;
}

/* ---- one concept ---- */

static material_options material_of(const learning *l)
{
    const concept_options *o = l->o;

    return (material_options){ .pictures = o->pictures,
                               .negatives = o->negatives,
                               .most_negatives = MOST_READ,
                               .features = true,
                               .shown = true,
                               .augment = true,
                               .seed = o->seed,
                               .on_progress = o->on_progress,
                               .payload = o->payload };
}

static int negatives_of(const concept_options *o)
{
    return o->most_negatives ? o->most_negatives : o->method == CONCEPT_HEAD ? 150 : 200;
}

static rap_status learn_with(learning *l, const rap_record *c, const material *m,
                             const material *from, rap_err *err)
{
    const material_picture **negative = mem_array(from->pictures + 1, sizeof *negative);
    int dim = encoder_dim(l->school.encoder);
    float *numbers = NULL;
    size_t negatives = 0, count = 0, own = 0;
    rap_status status = negative ? RAP_OK : err_memory(err, "learning a concept");

    for (size_t i = 0; i < m->pictures; i++)
        own += !m->picture[i].turned;
    if (!status)
        status = negatives_choose(negative, &negatives, from, m->picture[0].feature, dim,
                                  (size_t)negatives_of(l->o), l->o->seed, c->name, err);
    if (!status)
        status = l->o->method == CONCEPT_HEAD
                     ? learn_head(l, &numbers, &count, c, m, negative, negatives, err)
                     : learn_soft(l, &numbers, &count, c, m, negative, negatives, err);
    if (!status)
        status = store_put_learnt(l->school.store, c->name, concept_method_name(l->o->method),
                                  l->school.model, numbers, count, err);
    l->result->positives += (double)own / (double)l->count;
    l->result->negatives += (double)negatives / (double)l->count;
    l->result->bytes = (double)(count * sizeof *numbers);
    free(numbers);
    free(negative);
    return status;
}

static rap_status learn_one(learning *l, const char *name, rap_err *err)
{
    const material_options o = material_of(l);
    material own = { .picture = NULL }, others = { .picture = NULL };
    rap_record *c = NULL;
    rap_status status = store_find(l->school.store, name, &c, err);

    snprintf(l->what, sizeof l->what, "learning %.80s", name);
    if (!status)
        status = material_of_concept(&own, &l->school, c, &o, err);
    if (!status && !o.negatives)
        status = material_negatives(&others, &l->school, name, &o, err);
    if (!status)
        status = learn_with(l, c, &own, o.negatives ? &l->shared : &others, err);
    if (!status)
        l->result->concepts++;
    material_release(&own);
    material_release(&others);
    store_record_free(c);
    return status;
}

/* Vectors of views that have none are made by the first look. */
static rap_status embed_views(learning *l, rap_err *err)
{
    image blank = { 0 };
    sighting seen = { .region = NULL };
    rap_status status = image_new(&blank, 64, 64, err);

    if (!status)
        status = retriever_look(l->school.retriever, &blank, RAP_POLICY_DEFAULT, &seen, err);
    if (!status)
        sighting_release(&seen);
    image_release(&blank);
    return status;
}

static rap_status learn_all(learning *l, rap_err *err)
{
    material_options o = material_of(l);
    rap_status status = RAP_OK;

    status = choose(l, err);
    if (!status)
        status = embed_views(l, err);
    if (!status && o.negatives)
        status = material_negatives(&l->shared, &l->school, "", &o, err);
    for (; !status && l->at < l->count; l->at++)
        status = learn_one(l, l->name[l->at], err);
    return status;
}

rap_status concept_learn(concept_result *out, const concept_options *o, rap_err *err)
{
    learning l = { .o = o, .result = out };
    const school_options s = { .profile = o->profile,
                               .lora = o->lora,
                               .store = o->store,
                               .threads = o->threads,
                               .on_progress = o->on_progress,
                               .payload = o->payload };
    clock_t start = clock();
    rap_status status;

    *out = (concept_result){ .concepts = 0 };
    if (o->tokens < 0 || o->tokens > 256 || o->epochs < 0 || o->batch < 0 || o->batch > 1024 ||
        o->most_negatives < 0 || o->lr < 0 || !isfinite(o->lr))
        return err_set(err, RAP_E_ARGUMENT,
                       "1 to 256 tokens, 1 to 1024 samples a step, and "
                       "positive numbers of epochs and negatives are "
                       "possible");
    if (o->method == CONCEPT_LORA)
        return concept_tune(out, o, err);
    status = school_open(&l.school, &s, err);
    if (!status)
        status = learn_all(&l, err);
    out->seconds = (double)(clock() - start) / CLOCKS_PER_SEC / (out->concepts ? out->concepts : 1);
    for (size_t i = 0; i < l.count; i++)
        free(l.name[i]);
    free(l.name);
    decoder_close(l.decoder);
    base_adapters_close(&l.adapters);
    gguf_file_close(l.file);
    material_release(&l.shared);
    school_close(&l.school);
    return status;
}

/* ---- names of methods ---- */

static const char *const methods[] = {
    [CONCEPT_HEAD] = "head", [CONCEPT_SOFT] = "soft-tokens", [CONCEPT_LORA] = "lora"
};

bool concept_method_of(concept_method *out, const char *name)
{
    for (int i = 0; i < (int)(sizeof methods / sizeof *methods); i++)
        if (strcmp(methods[i], name) == 0) {
            *out = (concept_method)i;
            return true;
        }
    return false;
}

const char *concept_method_name(concept_method m)
{
    return methods[m];
}

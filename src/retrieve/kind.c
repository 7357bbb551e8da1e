/* kind.c: first the words, then their vectors, then the two ways to choose among them. */
#include "retrieve/kind.h"

#include "base/mem.h"
#include "base/text_fold.h"
#include "base/vector.h"
#include "retrieve/nouns.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CAPTION = 512 }; /* bytes */

/* ---- words ---- */

typedef struct words {
    char **text; /* [count], sorted, each once */
    size_t count;
    float *vector; /* [count, dim] */
} words;

static void words_release(words *w)
{
    store_strings_free(w->text, w->count);
    free(w->vector);
    *w = (words){ .text = NULL };
}

static int by_letters(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Words that fit everything say nothing. */
static bool says_nothing(const char *word)
{
    static const char *const empty[] = { "", "object", "thing", "item", "stuff" };

    for (size_t i = 0; i < sizeof empty / sizeof *empty; i++)
        if (strcmp(word, empty[i]) == 0)
            return true;
    return strlen(word) > CAPTION / 2;
}

static void drop_some(words *w)
{
    size_t kept = 0;

    for (size_t i = 0; i < w->count; i++) {
        if (says_nothing(w->text[i]) || (kept && strcmp(w->text[kept - 1], w->text[i]) == 0))
            free(w->text[i]);
        else
            w->text[kept++] = w->text[i];
    }
    w->count = kept;
}

static size_t length(const char *const *list)
{
    size_t n = 0;

    while (list && list[n])
        n++;
    return n;
}

/* Folded, as the store's categories are. */
static rap_status list_words(words *out, const kind_case *c, rap_err *err)
{
    size_t extras = length(c->extra), own = length(nouns), categories = 0;
    char **category = NULL, **text;
    bool whole;
    rap_status status =
        store_categories(c->store, YOLO_MAX_NAMES - extras - own, &category, &categories, err);

    if (status != RAP_OK)
        return status;
    text = mem_array(categories + extras + own, sizeof *text);
    whole = text != NULL;
    for (size_t i = 0; whole && i < categories + extras + own; i++) {
        text[i] = i < categories            ? mem_string(category[i])
                  : i < categories + extras ? text_fold(c->extra[i - categories])
                                            : mem_string(nouns[i - categories - extras]);
        whole = text[i] != NULL;
        out->count += whole;
    }
    out->text = text;
    store_strings_free(category, categories);
    if (!whole)
        return err_memory(err, "listing words");
    qsort(text, out->count, sizeof *text, by_letters);
    drop_some(out);
    return RAP_OK;
}

/* ---- vectors ---- */

/* "a photo of an apple", as a CLIP was taught; plain: the word by itself, as a detector takes it. */
static void caption(char out[CAPTION], const char *word, bool plain)
{
    bool vowel = strchr("aeiou", *word) != NULL;

    snprintf(out, CAPTION, "%s%s", plain ? "" : vowel ? "a photo of an " : "a photo of a ", word);
}

/* Reads the vector from the store's cache. */
static rap_status cached(bool *out_found, float *vector, const kind_case *c, const encoder *e,
                         const char *text, rap_err *err)
{
    float *stored = NULL;
    int dim = 0, found = 0;
    rap_status status =
        store_get_text_vector(c->store, text, encoder_fingerprint(e), &stored, &dim, &found, err);

    *out_found = status == RAP_OK && found && dim == encoder_dim(e);
    if (*out_found)
        memcpy(vector, stored, (size_t)dim * sizeof *vector);
    free(stored);
    return status;
}

enum { TEXTS = 64 }; /* encoded at once */

typedef struct batch {
    char text[TEXTS][CAPTION];
    size_t word[TEXTS];
    int count;
} batch;

/* Encodes the texts of a batch and caches their vectors. */
static rap_status run_batch(words *w, batch *b, const kind_case *c, encoder *e, rap_err *err)
{
    size_t dim = (size_t)encoder_dim(e);
    float *made = mem_array((size_t)b->count * dim + 1, sizeof *made);
    const char *text[TEXTS];
    rap_status status = made ? RAP_OK : err_memory(err, "encoding words");

    for (int i = 0; i < b->count; i++)
        text[i] = b->text[i];
    if (status == RAP_OK)
        status = encoder_texts(e, text, b->count, made, err);
    for (int i = 0; status == RAP_OK && i < b->count; i++) {
        store_vector vector = { encoder_fingerprint(e), (int)dim, made + (size_t)i * dim };

        memcpy(w->vector + b->word[i] * dim, vector.data, dim * sizeof *made);
        if (!c->read_only) /* a cache that cannot be written only costs time */
            store_put_text_vector(c->store, text[i], &vector, NULL);
    }
    if (status == RAP_OK && c->on_progress &&
        c->on_progress("encoding words", b->word[b->count - 1] + 1, w->count, c->payload))
        status = err_set(err, RAP_E_CANCELLED, "encoding words was cancelled");
    b->count = 0;
    free(made);
    return status;
}

static rap_status encode_words(words *w, const kind_case *c, encoder *e, bool plain, rap_err *err)
{
    size_t dim = (size_t)encoder_dim(e);
    batch *b = mem_array(1, sizeof *b);
    bool made = false;
    rap_status status = RAP_OK;

    w->vector = mem_array(w->count * dim + 1, sizeof *w->vector);
    if (!b || !w->vector)
        status = err_memory(err, "encoding words");
    for (size_t i = 0; status == RAP_OK && i < w->count; i++) {
        bool found = false;

        caption(b->text[b->count], w->text[i], plain);
        status = cached(&found, w->vector + i * dim, c, e, b->text[b->count], err);
        if (status != RAP_OK || found)
            continue;
        b->word[b->count++] = i;
        made = true;
        if (b->count == TEXTS)
            status = run_batch(w, b, c, e, err);
    }
    if (status == RAP_OK && b->count > 0)
        status = run_batch(w, b, c, e, err);
    if (status == RAP_OK && made && c->on_progress)
        c->on_progress("encoding words", w->count, w->count, c->payload);
    free(b);
    return status;
}

static rap_status words_open(words *out, const kind_case *c, encoder *texts, bool plain,
                             rap_err *err)
{
    rap_status status = list_words(out, c, err);

    return status == RAP_OK ? encode_words(out, c, texts, plain, err) : status;
}

static rap_status take_word(char **out, const words *w, size_t i, rap_err *err)
{
    *out = mem_string(w->text[i]);
    return *out ? RAP_OK : err_memory(err, "naming a kind");
}

/* ---- the encoder ---- */

/* The smallest angle; the length of `feature` changes no order. */
static size_t nearest(const words *w, const float *feature, int dim)
{
    size_t best = 0;
    double most = -INFINITY;

    for (size_t i = 0; i < w->count; i++) {
        const float *v = w->vector + i * (size_t)dim;
        double fit = vector_dot(v, feature, dim) * vector_unit_scale(v, dim);

        if (fit > most) {
            most = fit;
            best = i;
        }
    }
    return best;
}

rap_status kind_by_text(char **out, const kind_case *c, encoder *e, rap_err *err)
{
    int dim = encoder_dim(e);
    float *feature = mem_array((size_t)dim, sizeof *feature);
    words w = { .text = NULL };
    rap_status status = feature ? RAP_OK : err_memory(err, "naming a kind");

    *out = NULL;
    if (status == RAP_OK)
        status = embed_boxes(feature, e, c->photo, &c->box, 1, c->crop, err);
    if (status == RAP_OK)
        status = words_open(&w, c, e, false, err);
    if (status == RAP_OK)
        status = take_word(out, &w, nearest(&w, feature, dim), err);
    words_release(&w);
    free(feature);
    return status;
}

/* ---- the detector ---- */

static rap_status detect_best(char **out, const words *w, const image *cropped,
                              yolo_world *detector, rap_err *err)
{
    const detect_options options = {
        .confidence = 0.01f, .iou = 0.5f, .max_boxes = 1, .class_agnostic = 1
    };
    yolo_vocabulary *vocabulary = NULL;
    detection *found = NULL;
    int count = 0;
    rap_status status = yolo_vocabulary_new(&vocabulary, detector, w->vector, (int)w->count, err);

    if (status == RAP_OK)
        status = yolo_world_detect(detector, vocabulary, cropped, &options, &found, &count, err);
    if (status == RAP_OK && count == 0)
        status = err_set(err, RAP_E_NOT_FOUND,
                         "the detector finds nothing in the picture that it has "
                         "a word for: give the category");
    if (status == RAP_OK)
        status = take_word(out, w, (size_t)found[0].label, err);
    free(found);
    yolo_vocabulary_free(vocabulary);
    return status;
}

rap_status kind_by_detector(char **out, const kind_case *c, yolo_world *detector, encoder *texts,
                            rap_err *err)
{
    words w = { .text = NULL };
    image cropped = { 0 };
    rap_status status = embed_crop_box(&cropped, c->photo, c->box, c->crop, err);

    *out = NULL;
    if (status == RAP_OK)
        status = words_open(&w, c, texts, true, err);
    if (status == RAP_OK)
        status = detect_best(out, &w, &cropped, detector, err);
    words_release(&w);
    image_release(&cropped);
    return status;
}

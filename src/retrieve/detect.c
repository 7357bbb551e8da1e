/* detect.c: first the vocabulary of a store, then the regions of a photo. */
#include "retrieve/detect.h"

#include "base/mem.h"
#include "base/text_fold.h"

#include <stdlib.h>
#include <string.h>

typedef struct word {
    char *text;
    float *vector; /* [dim] */
} word;

struct detect {
    yolo_world *model;
    encoder *texts;
    detect_settings settings;
    word *words; /* [count] */
    size_t count;
    yolo_vocabulary *vocabulary; /* of the words; NULL if there are none */
};

rap_status detect_new(detect **out, yolo_world *model, encoder *texts,
                      const detect_settings *settings, rap_err *err)
{
    *out = NULL;
    if (!encoder_has_text(texts))
        return err_set(err, RAP_E_UNSUPPORTED,
                       "%s: has no text tower, which the detector needs: name a CLIP as the "
                       "profile's text_encoder",
                       encoder_name(texts));
    if (yolo_world_text_dim(model) != encoder_dim(texts))
        return err_set(err, RAP_E_UNSUPPORTED,
                       "the detector expects text vectors of %d numbers, but %s makes %d",
                       yolo_world_text_dim(model), encoder_name(texts), encoder_dim(texts));
    *out = mem_array(1, sizeof **out);
    if (!*out)
        return err_memory(err, "opening the detector");
    (*out)->model = model;
    (*out)->texts = texts;
    (*out)->settings = *settings;
    return RAP_OK;
}

static void free_words(word *words, size_t count)
{
    for (size_t i = 0; words && i < count; i++) {
        free(words[i].text);
        free(words[i].vector);
    }
    free(words);
}

void detect_free(detect *d)
{
    if (!d)
        return;
    free_words(d->words, d->count);
    yolo_vocabulary_free(d->vocabulary);
    free(d);
}

/* ---- vocabulary ---- */

static int by_text(const void *a, const void *b)
{
    return strcmp(((const word *)a)->text, ((const word *)b)->text);
}

/* Words are sorted. */
static const word *find_word(const word *words, size_t count, const char *text)
{
    word wanted = { (char *)text, NULL };
    return count ? bsearch(&wanted, words, count, sizeof wanted, by_text) : NULL;
}

/* The vector of a text: from the store's cache, else from the text tower, and then cached. */
static rap_status text_vector(detect *d, store *s, const char *text, float **out, rap_err *err)
{
    int dim = encoder_dim(d->texts), found = 0, stored = 0;
    const char *maker = encoder_fingerprint(d->texts);
    rap_status status = store_get_text_vector(s, text, maker, out, &stored, &found, err);

    if (status != RAP_OK || (found && stored == dim))
        return status;
    if (found)
        free(*out);
    *out = mem_array((size_t)dim, sizeof **out);
    if (!*out)
        return err_memory(err, "encoding a category");
    status = encoder_texts(d->texts, &text, 1, *out, err);
    if (status == RAP_OK && !d->settings.read_only) {
        store_vector vector = { maker, dim, *out };

        /* A cache that cannot be written (disk full, store busy) only costs time. */
        store_put_text_vector(s, text, &vector, NULL);
    }
    return status;
}

/* Adds the word unless it equals the last one. A text that the tower cannot encode (too long) is left out, so that one
 * odd category does not disable the detector. */
static rap_status add_word(detect *d, store *s, word *words, size_t *count, const char *text,
                           rap_err *err)
{
    word *w = &words[*count];
    const word *old = find_word(d->words, d->count, text);
    rap_status status = RAP_OK;

    if (!*text || (*count && strcmp(w[-1].text, text) == 0))
        return RAP_OK;
    w->text = mem_string(text);
    if (old)
        w->vector = mem_copy(old->vector, (size_t)encoder_dim(d->texts) * sizeof *w->vector);
    else
        status = text_vector(d, s, text, &w->vector, err);
    if (status == RAP_OK && (!w->text || !w->vector))
        status = err_memory(err, "building the vocabulary");
    if (status == RAP_OK) {
        ++*count;
        return RAP_OK;
    }
    free(w->text);
    free(w->vector);
    *w = (word){ 0 };
    if (status != RAP_E_LIMIT && status != RAP_E_ARGUMENT)
        return status;
    err_clear(err);
    return RAP_OK;
}

static rap_status make_vocabulary(yolo_vocabulary **out, const detect *d, const word *words,
                                  size_t count, rap_err *err)
{
    size_t dim = (size_t)encoder_dim(d->texts);
    float *all = mem_array(count * dim + 1, sizeof *all);
    rap_status status = RAP_OK;

    *out = NULL;
    for (size_t i = 0; all && i < count; i++)
        memcpy(all + i * dim, words[i].vector, dim * sizeof *all);
    if (!all)
        status = err_memory(err, "building the vocabulary");
    else if (count)
        status = yolo_vocabulary_new(out, d->model, all, (int)count, err);
    free(all);
    return status;
}

/* Sets the words as the vocabulary, unless they are unchanged. */
static rap_status use_words(detect *d, word *words, size_t count, rap_err *err)
{
    yolo_vocabulary *vocabulary = NULL;
    int same = count == d->count;
    rap_status status = RAP_OK;

    for (size_t i = 0; same && i < count; i++)
        same = strcmp(words[i].text, d->words[i].text) == 0;
    if (!same)
        status = make_vocabulary(&vocabulary, d, words, count, err);
    if (same || status != RAP_OK) {
        free_words(words, count);
        return status;
    }
    free_words(d->words, d->count);
    yolo_vocabulary_free(d->vocabulary);
    d->words = words;
    d->count = count;
    d->vocabulary = vocabulary;
    return RAP_OK;
}

static int by_letters(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The categories and the profile's words, sorted, possibly with duplicates. Free with store_strings_free(). The words
 * are folded like the categories, so "Dog" and the category "dog" are one word. */
static rap_status list_texts(char ***out, char *const *category, size_t categories,
                             const char *const *extra, size_t extras, rap_err *err)
{
    size_t count = categories + extras;
    char **text = mem_array(count + 1, sizeof *text);
    int whole = text != NULL;

    for (size_t i = 0; whole && i < count; i++) {
        text[i] = i < categories ? mem_string(category[i]) : text_fold(extra[i - categories]);
        whole = text[i] != NULL;
    }
    *out = text;
    if (!whole) {
        store_strings_free(text, text ? count : 0);
        *out = NULL;
        return err_memory(err, "building the vocabulary");
    }
    qsort(text, count, sizeof *text, by_letters);
    return RAP_OK;
}

rap_status detect_refresh(detect *d, store *s, rap_err *err)
{
    char **category = NULL;
    size_t categories = 0, extras = 0, count = 0;
    char **texts = NULL;
    word *words;
    rap_status status;

    while (d->settings.extra && d->settings.extra[extras] && extras < YOLO_MAX_NAMES)
        extras++;
    status = store_categories(s, YOLO_MAX_NAMES - extras, &category, &categories, err);
    if (status != RAP_OK)
        return status;
    words = mem_array(categories + extras + 1, sizeof *words);
    status = words ? list_texts(&texts, category, categories, d->settings.extra, extras, err)
                   : err_memory(err, "building the vocabulary");
    for (size_t i = 0; status == RAP_OK && i < categories + extras; i++)
        status = add_word(d, s, words, &count, texts[i], err);
    store_strings_free(texts, texts ? categories + extras : 0);
    store_strings_free(category, categories);
    if (status == RAP_OK)
        return use_words(d, words, count, err);
    free_words(words, count);
    return status;
}

/* ---- regions ---- */

void detect_regions_free(rap_region *region, int count)
{
    for (int i = 0; region && i < count; i++)
        free((char *)region[i].label);
    free(region);
}

static rap_status copy_regions(detect *d, const detection *found, int count, rap_region *out,
                               int *out_count, rap_err *err)
{
    for (int i = 0; i < count; i++) {
        const detection *f = &found[i];
        rap_region *region = &out[*out_count];

        if (!(f->box.w >= 1 && f->box.h >= 1) || f->label < 0 || (size_t)f->label >= d->count)
            continue;
        *region = (rap_region){ f->box, f->confidence, mem_string(d->words[f->label].text) };
        if (!region->label)
            return err_memory(err, "reading the detector's regions");
        ++*out_count;
    }
    return RAP_OK;
}

rap_status detect_regions(detect *d, const image *photo, int room, rap_region **out, int *out_count,
                          rap_err *err)
{
    detect_options options = DETECT_OPTIONS_INIT;
    detection *found = NULL;
    int count = 0;
    rap_status status = RAP_OK;

    *out = NULL;
    *out_count = 0;
    options.confidence = d->settings.confidence;
    options.iou = d->settings.iou;
    options.max_boxes = d->settings.max_regions;
    if (d->vocabulary)
        status = yolo_world_detect(d->model, d->vocabulary, photo, &options, &found, &count, err);
    if (status == RAP_OK) {
        *out = mem_array((size_t)count + (size_t)room, sizeof **out);
        status = *out ? copy_regions(d, found, count, *out, out_count, err)
                      : err_memory(err, "reading the detector's regions");
    }
    free(found);
    if (status != RAP_OK) {
        detect_regions_free(*out, *out_count);
        *out = NULL;
        *out_count = 0;
    }
    return status;
}

/* ask.c: questions about concepts that were learnt.
 *
 * Which of them are given with a question: those that it names, else those that the photo shows: by the classifiers (head),
 * or, one after the other, by asking the model about each (soft tokens). A classifier that says no keeps a concept out even
 * when it is named, as MyVLM has it. */
#include "train/concept/concept.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/text_search.h"
#include "train/concept/classifier.h"
#include "train/concept/speaker.h"

#include "train/concept/school.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MOST_GIVEN = 16 }; /* concepts of one question */

struct concept_asker {
    concept_method method;
    school school;
    speaker *speaker;
    store_learnt *learnt; /* [count] */
    size_t count;
    int tokens; /* rows of a concept (soft tokens) */
    int dim;
};

/* ---- opening ---- */

static rap_status check_numbers(concept_asker *a, rap_err *err)
{
    size_t width = (size_t)a->school.width;

    a->dim = encoder_dim(a->school.encoder);
    for (size_t i = 0; i < a->count; i++) {
        size_t n = a->learnt[i].count;
        bool fits = a->method == CONCEPT_HEAD ? n == (size_t)a->dim + 1 + width
                                              : n % width == 0 && n / width > 2;

        if (fits && a->method == CONCEPT_SOFT && i > 0)
            fits = n / width - 2 == (size_t)a->tokens;
        if (!fits)
            return err_set(err, RAP_E_FORMAT,
                           "<%s>: what was learnt of it is of another size; learn it again with "
                           "the same --tokens as the others",
                           a->learnt[i].name);
        a->tokens = a->method == CONCEPT_SOFT ? (int)(n / width - 2) : 1;
    }
    return RAP_OK;
}

static rap_status load(concept_asker *a, const char *path, rap_err *err)
{
    const char *method = concept_method_name(a->method);
    rap_status status =
        store_get_learnt(a->school.store, method, a->school.model, &a->learnt, &a->count, err);

    if (!status && a->count == 0)
        status = err_set(err, RAP_E_NOT_FOUND,
                         "%s: nothing was learnt with these models; `rap train --method %s` does",
                         path, method);
    return status ? status : check_numbers(a, err);
}

rap_status concept_asker_open(concept_asker **out, const concept_options *o, const char *adapter,
                              rap_err *err)
{
    concept_asker *a = mem_array(1, sizeof *a);
    const school_options s = { .profile = o->profile,
                               .lora = o->lora,
                               .store = o->store,
                               .threads = o->threads,
                               .adapter = adapter };
    rap_status status;

    *out = NULL;
    if (!a)
        return err_memory(err, "asking about learnt concepts");
    a->method = o->method;
    status = school_open(&a->school, &s, err);
    if (!status)
        status = speaker_open(&a->speaker, a->school.vlm, err);
    if (!status && o->method != CONCEPT_LORA)
        status = load(a, o->store, err);
    if (status) {
        concept_asker_close(a);
        return status;
    }
    *out = a;
    return RAP_OK;
}

void concept_asker_close(concept_asker *a)
{
    if (!a)
        return;
    speaker_close(a->speaker);
    store_learnt_free(a->learnt, a->count);
    school_close(&a->school);
    free(a);
}

int concept_asker_count(const concept_asker *a)
{
    return (int)a->count;
}

/* ---- one prompt ---- */

typedef struct given {
    size_t which[MOST_GIVEN];
    int count;
} given;

/* What was learnt of the given concepts, laid out for the speaker. */
typedef struct layout {
    known known[MOST_GIVEN];
    char text[MOST_GIVEN][256];
    const char *written[MOST_GIVEN];
    int input[MOST_GIVEN];
    float *param, *word;
    spoken spoken;
} layout;

static rap_status lay_out(layout *l, const concept_asker *a, const given *g, rap_err *err)
{
    size_t width = (size_t)a->school.width, each = (size_t)a->tokens + (a->method == CONCEPT_SOFT);
    bool soft = a->method == CONCEPT_SOFT;

    *l = (layout){ .param = mem_array((size_t)g->count * each * width + 1, sizeof *l->param),
                   .word = mem_array((size_t)g->count * width + 1, sizeof *l->word) };
    if (!l->param || !l->word)
        return err_memory(err, "asking about learnt concepts");
    for (int i = 0; i < g->count; i++) {
        const store_learnt *c = &a->learnt[g->which[i]];
        const float *from = soft ? c->numbers : c->numbers + a->dim + 1;
        int first = i * (int)each;

        memcpy(l->param + (size_t)first * width, from, each * width * sizeof *from);
        if (soft)
            memcpy(l->word + (size_t)i * width, from + each * width, width * sizeof *from);
        l->known[i] = (known){ .name = c->name,
                               .first = first,
                               .rows = a->tokens,
                               .word = soft ? first + a->tokens : -1,
                               .output = i,
                               .in_photo = !soft };
        snprintf(l->text[i], sizeof l->text[i], "<%s>", c->name);
        l->written[i] = l->text[i];
        l->input[i] = first + a->tokens;
    }
    l->spoken = (spoken){ l->param, l->word, l->written, l->input, soft ? g->count : 0 };
    return RAP_OK;
}

static void layout_release(layout *l)
{
    free(l->param);
    free(l->word);
}

static rap_status say(char **out, concept_asker *a, const photo_rows *photo, const given *g,
                      const char *question, int max_tokens, rap_err *err)
{
    layout *l = mem_array(1, sizeof *l);
    sequence s = { .cell = NULL };
    rap_status status = l ? lay_out(l, a, g, err) : err_memory(err, "asking about learnt concepts");

    *out = NULL;
    if (!status)
        status = sequence_build(&s, a->school.vlm, photo, l->known, g->count, question, NULL, err);
    if (!status)
        status = speaker_say(out, a->speaker, &s, &l->spoken, max_tokens, err);
    sequence_release(&s);
    if (l)
        layout_release(l);
    free(l);
    return status;
}

/* ---- which concepts ---- */

static void give(given *g, size_t which)
{
    if (g->count < MOST_GIVEN)
        g->which[g->count++] = which;
}

static rap_status by_classifier(given *g, concept_asker *a, const image *photo, const given *named,
                                rap_err *err)
{
    sighting seen;
    rap_status status = retriever_look(a->school.retriever, photo, RAP_POLICY_DEFAULT, &seen, err);

    for (size_t i = 0; !status && i < a->count; i++) {
        classifier c = { a->learnt[i].numbers, a->learnt[i].numbers[a->dim], a->dim };
        bool wanted = named->count == 0, shows = false;

        for (int k = 0; k < named->count; k++)
            wanted = wanted || named->which[k] == i;
        for (int r = 0; wanted && r < seen.count; r++) {
            float *x = seen.feature + r * a->dim;
            double length = 0;

            for (int k = 0; k < a->dim; k++)
                length += (double)x[k] * (double)x[k];
            for (int k = 0; k < a->dim && length > 0; k++)
                x[k] = (float)((double)x[k] / sqrt(length));
            shows = shows || classifier_yes(&c, x) > 0.5;
        }
        if (wanted && shows)
            give(g, i);
    }
    if (!status)
        sighting_release(&seen);
    return status;
}

static rap_status by_asking(given *g, concept_asker *a, const photo_rows *photo, rap_err *err)
{
    rap_status status = RAP_OK;

    for (size_t i = 0; !status && i < a->count; i++) {
        given one = { { i }, 1 };
        char question[300], *answer = NULL;

        snprintf(question, sizeof question, "Is <%s> in this image?", a->learnt[i].name);
        status = say(&answer, a, photo, &one, question, 4, err);
        if (!status && strncasecmp(answer, "yes", 3) == 0)
            give(g, i);
        free(answer);
    }
    return status;
}

static rap_status choose(given *out, concept_asker *a, const image *photo,
                         const photo_rows *as_rows, const char *question, rap_err *err)
{
    given named = { { 0 }, 0 };

    *out = (given){ { 0 }, 0 };
    for (size_t i = 0; i < a->count; i++)
        if (text_search_once(question, a->learnt[i].name) >= 0)
            give(&named, i);
    if (a->method == CONCEPT_HEAD)
        return photo ? by_classifier(out, a, photo, &named, err) : RAP_OK;
    if (named.count == 0 && photo)
        return by_asking(out, a, as_rows, err);
    *out = named;
    return RAP_OK;
}

/* ---- an answer ---- */

static rap_status names_of(char **out, const concept_asker *a, const given *g, rap_err *err)
{
    buf names = BUF_INIT;

    for (int i = 0; i < g->count; i++)
        buf_printf(&names, "%s<%s>", i ? " " : "", a->learnt[g->which[i]].name);
    *out = buf_failed(&names) ? NULL : mem_string(buf_text(&names));
    buf_release(&names);
    return *out ? RAP_OK : err_memory(err, "asking about learnt concepts");
}

static rap_status load_photo(image *out, const rap_image *photo, rap_err *err)
{
    char *bytes = NULL;
    size_t size = 0;
    rap_status status = image_read_bytes(&bytes, &size, photo, err);

    if (!status)
        status = image_decode(out, bytes, size, photo->path ? photo->path : "the photo", err);
    free(bytes);
    return status;
}

rap_status concept_ask(char **out, char **out_found, concept_asker *a, const rap_image *photo,
                       const char *question, int max_tokens, rap_err *err)
{
    image im = { 0 };
    photo_rows rows = { .tokens = NULL };
    given g = { { 0 }, 0 };
    rap_status status = photo ? load_photo(&im, photo, err) : RAP_OK;

    *out = NULL;
    if (out_found)
        *out_found = NULL;
    if (!status && photo)
        status = photo_rows_init(&rows, a->school.vlm, &im, err);
    if (!status && a->method != CONCEPT_LORA)
        status = choose(&g, a, photo ? &im : NULL, &rows, question, err);
    if (!status)
        status = say(out, a, photo ? &rows : NULL, &g, question, max_tokens, err);
    if (!status && out_found)
        status = names_of(out_found, a, &g, err);
    if (status) {
        free(*out);
        *out = NULL;
    }
    photo_rows_release(&rows);
    image_release(&im);
    return status;
}

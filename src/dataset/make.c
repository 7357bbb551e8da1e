/* make.c: the concepts of the prompt, then the kinds. */
#include "dataset/make.h"

#include "base/file.h"
#include "base/mem.h"
#include "dataset/crop.h"
#include "dataset/names.h"
#include "dataset/sample.h"
#include "image/image.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct shown { /* a concept of the prompt */
    const dataset_item *item;
    char name[DATASET_NAME + 2], picture[CROP_NAME]; /* name: without brackets */
    buf info;
} shown;

typedef struct making {
    const maker *m;
    const dataset_item *item;
    dataset_kind kind;
    draw d;
    dataset_report *report;
    shown concept[SAMPLE_CONCEPTS];
    int concepts, asked;        /* asked: the number of the concept that the question is about */
    bool with_picture, present; /* present: the asked concept is in the picture */
    drop_reason reason;         /* why the last photo could not be used */
    int width, height;          /* of the query picture */
    char *picture;              /* the query picture as its file is spelled; NULL: none is shown */
    buf question, answer;
} making;

/* ---- the concepts of the prompt ---- */

static bool is_shown(const making *k, const dataset_item *item)
{
    for (int i = 0; i < k->concepts; i++)
        if (strcmp(k->concept[i].item->identity, item->identity) == 0)
            return true;
    return false;
}

/* What is wrong with the machine ends the run; what is wrong with one picture costs that picture. */
static bool is_fatal(rap_status status)
{
    return status == RAP_E_MEMORY || status == RAP_E_IO || status == RAP_E_CANCELLED;
}

/* Puts the item into the prompt and makes its crop, unless it is there or the prompt is full. When its photo cannot
 * be used, `why` tells, *out_shown is false and the status RAP_OK. */
static rap_status show(bool *out_shown, making *k, const dataset_item *item, rap_err *why)
{
    draw d = draw_for(k->m->plan->seed + (uint64_t)k->kind, "variant", item->key);
    int variant = (int)draw_below(&d, CROP_VARIANTS);
    rap_status status;

    *out_shown = false;
    if (k->concepts == k->m->plan->max_concepts || is_shown(k, item))
        return RAP_OK;
    status = crop_make(&k->reason, k->m->plan, k->m->images, item, variant, why);
    if (status != RAP_OK)
        return is_fatal(status) ? status : RAP_OK;
    k->concept[k->concepts] = (shown){ .item = item, .info = BUF_INIT };
    crop_name(k->concept[k->concepts++].picture, item, variant);
    *out_shown = true;
    return RAP_OK;
}

typedef enum relation {
    OF_OTHER = 0,
    OF_SAME = 1,
    OF_ANY = -1,
    /* category: index.h */ LIKE = 2
} relation;

/* Shows another concept. One whose photo cannot be used is passed over: that is no fault of this sample. */
static rap_status show_other(bool *out_shown, making *k, relation wanted, rap_err *err)
{
    enum { TRIES = 8 };
    rap_status status = RAP_OK;

    *out_shown = false;
    for (int i = 0; status == RAP_OK && !*out_shown && i < TRIES; i++) {
        const dataset_item *other = NULL;

        if (wanted == LIKE)
            status = nearest_other(&other, k->m->nearest, k->item, &k->d, err);
        else
            other = index_other(k->m->index, k->item, wanted, &k->d);
        if (status != RAP_OK || !other)
            return status;
        status = show(out_shown, k, other, err);
    }
    return status;
}

static rap_status add_noise(making *k, rap_err *err)
{
    const plan_negatives *n = &k->m->plan->noise;
    size_t count = (size_t)n->least + draw_below(&k->d, (size_t)(n->most - n->least) + 1);
    rap_status status = RAP_OK;

    if (draw_share(&k->d) >= n->share)
        return RAP_OK;
    for (size_t i = 0; status == RAP_OK && i < count; i++) {
        bool done = false, hard = draw_share(&k->d) < n->hard;

        status = show_other(&done, k, !hard ? OF_OTHER : k->m->nearest ? LIKE : OF_SAME, err);
        if (status == RAP_OK && !done)
            status = show_other(&done, k, OF_ANY, err);
    }
    return status;
}

/* What is asked about stands at any place of the list. */
static void shuffle(making *k)
{
    int place = (int)draw_below(&k->d, (size_t)k->concepts);
    shown first = k->concept[0];

    k->concept[0] = k->concept[place];
    k->concept[place] = first;
    k->asked = place;
}

static bool is_taken(const making *k, int count, const char *name)
{
    for (int i = 0; i < count; i++)
        if (strcmp(k->concept[i].name, name) == 0)
            return true;
    return false;
}

static void name_concept(making *k, int i)
{
    shown *c = &k->concept[i];
    uint64_t seed = k->m->plan->seed;

    if (c->item->name && dataset_name_fits(c->item->name))
        snprintf(c->name, sizeof c->name, "%s", c->item->name);
    else
        dataset_name(c->name, seed, c->item->identity, 0);
    for (int attempt = 1; attempt < 100 && is_taken(k, i, c->name); attempt++)
        dataset_name(c->name, seed, c->item->identity, attempt);
}

/* "{name}" becomes the name in brackets; an object without an info is at least of its category. */
static void describe(shown *c)
{
    char bracketed[DATASET_NAME + 4];
    template_values values = { .name = bracketed, .category = c->item->category };

    snprintf(bracketed, sizeof bracketed, "<%s>", c->name);
    if (*c->item->info)
        template_put(&c->info, c->item->info, &values);
    else if (*c->item->category)
        template_put(&c->info, "{name} is a {category}.", &values);
}

/* What is wrong with a file, without where the data set happens to lie. */
static const char *reason_of(const rap_err *why)
{
    const char *colon = strstr(why->text, ": ");

    return colon ? colon + 2 : why->text;
}

static rap_status prepare_concepts(making *k, rap_err *err)
{
    for (int i = 0; i < k->concepts; i++) {
        name_concept(k, i);
        describe(&k->concept[i]);
        if (buf_failed(&k->concept[i].info))
            return err_memory(err, "describing a concept");
    }
    return RAP_OK;
}

/* ---- questions and answers ---- */

void make_box(char out[64], const char *style, rap_box box, int width, int height)
{
    double side = width > height ? width : height;
    double dx = (side - width) / 2, dy = (side - height) / 2;
    double right = (double)box.x + (double)box.w, bottom = (double)box.y + (double)box.h;

    if (strcmp(style, "pixels") == 0)
        snprintf(out, 64, "[%.0f, %.0f, %.0f, %.0f]", (double)box.x, (double)box.y, right, bottom);
    else if (strcmp(style, "thousand") == 0)
        snprintf(out, 64, "[%.0f, %.0f, %.0f, %.0f]", 1000 * (double)box.x / width,
                 1000 * (double)box.y / height, 1000 * right / width, 1000 * bottom / height);
    else
        snprintf(out, 64, "[%.2f, %.2f, %.2f, %.2f]", ((double)box.x + dx) / side,
                 ((double)box.y + dy) / side, (right + dx) / side, (bottom + dy) / side);
}

static rap_status fill(making *k, buf *out, const char *place, const template_values *v,
                       rap_err *err)
{
    return templates_fill(out, k->m->templates, place, &k->d, v, err);
}

/* The box of the item in its query picture; RAP_E_NOT_FOUND and counted when it is not in it. */
static rap_status find_box(char out[64], making *k)
{
    rap_box box = k->item->query.box;

    if (box.x + box.w > (float)k->width + 1 || box.y + box.h > (float)k->height + 1) {
        report_drop(k->report, DROP_OUTSIDE, "%s: its picture has %d x %d pixels", k->item->key,
                    k->width, k->height);
        return RAP_E_NOT_FOUND;
    }
    make_box(out, k->m->plan->boxes, box, k->width, k->height);
    return RAP_OK;
}

static rap_status ask_about(making *k, const template_values *v, rap_err *err)
{
    const dataset_item *item = k->item;
    bool about_info = *item->info && (!*item->category || draw_share(&k->d) < 0.6);
    rap_status status;

    if (k->with_picture && item->turns > 0) {
        const dataset_turn *turn = &item->turn[draw_below(&k->d, (size_t)item->turns)];

        template_put(&k->question, turn->question, v);
        template_put(&k->answer, turn->answer, v);
        return RAP_OK;
    }
    status =
        fill(k, &k->question, about_info ? "qa.info.question" : "qa.category.question", v, err);
    return status == RAP_OK
               ? fill(k, &k->answer, about_info ? "qa.info.answer" : "qa.category.answer", v, err)
               : status;
}

/* RAP_E_NOT_FOUND: dropped and counted. */
static rap_status word(making *k, rap_err *err)
{
    static const char *const question[] = { [KIND_GROUNDING] = "grounding.question",
                                            [KIND_RECOGNITION] = "recognition.question",
                                            [KIND_CAPTION] = "caption.question",
                                            [KIND_DESCRIPTION] = "description.question" };
    const char *const answer[] = { [KIND_GROUNDING] = "grounding.answer",
                                   [KIND_RECOGNITION] =
                                       k->present ? "recognition.yes" : "recognition.no",
                                   [KIND_CAPTION] = "caption.answer",
                                   [KIND_DESCRIPTION] = "description.answer" };
    const shown *asked = &k->concept[k->asked];
    char name[DATASET_NAME + 4], box[64] = "";
    buf caption = BUF_INIT;
    template_values v = {
        .name = name, .info = buf_text(&asked->info), .category = asked->item->category, .box = box
    };
    rap_status status = RAP_OK;

    snprintf(name, sizeof name, "<%s>", asked->name);
    if (k->kind == KIND_GROUNDING)
        status = find_box(box, k);
    if (k->kind == KIND_CAPTION)
        template_put(&caption, k->item->caption[draw_below(&k->d, (size_t)k->item->captions)], &v);
    v.caption = buf_text(&caption);
    if (status == RAP_OK && k->kind == KIND_QA) {
        status = ask_about(k, &v, err);
    } else if (status == RAP_OK) {
        status = fill(k, &k->question, question[k->kind], &v, err);
        if (status == RAP_OK)
            status = fill(k, &k->answer, answer[k->kind], &v, err);
    }
    if (status == RAP_OK &&
        (buf_failed(&caption) || buf_failed(&k->question) || buf_failed(&k->answer)))
        status = err_memory(err, "wording a sample");
    buf_release(&caption);
    return status;
}

/* ---- the sample ---- */

/* Has a crop of the query picture itself been made? Then it can be decoded and has the annotated size. */
static bool is_proved(const making *k)
{
    const dataset_item *item = k->item;

    return k->present && k->concepts > 0 && item->query.width > 0 &&
           strcmp(item->query.picture, item->concept.picture) == 0;
}

/* Can the query picture be used? RAP_E_NOT_FOUND and counted when not. */
static rap_status check_picture(making *k, rap_err *err)
{
    const dataset_place *place = &k->item->query;
    image photo = { 0 };
    rap_err why = { 0 };
    rap_status status;

    k->width = place->width;
    k->height = place->height;
    if (is_proved(k))
        return RAP_OK;
    status = crop_photo(&photo, &k->reason, k->m->plan, k->m->images, place, &why);
    if (is_fatal(status))
        return err_set(err, status, "%s", why.text);
    if (status != RAP_OK) {
        report_drop(k->report, k->reason, "%s: %s", place->picture, reason_of(&why));
        return RAP_E_NOT_FOUND;
    }
    k->width = image_full_width(&photo);
    k->height = image_full_height(&photo);
    image_release(&photo);
    return RAP_OK;
}

/* With "copy_pictures" the picture lies in the data set itself, whole or not at all. */
static rap_status copy_picture(const making *k, rap_err *err)
{
    char *from = plan_picture(k->m->plan, k->m->images, k->picture);
    char *to = path_join(k->m->images, k->picture), *folder = to ? path_folder(to) : NULL;
    char *bytes = NULL;
    size_t size = 0;
    rap_status status = from && folder ? RAP_OK : err_memory(err, "copying a picture");

    if (status == RAP_OK && !file_exists(to)) {
        status = file_read(&bytes, &size, from, IMAGE_MAX_BYTES, err);
        if (status != RAP_OK && status != RAP_E_MEMORY) { /* it was there when it was checked */
            report_drop(k->report, DROP_NO_PICTURE, "%s: cannot be copied", k->item->query.picture);
            status = RAP_E_NOT_FOUND;
        }
        if (status == RAP_OK)
            status = file_make_folders(folder, err);
        if (status == RAP_OK)
            status = file_write(to, bytes, size, err);
    }
    free(bytes);
    free(from);
    free(to);
    free(folder);
    return status;
}

/* An absent concept of the same category, else of any, for a question whose answer is no. */
static rap_status show_absent(making *k, rap_err *err)
{
    bool absent = false;
    rap_status status = show_other(&absent, k, OF_SAME, err);

    if (status == RAP_OK && !absent)
        status = show_other(&absent, k, OF_ANY, err);
    k->present = !absent;
    return status;
}

/* The item itself; RAP_E_NOT_FOUND and counted when its photo cannot be used. */
static rap_status show_item(making *k, rap_err *err)
{
    bool done = false;
    rap_err why = { 0 };
    rap_status status = show(&done, k, k->item, &why);

    if (status != RAP_OK)
        return err_set(err, status, "%s", why.text);
    if (done)
        return RAP_OK;
    report_drop(k->report, k->reason, "%s: %s", k->item->concept.picture, reason_of(&why));
    return RAP_E_NOT_FOUND;
}

/* Who is asked about, with whom in the prompt, and whether a picture is shown. */
static rap_status choose(making *k, rap_err *err)
{
    const dataset_plan *plan = k->m->plan;
    rap_status status = RAP_OK;

    k->present = true;
    k->with_picture = k->item->query.picture != NULL;
    if (k->kind == KIND_QA && (*k->item->info || *k->item->category) &&
        draw_share(&k->d) < plan->text_only)
        k->with_picture = false;
    if (k->kind == KIND_RECOGNITION && draw_share(&k->d) < plan->negative)
        status = show_absent(k, err);
    if (status == RAP_OK && k->present)
        status = show_item(k, err);
    if (status == RAP_OK)
        status = add_noise(k, err);
    if (status == RAP_OK)
        shuffle(k);
    return status;
}

/* A text that is no UTF-8 leaves nothing behind. */
static rap_status write_line(buf *out, making *k, const sample *s, rap_err *err)
{
    size_t before = out->len;
    rap_err why = { 0 };
    rap_status status = sample_write(out, s, &why);

    if (status == RAP_OK)
        return RAP_OK;
    buf_truncate(out, before);
    if (status != RAP_E_FORMAT)
        return err_set(err, status, "%s", why.text);
    report_drop(k->report, DROP_TEXT, "%s", why.text);
    return RAP_E_NOT_FOUND;
}

static rap_status write_sample(buf *out, making *k, rap_err *err)
{
    buf id = BUF_INIT;
    sample s = {
        .type = dataset_kind_name(k->kind), .image = k->picture, .turns = 1, .concepts = k->concepts
    };
    rap_status status;

    buf_printf(&id, "%s/%s", s.type, k->item->key);
    s.id = buf_text(&id);
    s.turn[0] = (sample_turn){ buf_text(&k->question), buf_text(&k->answer) };
    for (int i = 0; i < k->concepts; i++)
    s.concept[i] = (sample_concept){ k->concept[i].picture, k->concept[i].name,
                                     buf_text(&k->concept[i].info), k->concept[i].item->category };
    status = buf_failed(&id) ? err_memory(err, "writing a sample") : write_line(out, k, &s, err);
    buf_release(&id);
    return status;
}

/* A plain conversation goes through as it is. */
static rap_status write_instruction(buf *out, making *k, rap_err *err)
{
    const json_t *turns = k->item->conversations;
    buf id = BUF_INIT;
    sample s = { .type = dataset_kind_name(KIND_INSTRUCTION), .image = k->picture };
    rap_status status;

    buf_printf(&id, "%s/%s", s.type, k->item->key);
    s.id = buf_text(&id);
    for (size_t i = 0; i < json_array_size(turns) && s.turns < SAMPLE_TURNS; i += 2) {
        const char *human = json_string_value(json_object_get(json_array_get(turns, i), "value"));
        const char *gpt = json_string_value(json_object_get(json_array_get(turns, i + 1), "value"));

        if (i == 0 && s.image && strncmp(human, "<image>\n", 8) == 0)
            human += 8;
        s.turn[s.turns++] = (sample_turn){ human, gpt };
    }
    status = buf_failed(&id) ? err_memory(err, "writing a sample") : write_line(out, k, &s, err);
    buf_release(&id);
    return status;
}

rap_status make_sample(buf *out, dataset_report *report, const maker *m, const dataset_item *item,
                       dataset_kind kind, rap_err *err)
{
    making *k = mem_array(1, sizeof *k);
    rap_status status = RAP_OK;

    if (!k)
        return err_memory(err, "making a sample");
    k->m = m;
    k->item = item;
    k->kind = kind;
    k->report = report;
    k->question = k->answer = (buf)BUF_INIT;
    /* Not the pool's draw, whose smallest numbers chose these items. */
    k->d = draw_for(m->plan->seed + (uint64_t)kind, "sample", item->key);
    k->with_picture = item->query.picture != NULL;
    if (kind != KIND_INSTRUCTION)
        status = choose(k, err);
    if (status == RAP_OK && k->with_picture)
        status = check_picture(k, err);
    if (status == RAP_OK && k->with_picture &&
        !(k->picture = plan_spelling(m->plan, m->images, item->query.picture)))
        status = err_memory(err, "making a sample");
    if (status == RAP_OK && kind != KIND_INSTRUCTION)
        status = prepare_concepts(k, err);
    if (status == RAP_OK && kind != KIND_INSTRUCTION)
        status = word(k, err);
    if (status == RAP_OK && k->with_picture && m->plan->copy)
        status = copy_picture(k, err);
    if (status == RAP_OK)
        status =
            kind == KIND_INSTRUCTION ? write_instruction(out, k, err) : write_sample(out, k, err);
    for (int i = 0; i < k->concepts; i++)
        buf_release(&k->concept[i].info);
    buf_release(&k->question);
    buf_release(&k->answer);
    free(k->picture);
    free(k);
    return is_fatal(status) ? status : RAP_OK; /* anything else was counted */
}

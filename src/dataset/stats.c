/* stats.c: what a data set consists of, as numbers, a table and bars. */
#include "dataset/dataset.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"
#include "dataset/sample.h"
#include "image/page.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- pictures that were seen, and on which side ---- */

typedef struct seen {
    struct {
        uint64_t hash; /* 0: empty */
        int sides;     /* 1: training, 2: validation, 3: both */
    } * entry;
    size_t count, room;
} seen;

static int grow(seen *s)
{
    seen larger = { .room = s->room ? s->room * 2 : 4096 };

    larger.entry = mem_array(larger.room, sizeof *larger.entry);
    if (!larger.entry)
        return 0;
    for (size_t i = 0; i < s->room; i++)
        if (s->entry[i].hash) {
            size_t at = (size_t)s->entry[i].hash & (larger.room - 1);

            while (larger.entry[at].hash)
                at = (at + 1) & (larger.room - 1);
            larger.entry[at] = s->entry[i];
            larger.count++;
        }
    free(s->entry);
    *s = larger;
    return 1;
}

/* *out_new: this picture was not met before; *out_both: it just turned out to be on both sides. */
static rap_status note(seen *s, const char *picture, int side, bool *out_new, bool *out_both,
                       rap_err *err)
{
    uint64_t hash = hash_fast(picture, strlen(picture), 7) | 1;
    size_t at;

    if (s->count * 2 >= s->room && !grow(s))
        return err_memory(err, "counting pictures");
    at = (size_t)hash & (s->room - 1);
    while (s->entry[at].hash && s->entry[at].hash != hash)
        at = (at + 1) & (s->room - 1);
    *out_new = s->entry[at].hash == 0;
    s->count += *out_new;
    s->entry[at].hash = hash;
    *out_both = s->entry[at].sides == (3 & ~side) && !*out_new;
    s->entry[at].sides |= side;
    return RAP_OK;
}

/* ---- counting ---- */

typedef struct counting {
    dataset_stats *out;
    const char *images; /* NULL: pictures are not looked for */
    seen pictures;
    int side;
} counting;

static rap_status count_picture(counting *c, const char *picture, rap_err *err)
{
    bool is_new = false, both = false;
    char *path;
    rap_status status = note(&c->pictures, picture, c->side, &is_new, &both, err);

    if (status != RAP_OK)
        return status;
    c->out->both_sides += both;
    if (!is_new || !c->images)
        return RAP_OK;
    path = path_join(c->images, picture);
    if (!path)
        return err_memory(err, "counting pictures");
    if (!file_exists(path)) {
        if (c->out->missing++ == 0)
            report_copy(c->out->first_missing, sizeof c->out->first_missing, path);
    }
    free(path);
    return RAP_OK;
}

static rap_status count_sample(counting *c, const sample *s, rap_err *err)
{
    dataset_stats *out = c->out;
    int k = 0;
    rap_status status = s->image ? count_picture(c, s->image, err) : RAP_OK;

    while (k < KIND_COUNT && strcmp(dataset_kind_name(k), s->type) != 0)
        k++;
    out->samples++;
    out->other += k == KIND_COUNT;
    if (k < KIND_COUNT)
        out->kind[k]++;
    out->concepts[s->concepts]++;
    out->text_only += s->image == NULL;
    out->turns += (uint64_t)s->turns;
    for (int i = 0; i < s->turns; i++) {
        out->human_bytes += strlen(s->turn[i].human);
        out->gpt_bytes += strlen(s->turn[i].gpt);
    }
    if (k == KIND_RECOGNITION) {
        out->yes += strncasecmp(s->turn[0].gpt, "yes", 3) == 0;
        out->no += strncasecmp(s->turn[0].gpt, "no", 2) == 0;
    }
    for (int i = 0; status == RAP_OK && i < s->concepts; i++)
        status = count_picture(c, s->concept[i].picture, err);
    return status;
}

static rap_status count_file(counting *c, const char *path, int side, rap_err *err)
{
    sample_file *f = NULL;
    bool more = true;
    sample s;
    rap_status status = sample_file_open(&f, path, err);

    c->side = side;
    while (status == RAP_OK) {
        status = sample_file_next(&s, &more, f, err);
        if (status != RAP_OK || !more)
            break;
        status = count_sample(c, &s, err);
        sample_release(&s);
    }
    sample_file_close(f);
    return status;
}

static rap_status count_folder(counting *c, const char *folder, rap_err *err)
{
    static const char *const names[] = { "train.json", "train.jsonl", "validation.json",
                                         "validation.jsonl" };
    char *images = path_join(folder, "images");
    int found = 0;
    rap_status status = images ? RAP_OK : err_memory(err, "counting samples");

    c->images = images;
    for (int i = 0; status == RAP_OK && i < 4; i++) {
        char *path = path_join(folder, names[i]);

        if (!path)
            status = err_memory(err, "counting samples");
        else if (file_exists(path)) {
            found++;
            status = count_file(c, path, i < 2 ? 1 : 2, err);
        }
        free(path);
    }
    if (status == RAP_OK && !found)
        status = err_set(err, RAP_E_NOT_FOUND,
                         "%s: no train.json or validation.json there; `rap dataset build` makes "
                         "them",
                         folder);
    free(images);
    return status;
}

rap_status dataset_count(dataset_stats *out, const char *path, rap_err *err)
{
    counting c = { .out = out };
    rap_status status;

    memset(out, 0, sizeof *out);
    status = file_is_folder(path) ? count_folder(&c, path, err) : count_file(&c, path, 1, err);
    free(c.pictures.entry);
    if (status == RAP_OK && out->samples == 0)
        status = err_set(err, RAP_E_NOT_FOUND, "%s: holds no samples", path);
    return status;
}

/* ---- the table ---- */

void dataset_print(FILE *out, const dataset_stats *s)
{
    double all = s->samples ? (double)s->samples : 1;

    fprintf(out, "samples       %10" PRIu64 "\n", s->samples);
    for (int k = 0; k < KIND_COUNT; k++)
        if (s->kind[k])
            fprintf(out, "  %-12s%10" PRIu64 "  %5.1f %%\n", dataset_kind_name(k), s->kind[k],
                    100 * (double)s->kind[k] / all);
    if (s->other)
        fprintf(out, "  %-12s%10" PRIu64 "  %5.1f %%\n", "other", s->other,
                100 * (double)s->other / all);
    fputs("concepts in the prompt\n", out);
    for (int i = 0; i <= 16; i++)
        if (s->concepts[i])
            fprintf(out, "  %-12d%10" PRIu64 "  %5.1f %%\n", i, s->concepts[i],
                    100 * (double)s->concepts[i] / all);
    fprintf(out, "text only     %10" PRIu64 "\n", s->text_only);
    fprintf(out, "turns         %10" PRIu64 "\n", s->turns);
    if (s->yes + s->no)
        fprintf(out, "recognition   %10" PRIu64 " yes, %" PRIu64 " no\n", s->yes, s->no);
    fprintf(out, "mean length   %10.1f bytes asked, %.1f answered\n",
            (double)s->human_bytes / (s->turns ? (double)s->turns : 1),
            (double)s->gpt_bytes / (s->turns ? (double)s->turns : 1));
    fprintf(out, "pictures missing %7" PRIu64 "%s%s\n", s->missing, s->missing ? ", first: " : "",
            s->first_missing);
    fprintf(out, "on both sides %10" PRIu64 "\n", s->both_sides);
}

/* ---- the bars ---- */

enum { WIDTH = 720, ROW = 34, LABEL = 190, EDGE = 24 };

static rap_status draw_bar(image *page, int *y, const char *label, uint64_t count, uint64_t most,
                           uint32_t color, rap_err *err)
{
    int room = WIDTH - LABEL - 2 * EDGE - 110, height;
    int length = most ? (int)((double)count * room / (double)most) : 0;
    char number[32];
    rap_status status;

    snprintf(number, sizeof number, "%" PRIu64, count);
    status = page_text(&height, page, EDGE, *y + 6, LABEL, label, 16, 0x303030, err);
    page_fill(page, EDGE + LABEL, *y + 4, length > 1 ? length : 1, ROW - 12, color);
    if (status == RAP_OK)
        status = page_text(&height, page, EDGE + LABEL + length + 10, *y + 6, 100, number, 15,
                           0x303030, err);
    *y += ROW;
    return status;
}

rap_status dataset_draw_stats(const dataset_stats *s, const char *path, const char *png,
                              rap_err *err)
{
    uint64_t most = s->other;
    int rows = s->other > 0, y = EDGE, height;
    char text[160];
    image page = { 0 };
    rap_status status = file_spare(png, path, NULL, err);

    if (status != RAP_OK)
        return status;
    for (int k = 0; k < KIND_COUNT; k++) {
        rows += s->kind[k] > 0;
        most = s->kind[k] > most ? s->kind[k] : most;
    }
    for (int i = 0; i <= 16; i++) {
        rows += s->concepts[i] > 0;
        most = s->concepts[i] > most ? s->concepts[i] : most;
    }
    status = page_new(&page, WIDTH, rows * ROW + 110 + 2 * EDGE, 0xFFFFFF, err);
    snprintf(text, sizeof text, "%" PRIu64 " samples, by kind", s->samples);
    if (status == RAP_OK)
        status = page_text(&height, &page, EDGE, y, WIDTH, text, 20, 0x000000, err);
    y += 40;
    for (int k = 0; status == RAP_OK && k < KIND_COUNT; k++)
        if (s->kind[k])
            status = draw_bar(&page, &y, dataset_kind_name(k), s->kind[k], most, 0x4363D8, err);
    if (status == RAP_OK && s->other)
        status = draw_bar(&page, &y, "other", s->other, most, 0x4363D8, err);
    y += 12;
    if (status == RAP_OK)
        status = page_text(&height, &page, EDGE, y, WIDTH, "by concepts in the prompt", 20,
                           0x000000, err);
    y += 40;
    for (int i = 0; status == RAP_OK && i <= 16; i++)
        if (s->concepts[i]) {
            snprintf(text, sizeof text, "%d concept%s", i, i == 1 ? "" : "s");
            status = draw_bar(&page, &y, text, s->concepts[i], most, 0x3CB44B, err);
        }
    if (status == RAP_OK)
        status = image_save_png(&page, png, err);
    image_release(&page);
    return status;
}

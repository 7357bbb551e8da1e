/* show.c: one sample as a page: the pictures, the prompt as a model in the RAP style gets it, the answer. */
#include "dataset/dataset.h"

#include "base/file.h"
#include "base/mem.h"
#include "dataset/sample.h"
#include "generate/prompt.h"
#include "image/page.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 960, EDGE = 24, QUERY = 360, CONCEPT = 150, TEXT = 16 };

/* ---- finding the sample ---- */

/* Steps `*number` samples on; the sample when it is in this file. */
static rap_status find_in(sample *out, bool *out_found, const char *path, uint64_t *number,
                          rap_err *err)
{
    sample_file *f = NULL;
    bool more = true;
    rap_status status = sample_file_open(&f, path, err);

    *out_found = false;
    while (status == RAP_OK && !*out_found) {
        status = sample_file_next(out, &more, f, err);
        if (status != RAP_OK || !more)
            break;
        *out_found = *number == 0;
        if (*number > 0) {
            --*number;
            sample_release(out);
        }
    }
    sample_file_close(f);
    return status;
}

static rap_status find_sample(sample *out, const char *folder, uint64_t number, rap_err *err)
{
    static const char *const stem[] = { "train", "validation" };
    uint64_t left = number;
    bool found = false, any = false;
    rap_status status = RAP_OK;

    for (int i = 0; status == RAP_OK && !found && i < 2; i++) {
        char *path = sample_data_file(folder, stem[i]);

        any = any || path;
        if (path)
            status = find_in(out, &found, path, &left, err);
        free(path);
    }
    if (status == RAP_OK && !any)
        return err_set(err, RAP_E_NOT_FOUND,
                       "%s: no train.json or validation.json there; `rap dataset build` makes them",
                       folder);
    if (status == RAP_OK && !found)
        return err_set(err, RAP_E_NOT_FOUND, "%s: has %" PRIu64 " samples, counted from 0", folder,
                       number - left);
    return status;
}

/* ---- drawing ---- */

static rap_status draw_picture(image *page, const char *folder, const char *name, int x, int y,
                               int side, const char *label, rap_err *err)
{
    char *images = path_join(folder, "images"), *path = images ? path_join(images, name) : NULL;
    image picture = { 0 };
    rap_box place;
    int height;
    rap_status status = path ? image_load(&picture, path, err) : err_memory(err, "drawing");

    if (status == RAP_OK)
        status = page_picture(&place, page, x, y, side, side, &picture, err);
    if (status == RAP_OK)
        status =
            page_text(&height, page, x, y + (int)place.h + 6, side, label, TEXT - 3, 0x606060, err);
    image_release(&picture);
    free(images);
    free(path);
    return status;
}

static rap_status draw_pictures(image *page, const char *folder, const sample *s, rap_err *err)
{
    int x = EDGE, y = EDGE;
    rap_status status = RAP_OK;

    if (s->image) {
        status = draw_picture(page, folder, s->image, x, y, QUERY, "the picture", err);
        x += QUERY + EDGE;
    }
    for (int i = 0, left = x; status == RAP_OK && i < s->concepts; i++) {
        char name[80], label[128];

        report_copy(name, sizeof name, s->concept[i].name);
        snprintf(label, sizeof label, "%d. <%s>", i + 1, name);
        if (x + CONCEPT > WIDTH - EDGE) {
            x = left;
            y += CONCEPT + 36;
        }
        status = draw_picture(page, folder, s->concept[i].picture, x, y, CONCEPT, label, err);
        x += CONCEPT + EDGE;
    }
    return status;
}

/* The prompt of a turn, as text. */
static rap_status prompt_of(buf *out, const sample *s, int turn, rap_err *err)
{
    const prompt_style style = {
        .before_user = "USER: ", .before_assistant = " ASSISTANT:", .after_assistant = "</s>"
    };
    prompt_concept concept[SAMPLE_CONCEPTS];
    prompt p;
    rap_status status;

    for (int i = 0; i < s->concepts; i++)
    concept[i] = (prompt_concept){ s->concept[i].name, s->concept[i].info, 1 };
    status = prompt_build(&p, &style, turn == 0 && s->image, concept, turn == 0 ? s->concepts : 0,
                          s->turn[turn].human, turn == 0, err);
    if (status == RAP_OK)
        prompt_text(out, &p);
    if (status == RAP_OK)
        prompt_release(&p);
    return status;
}

/* Draws the texts from y on and gives their height; page NULL: only measures. */
static rap_status draw_texts(int *out_height, image *page, int y, const sample *s, rap_err *err)
{
    int from = y, height;
    char id[120], type[60], head[300];
    rap_status status;

    report_copy(id, sizeof id, s->id);
    report_copy(type, sizeof type, s->type);
    snprintf(head, sizeof head, "%s   (%s)", id, type);
    status = page_text(&height, page, EDGE, y, WIDTH - 2 * EDGE, head, TEXT - 2, 0x808080, err);
    y += height + 14;
    for (int i = 0; status == RAP_OK && i < s->turns; i++) {
        buf asked = BUF_INIT;

        status = prompt_of(&asked, s, i, err);
        if (status == RAP_OK)
            status = page_text(&height, page, EDGE, y, WIDTH - 2 * EDGE, buf_text(&asked), TEXT,
                               0x303030, err);
        y += height + 8;
        buf_release(&asked);
        if (status == RAP_OK)
            status = page_text(&height, NULL, 0, 0, WIDTH - 4 * EDGE, s->turn[i].gpt, TEXT, 0, err);
        if (status == RAP_OK && page) {
            page_fill(page, EDGE, y - 4, WIDTH - 2 * EDGE, height + 12, 0xDDF3DD);
            status = page_text(&height, page, 2 * EDGE, y + 2, WIDTH - 4 * EDGE, s->turn[i].gpt,
                               TEXT, 0x106010, err);
        }
        y += height + 22;
    }
    if (status == RAP_OK)
        status =
            page_text(&height, page, EDGE, y, WIDTH - 2 * EDGE,
                      "Green: the answer, the part that is trained on.", TEXT - 4, 0x808080, err);
    *out_height = y + height + EDGE - from;
    return status;
}

static int pictures_height(const sample *s)
{
    int across = (WIDTH - 2 * EDGE - (s->image ? QUERY + EDGE : 0) + EDGE) / (CONCEPT + EDGE);
    int rows = s->concepts ? (s->concepts + across - 1) / across : 0;
    int height = rows * (CONCEPT + 36);

    if (s->image && height < QUERY + 30)
        height = QUERY + 30;
    return height ? height + 2 * EDGE : EDGE;
}

rap_status dataset_show(const char *folder, uint64_t number, const char *png, rap_err *err)
{
    sample s = { 0 };
    image page = { 0 };
    int top, height = 0;
    rap_status status = file_spare(png, folder, NULL, err);

    if (status == RAP_OK)
        status = find_sample(&s, folder, number, err);
    top = pictures_height(&s);
    if (status == RAP_OK)
        status = draw_texts(&height, NULL, top, &s, err);
    if (status == RAP_OK)
        status = page_new(&page, WIDTH, top + height, 0xFFFFFF, err);
    if (status == RAP_OK)
        status = draw_pictures(&page, folder, &s, err);
    if (status == RAP_OK)
        status = draw_texts(&height, &page, top, &s, err);
    if (status == RAP_OK)
        status = image_save_png(&page, png, err);
    image_release(&page);
    sample_release(&s);
    return status;
}

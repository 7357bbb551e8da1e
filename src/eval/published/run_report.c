/* run_report.c: the score of a list, and how it changes as the store grows: table, JSON and picture. */
#include "eval/published/published.h"

#include "image/page.h"

enum { WIDTH = 720, ROW = 34, LABEL = 190, EDGE = 24, TITLE = 44, NUMBER = 130 };

void published_print(FILE *out, const published_report *r)
{
    score_print(out, &r->score);
    if (r->steps == 0)
        return;
    fprintf(out, "\n%8s %9s  %s (%%)\n", "concepts", "questions", r->growth_measure);
    for (int i = 0; i < r->steps; i++)
        fprintf(out, "%8d %9d  %.1f\n", r->step[i].concepts, r->step[i].items,
                100 * r->step[i].value);
}

json_t *published_json(const published_report *r)
{
    json_t *out = score_json(&r->score), *steps;

    if (!out || r->steps == 0)
        return out;
    steps = json_array();
    for (int i = 0; i < r->steps; i++)
        json_array_append_new(steps,
                              json_pack("{s:i, s:i, s:f}", "concepts", r->step[i].concepts, "items",
                                        r->step[i].items, "value", r->step[i].value));
    json_object_set_new(out, "growth",
                        json_pack("{s:s, s:o}", "measure", r->growth_measure, "steps", steps));
    return out;
}

static rap_status draw_step(image *page, int y, const growth_step *s, rap_err *err)
{
    int room = WIDTH - LABEL - 2 * EDGE - NUMBER, length = (int)(s->value * room), height;
    char text[64];
    rap_status status;

    snprintf(text, sizeof text, "%d concepts", s->concepts);
    status = page_text(&height, page, EDGE, y + 6, LABEL, text, 16, 0x303030, err);
    page_fill(page, EDGE + LABEL, y + 4, length > 1 ? length : 1, ROW - 12, 0x4363D8);
    snprintf(text, sizeof text, "%.1f  (%d)", 100 * s->value, s->items);
    if (status == RAP_OK)
        status = page_text(&height, page, EDGE + LABEL + length + 10, y + 6, NUMBER, text, 15,
                           0x303030, err);
    return status;
}

rap_status published_draw(const published_report *r, const char *png, rap_err *err)
{
    image page = { 0 };
    char title[128];
    int height;
    rap_status status = page_new(&page, WIDTH, r->steps * ROW + TITLE + 2 * EDGE, 0xFFFFFF, err);

    snprintf(title, sizeof title, "%s in %%, and of how many questions", r->growth_measure);
    if (status == RAP_OK)
        status = page_text(&height, &page, EDGE, EDGE, WIDTH - 2 * EDGE, title, 20, 0x000000, err);
    for (int i = 0; status == RAP_OK && i < r->steps; i++)
        status = draw_step(&page, EDGE + TITLE + i * ROW, &r->step[i], err);
    if (status == RAP_OK)
        status = image_save_png(&page, png, err);
    image_release(&page);
    return status;
}

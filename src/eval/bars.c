/* bars.c: see bars.h. */
#include "eval/bars.h"

#include "image/page.h"

#include <stdio.h>

enum { WIDTH = 720, ROW = 34, LABEL = 190, EDGE = 24, TITLE = 44, NUMBER = 130 };

static rap_status draw_bar(image *page, int y, const bar *b, rap_err *err)
{
    int room = WIDTH - LABEL - 2 * EDGE - NUMBER, length = (int)(b->share * room), height;
    char text[64];
    rap_status status = page_text(&height, page, EDGE, y + 6, LABEL, b->label, 16, 0x303030, err);

    page_fill(page, EDGE + LABEL, y + 4, length > 1 ? length : 1, ROW - 12, 0x4363D8);
    snprintf(text, sizeof text, "%.1f  (%d)", 100 * b->share, b->items);
    return status == RAP_OK ? page_text(&height, page, EDGE + LABEL + length + 10, y + 6, NUMBER,
                                        text, 15, 0x303030, err)
                            : status;
}

static rap_status draw_group(int *y, image *page, const bar_group *g, rap_err *err)
{
    int height;
    rap_status status =
        page_text(&height, page, EDGE, *y, WIDTH - 2 * EDGE, g->title, 20, 0x000000, err);

    *y += TITLE;
    for (int i = 0; status == RAP_OK && i < g->bars; i++, *y += ROW)
        status = draw_bar(page, *y, &g->bar[i], err);
    *y += EDGE;
    return status;
}

rap_status bars_draw(const bar_group *group, int groups, const char *png, rap_err *err)
{
    image page = { 0 };
    int height = EDGE, y = EDGE;
    rap_status status;

    for (int i = 0; i < groups; i++)
        height += TITLE + group[i].bars * ROW + EDGE;
    status = page_new(&page, WIDTH, height, 0xFFFFFF, err);
    for (int i = 0; status == RAP_OK && i < groups; i++)
        status = draw_group(&y, &page, &group[i], err);
    if (status == RAP_OK)
        status = image_save_png(&page, png, err);
    image_release(&page);
    return status;
}

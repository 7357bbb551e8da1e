/* draw.c: draws matches onto their photo. */
#include "rap/handle.h"
#include "rap/picture.h"

#include <math.h>
#include <stdio.h>

static const uint32_t colors[] = { 0xE6194B, 0x3CB44B, 0x4363D8, 0xF58231,
                                   0x911EB4, 0x008080, 0x9A6324, 0x808000 };

static rap_status draw_match(image *im, const rap_match *match, uint32_t color, rap_err *err)
{
    int side = im->width < im->height ? im->width : im->height;
    int thickness = side / 160 > 2 ? side / 160 : 2, pixels = side / 26 > 12 ? side / 26 : 12;
    char label[192];

    if (match->box.w <= 0) /* found by name only: no box */
        return RAP_OK;
    if (isnan(match->distance))
        snprintf(label, sizeof label, "%.150s", match->name);
    else
        snprintf(label, sizeof label, "%.150s %.2f", match->name, 1 - match->distance / 2);
    image_draw_box(im, match->box, thickness, color);
    return image_draw_label(im, (int)match->box.x, (int)match->box.y, label, pixels, color, err);
}

rap_status rap_draw(rap *r, const rap_image *source, const rap_matches *matches, const char *path)
{
    picture shown = { 0 };
    rap_status status;

    if (!rap_ready(r) || !matches || !path)
        return RAP_E_ARGUMENT;
    if (!image_given(source))
        return err_set(&r->err, RAP_E_ARGUMENT, "rap_draw() needs a picture");
    status = rap_may_write(r, path, source);
    if (status == RAP_OK)
        status = picture_open(&shown, source, &r->err);
    for (size_t i = 0; status == RAP_OK && i < matches->region_count; i++)
        if (*matches->region[i].label)
            image_draw_box(&shown.pixels, matches->region[i].box, 1, 0xB0B0B0);
    for (size_t i = matches->count;
         status == RAP_OK && i-- > 0;) /* the best is drawn last, on top */
        status = draw_match(&shown.pixels, &matches->match[i],
                            colors[i % (sizeof colors / sizeof *colors)], &r->err);
    if (status == RAP_OK)
        status = image_save_png(&shown.pixels, path, &r->err);
    picture_close(&shown);
    return status;
}

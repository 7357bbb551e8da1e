/* view.c: see view.h. */
#include "rap/view.h"
#include "rap/models.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

static rap_status embed_view(seen_view *v, rap *r)
{
    int dim = encoder_dim(r->encoder);

    v->feature = mem_array((size_t)dim, sizeof *v->feature);
    if (!v->feature)
        return err_memory(&r->err, "embedding a picture");
    v->vector = (store_vector){ r->maker, dim, v->feature };
    return embed_boxes(v->feature, r->encoder, &v->picture.pixels, &v->view.box, 1,
                       &r->profile->crop, &r->err);
}

rap_status view_open(seen_view *out, rap *r, const rap_image *source, rap_box box)
{
    rap_status status = picture_open(&out->picture, source, &r->err);

    if (status == RAP_OK)
        status = picture_fit_box(&box, &out->picture.pixels, &r->err);
    if (status == RAP_OK)
        status = models_encoder(r);
    if (status != RAP_OK)
        return status;
    out->view =
        (store_view){ out->picture.bytes, out->picture.size, image_full_width(&out->picture.pixels),
                      image_full_height(&out->picture.pixels), box };
    return embed_view(out, r);
}

void view_close(seen_view *v)
{
    picture_close(&v->picture);
    free(v->feature);
    memset(v, 0, sizeof *v);
}

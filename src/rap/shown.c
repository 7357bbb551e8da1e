/* shown.c: see shown.h. */
#include "rap/shown.h"

#include "retrieve/embed.h"

#include <stdio.h>
#include <stdlib.h>

/* The name under which the tokens of this model and these crops are cached. */
static void cache_key(char *out, size_t size, const rap *r)
{
    snprintf(out, size, "%.160s crop %d %.3f", generator_fingerprint(r->generator),
             r->profile->crop.square, (double)r->profile->crop.margin);
}

static rap_status crop_picture(image *out, rap *r, const store_picture *avatar)
{
    image whole = { 0 };
    rap_status status =
        image_decode(&whole, avatar->bytes, avatar->size, "a stored picture", &r->err);

    if (status == RAP_OK)
        status = embed_crop_box(out, &whole, avatar->box, &r->profile->crop, &r->err);
    image_release(&whole);
    return status;
}

static rap_status encode_picture(shown_concept *out, rap *r, const store_picture *avatar,
                                 const char *key, int *encoded)
{
    image cropped = { 0 };
    rap_status status = crop_picture(&cropped, r, avatar);

    if (status != RAP_OK)
        return status;
    status = generator_encode(r->generator, &cropped, &out->tokens, &out->floats, &r->err);
    image_release(&cropped);
    if (status != RAP_OK)
        return status;
    ++*encoded;
    /* A cache that cannot be written (disk full, store busy) only costs time. */
    if (r->options.store_use == RAP_STORE_CHANGE && *key != ' ')
        store_put_tokens(r->store, avatar->view_id, key, out->tokens, out->floats, NULL);
    return RAP_OK;
}

/* The picture's tokens, cached or encoded now. */
static rap_status get_tokens(shown_concept *out, rap *r, const store_picture *avatar, int *encoded)
{
    char key[256];
    int found = 0;
    rap_status status = RAP_OK;

    cache_key(key, sizeof key, r);
    if (*key != ' ')
        status = store_get_tokens(r->store, avatar->view_id, key, &out->tokens, &out->floats,
                                  &found, &r->err);
    if (found && !generator_fits(r->generator, out->tokens, out->floats)) {
        free(out->tokens); /* damaged: as if it were not there */
        out->tokens = NULL;
        found = 0;
    }
    if (status == RAP_OK && !found)
        status = encode_picture(out, r, avatar, key, encoded);
    return status;
}

rap_status shown_open(shown_concept *out, rap *r, int64_t id, int *encoded)
{
    store_picture avatar = { 0 };
    rap_status status = store_avatar(r->store, id, &avatar, &r->err);

    out->view_id = avatar.view_id;
    if (status == RAP_OK)
        status = generator_encodes(r->generator) ? get_tokens(out, r, &avatar, encoded)
                                                 : crop_picture(&out->pixels, r, &avatar);
    store_picture_release(&avatar);
    return status;
}

rap_status shown_open_image(shown_concept *out, rap *r, const image *whole, rap_box box)
{
    rap_status status = embed_crop_box(&out->pixels, whole, box, &r->profile->crop, &r->err);

    if (status == RAP_OK && generator_encodes(r->generator)) {
        status = generator_encode(r->generator, &out->pixels, &out->tokens, &out->floats, &r->err);
        image_release(&out->pixels);
    }
    return status;
}

void shown_release(shown_concept *s)
{
    image_release(&s->pixels);
    free(s->tokens);
}

session_picture shown_picture(const shown_concept *s)
{
    return (session_picture){ s->pixels.rgb ? &s->pixels : NULL, s->tokens, s->floats };
}

/* embed.c: the encoder's feature of one picture or text. */
#include "rap/models.h"
#include "rap/picture.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"

#include <stdlib.h>

static rap_status embed_picture(rap_embedding *out, rap *r, const rap_image *source)
{
    picture shown = { 0 };
    rap_status status = picture_open(&shown, source, &r->err);

    if (status == RAP_OK)
        status = encoder_images(r->encoder, &shown.pixels, 1, out->feature, &r->err);
    picture_close(&shown);
    return status;
}

static rap_status embed_text(rap_embedding *out, rap *r, const char *text)
{
    rap_status status;

    if (!text_is_utf8(text))
        return err_set(&r->err, RAP_E_ARGUMENT, "the text is not valid UTF-8");
    status = encoder_texts(r->encoder, &text, 1, out->feature, &r->err);
    if (status == RAP_OK)
        status = encoder_tokens(r->encoder, text, &out->token, &out->token_count, &r->err);
    return status;
}

rap_status rap_embed(rap_embedding **out, rap *r, const rap_image *source, const char *text)
{
    buf name = BUF_INIT;
    rap_embedding *e = NULL;
    rap_status status;

    if (out)
        *out = NULL;
    if (!rap_ready(r) || !out)
        return RAP_E_ARGUMENT;
    if (image_given(source) == (text != NULL))
        return err_set(&r->err, RAP_E_ARGUMENT, "rap_embed() needs either a picture or a text");
    status = models_encoder(r);
    if (status != RAP_OK)
        return status;
    buf_printf(&name, "%s %s", encoder_name(r->encoder), encoder_fingerprint(r->encoder));
    e = mem_array(1, sizeof *e);
    if (e) {
        e->dim = encoder_dim(r->encoder);
        e->encoder = buf_detach(&name);
        e->feature = mem_array((size_t)e->dim, sizeof *e->feature);
    }
    buf_release(&name);
    if (!e || !e->encoder || !e->feature)
        status = err_memory(&r->err, "embedding");
    else
        status = text ? embed_text(e, r, text) : embed_picture(e, r, source);
    if (status == RAP_OK)
        *out = e;
    else
        rap_embedding_free(e);
    return status;
}

void rap_embedding_free(rap_embedding *embedding)
{
    if (!embedding)
        return;
    free((char *)embedding->encoder);
    free(embedding->feature);
    free(embedding->token);
    free(embedding);
}

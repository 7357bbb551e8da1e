/* picture.c: pictures as what the decoder eats: rows of floats where tokens would stand.
 *
 * mtmd cuts a picture into chunks: usually one row of image tokens, for some models between text tokens,
 * for some several tiles. A picture of the first kind can be encoded once and kept (vlm_encode); the
 * tokens around it are the same for every picture and are learnt once (find_frame). */
#include "generate/picture.h"

#include "base/mem.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* A picture as mtmd's chunks; under the lock. pixels NULL: a stand-in of that size, which has chunks but no pixels. */
static rap_status cut(mtmd_input_chunks **out, vlm *v, int width, int height, const uint8_t *pixels,
                      rap_err *err)
{
    mtmd_bitmap *bitmap = NULL;
    rap_status status = RAP_OK;

    *out = NULL;
    if (width < 1 || height < 1)
        return err_set(err, RAP_E_ARGUMENT, "a picture of %d × %d pixels", width, height);
    bitmap = mtmd_bitmap_init((uint32_t)width, (uint32_t)height, pixels);
    *out = mtmd_input_chunks_init();
    if (!bitmap || !*out) {
        status = err_memory(err, "preparing a picture");
    } else {
        const mtmd_input_part part = { .text = NULL, .bitmap = bitmap };
        const mtmd_input_part *const parts[] = { &part };

        if (mtmd_tokenize_from_parts(v->mtmd, *out, parts, 1, false) != 0)
            status = err_set(err, RAP_E_MODEL,
                             "the model cannot take in a picture of %d × %d pixels", width, height);
    }
    if (bitmap)
        mtmd_bitmap_free(bitmap);
    if (status) {
        mtmd_input_chunks_free(*out);
        *out = NULL;
    }
    return status;
}

/* ---- frames ---- */

static enum mtmd_input_chunk_type type_of(const mtmd_input_chunks *chunks, size_t i)
{
    return mtmd_input_chunk_get_type(mtmd_input_chunks_get(chunks, i));
}

/* The one image chunk of [text] image [text], or −1. */
static int only_image(const mtmd_input_chunks *chunks)
{
    size_t count = mtmd_input_chunks_size(chunks);
    int at = -1;

    for (size_t i = 0; i < count; i++) {
        if (type_of(chunks, i) != MTMD_INPUT_CHUNK_TYPE_IMAGE)
            continue;
        if (at >= 0)
            return -1;
        at = (int)i;
    }
    return at >= 0 && at <= 1 && count <= (size_t)at + 2 ? at : -1;
}

static bool copy_text(llama_token **out, size_t *out_count, const mtmd_input_chunks *chunks,
                      size_t i)
{
    size_t count = 0;
    const llama_token *text =
        mtmd_input_chunk_get_tokens_text(mtmd_input_chunks_get(chunks, i), &count);

    *out = mem_copy(text, count * sizeof *text);
    *out_count = count;
    return *out != NULL;
}

/* What stands around a picture, learnt from a stand-in. Models with positions in two dimensions have no
 * simple frame: their pictures go through mtmd each time. */
static rap_status find_frame(vlm *v, rap_err *err)
{
    picture_frame *f = &v->frame;
    mtmd_input_chunks *chunks = NULL;
    rap_status status;
    int at;

    if (f->known)
        return RAP_OK;
    status = cut(&chunks, v, 64, 64, NULL, err);
    if (status)
        return status;
    at = mtmd_decode_use_mrope(v->mtmd) ? -1 : only_image(chunks);
    f->simple = at >= 0;
    if (at == 1 && !copy_text(&f->before, &f->before_count, chunks, 0))
        status = err_memory(err, "preparing a picture");
    if (!status && at >= 0 && mtmd_input_chunks_size(chunks) > (size_t)at + 1 &&
        !copy_text(&f->after, &f->after_count, chunks, (size_t)at + 1))
        status = err_memory(err, "preparing a picture");
    f->known = status == RAP_OK;
    mtmd_input_chunks_free(chunks);
    return status;
}

/* ---- encoding ---- */

static rap_status need_vision(const vlm *v, rap_err *err)
{
    if (v->mtmd)
        return RAP_OK;
    return err_set(err, RAP_E_UNSUPPORTED, "%s: reads no pictures (no mmproj is given)",
                   v->model_path);
}

static rap_status encode_chunk(vlm *v, const mtmd_input_chunk *chunk, float **out,
                               size_t *out_floats, rap_err *err)
{
    size_t floats = 0;

    if (mtmd_encode_chunk(v->mtmd, chunk) != 0)
        return err_set(err, RAP_E_MODEL, "%s: failed to encode a picture", v->mmproj_path);
    if (!mem_mul(&floats, mtmd_input_chunk_get_n_tokens(chunk), (size_t)v->width))
        return err_memory(err, "encoding a picture");
    *out = mem_copy(mtmd_get_output_embd(v->mtmd), floats * sizeof **out);
    if (!*out)
        return err_memory(err, "encoding a picture");
    *out_floats = floats;
    return RAP_OK;
}

rap_status vlm_encode(vlm *v, const image *im, float **out, size_t *out_floats, rap_err *err)
{
    mtmd_input_chunks *chunks = NULL;
    rap_status status = need_vision(v, err);
    int at = -1;

    *out = NULL;
    *out_floats = 0;
    if (status)
        return status;
    pthread_mutex_lock(&v->lock);
    status = find_frame(v, err);
    if (!status)
        status = cut(&chunks, v, im->width, im->height, im->rgb, err);
    if (status)
        goto unlock;
    at = v->frame.simple ? only_image(chunks) : -1;
    if (at < 0)
        status = err_set(err, RAP_E_UNSUPPORTED, "%s: its picture tokens depend on the prompt",
                         v->mmproj_path);
    else
        status = encode_chunk(v, mtmd_input_chunks_get(chunks, (size_t)at), out, out_floats, err);
    mtmd_input_chunks_free(chunks);
unlock:
    pthread_mutex_unlock(&v->lock);
    return status;
}

rap_status picture_encode(float **out, vlm *v, const mtmd_input_chunk *chunk, rap_err *err)
{
    size_t floats = 0;
    rap_status status;

    *out = NULL;
    pthread_mutex_lock(&v->lock);
    status = encode_chunk(v, chunk, out, &floats, err);
    pthread_mutex_unlock(&v->lock);
    return status;
}

/* ---- a prompt's picture ---- */

static rap_status init_rows(picture *out, vlm *v, const session_picture *source, rap_err *err)
{
    rap_status status;

    pthread_mutex_lock(&v->lock);
    status = find_frame(v, err);
    pthread_mutex_unlock(&v->lock);
    if (status)
        return status;
    if (!v->frame.simple) /* never changes once it is known */
        return err_set(err, RAP_E_UNSUPPORTED, "%s: its picture tokens depend on the prompt",
                       v->mmproj_path);
    if (source->floats == 0 || source->floats % (size_t)v->width || source->floats > INT_MAX)
        return err_set(err, RAP_E_ARGUMENT,
                       "stored picture tokens of %zu floats do not fit a width of %d",
                       source->floats, v->width);
    out->rows = source->tokens;
    out->count = source->floats / (size_t)v->width;
    out->cells = (int)(out->count + v->frame.before_count + v->frame.after_count);
    return RAP_OK;
}

rap_status picture_init(picture *out, vlm *v, const session_picture *source, rap_err *err)
{
    const image *im = source->pixels;
    rap_status status = need_vision(v, err);

    *out = (picture){ .chunks = NULL };
    if (status)
        return status;
    if (source->tokens)
        return init_rows(out, v, source, err);
    if (!im)
        return err_set(err, RAP_E_ARGUMENT, "a picture without pixels and tokens");
    pthread_mutex_lock(&v->lock);
    status = cut(&out->chunks, v, im->width, im->height, im->rgb, err);
    pthread_mutex_unlock(&v->lock);
    for (size_t i = 0; !status && i < mtmd_input_chunks_size(out->chunks); i++)
        out->cells += (int)mtmd_input_chunk_get_n_tokens(mtmd_input_chunks_get(out->chunks, i));
    return status;
}

void picture_release(picture *p)
{
    if (p->chunks)
        mtmd_input_chunks_free(p->chunks);
    *p = (picture){ .chunks = NULL };
}

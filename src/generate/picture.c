/* picture.c: pictures as what the decoder takes in: rows of floats where tokens would stand.
 *
 * mtmd splits a picture into chunks: text tokens, and one row of image tokens or several tiles. How it does that
 * depends on the picture's size alone. So the rows of all tiles are kept with that size, and later a stand-in of the
 * same size, which has no pixels, gives the chunks that the rows belong to: the tokens between them, and where
 * positions have two dimensions, those too. */
#include "generate/picture.h"

#include "base/mem.h"

#include <mtmd_pixels.h>

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Encoded: the picture's width and height, whether all of its pieces follow or only the overview, then the rows. */
enum { WIDTH = 0, HEIGHT, WHOLE, HEADER, MAX_SIDE = 1 << 20, LEAST_SIDE = 28, SHRINKS = 8 };

/* A picture as mtmd's chunks. pixels NULL: a stand-in of that size. */
static rap_status chunk(mtmd_input_chunks **out, const vlm *v, int width, int height,
                        const uint8_t *pixels, rap_err *err)
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
            status = err_set(err, RAP_E_MODEL, "%s: cannot take in a picture of %d × %d pixels",
                             v->mmproj_path, width, height);
    }
    if (bitmap)
        mtmd_bitmap_free(bitmap);
    if (status) {
        mtmd_input_chunks_free(*out);
        *out = NULL;
    }
    return status;
}

static bool is_image(const mtmd_input_chunk *c)
{
    return mtmd_input_chunk_get_type(c) == MTMD_INPUT_CHUNK_TYPE_IMAGE;
}

/* Tokens of the text chunks, of the image chunks, and of the largest image chunk; positions of the latter. */
typedef struct chunk_sizes {
    size_t text, image, largest, positions;
} chunk_sizes;

static chunk_sizes measure(const picture *p)
{
    chunk_sizes s = { 0, 0, 0, 0 };

    for (size_t i = p->first; i < mtmd_input_chunks_size(p->chunks); i++) {
        const mtmd_input_chunk *c = mtmd_input_chunks_get(p->chunks, i);
        size_t n = mtmd_input_chunk_get_n_tokens(c);

        if (!is_image(c)) {
            s.text += i == p->first ? n - p->skip : n;
            continue;
        }
        s.image += n;
        s.positions += (size_t)mtmd_input_chunk_get_n_pos(c);
        s.largest = n > s.largest ? n : s.largest;
    }
    return s;
}

static const llama_token *text_at(const mtmd_input_chunks *chunks, size_t i, size_t *count)
{
    const mtmd_input_chunk *c = mtmd_input_chunks_get(chunks, i);

    *count = 0;
    return is_image(c) ? NULL : mtmd_input_chunk_get_tokens_text(c, count);
}

/* Leaves of a tiled picture only the overview, where that comes last and one token stands at the start, before and after
 * it, as Idefics 3 and SmolVLM have it: <fake> <row_1_col_1> tile … <fake> <global> overview <fake>. False, and nothing
 * changes, where it does not. */
static bool keep_overview(picture *p)
{
    size_t count = mtmd_input_chunks_size(p->chunks), first_count, before_count, after_count;
    const llama_token *first, *before, *after;

    if (count < 5 || !is_image(mtmd_input_chunks_get(p->chunks, count - 2)))
        return false;
    first = text_at(p->chunks, 0, &first_count);
    before = text_at(p->chunks, count - 3, &before_count);
    after = text_at(p->chunks, count - 1, &after_count);
    if (!first || !before || !after || first[0] != after[0])
        return false;
    for (size_t i = before_count; i-- > 0;)
        if (before[i] == after[0]) {
            p->first = count - 3;
            p->skip = i;
            return true;
        }
    return false;
}

int vlm_largest_piece(const vlm *v)
{
    static const int sides[][2] = { { 8192, 8192 }, { 8192, 2048 }, { 2048, 8192 }, { 64, 64 } };
    size_t largest = 0;

    for (size_t i = 0; v->mtmd && i < sizeof sides / sizeof *sides; i++) {
        picture p = { .chunks = NULL };

        if (chunk(&p.chunks, v, sides[i][0], sides[i][1], NULL, NULL) == RAP_OK) {
            chunk_sizes s = measure(&p);

            largest = s.largest > largest ? s.largest : largest;
            picture_release(&p);
        }
    }
    return largest > INT_MAX ? INT_MAX : (int)largest;
}

/* ---- encoding ---- */

static rap_status need_vision(const vlm *v, rap_err *err)
{
    if (v->mtmd)
        return RAP_OK;
    return err_set(err, RAP_E_UNSUPPORTED, "%s: reads no pictures (no mmproj is given)",
                   v->model_path);
}

/* The tower and what mtmd prepared for its own must mean the same picture. */
static rap_status encode_by_tower(float *out, vlm *v, const mtmd_input_chunk *c, rap_err *err)
{
    int width = 0, height = 0;
    const float *pixels = rap_mtmd_pixels(c, 0, &width, &height);

    if (!pixels || width != tower_side(v->tower) || height != width ||
        mtmd_input_chunk_get_n_tokens(c) != (size_t)tower_rows(v->tower))
        return err_set(err, RAP_E_MODEL, "%s: a picture of %d × %d pixels does not fit its tower",
                       v->mmproj_path, width, height);
    return tower_encode(v->tower, pixels, out, err);
}

/* out [tokens, width]. mtmd keeps one picture's rows at a time. */
static rap_status encode_by_mtmd(float *out, vlm *v, const mtmd_input_chunk *c, rap_err *err)
{
    size_t floats = mtmd_input_chunk_get_n_tokens(c) * (size_t)v->width;
    bool encoded;

    pthread_mutex_lock(&v->lock);
    encoded = mtmd_encode_chunk(v->mtmd, c) == 0;
    if (encoded)
        memcpy(out, mtmd_get_output_embd(v->mtmd), floats * sizeof *out);
    pthread_mutex_unlock(&v->lock);
    return encoded ? RAP_OK
                   : err_set(err, RAP_E_MODEL, "%s: failed to encode a picture", v->mmproj_path);
}

/* A damaged projector is named here; later only the language model could be. */
static rap_status encode_piece(float *out, vlm *v, const mtmd_input_chunk *c, rap_err *err)
{
    size_t floats = mtmd_input_chunk_get_n_tokens(c) * (size_t)v->width;
    rap_status status = v->tower ? encode_by_tower(out, v, c, err) : encode_by_mtmd(out, v, c, err);

    for (size_t i = 0; !status && i < floats; i++)
        if (!isfinite(out[i]))
            status = err_set(err, RAP_E_MODEL,
                             "%s: gives numbers that are not finite for a picture: copy or "
                             "download it again",
                             v->mmproj_path);
    return status;
}

rap_status picture_encode(float **out, vlm *v, const mtmd_input_chunk *c, rap_err *err)
{
    size_t floats = 0;
    rap_status status;

    *out = NULL;
    if (mem_mul(&floats, mtmd_input_chunk_get_n_tokens(c), (size_t)v->width))
        *out = mem_array(floats, sizeof **out);
    if (!*out)
        return err_memory(err, "encoding a picture");
    status = encode_piece(*out, v, c, err);
    if (status) {
        free(*out);
        *out = NULL;
    }
    return status;
}

static rap_status encode_pieces(float *rows, vlm *v, const picture *p, rap_err *err)
{
    rap_status status = RAP_OK;

    for (size_t i = p->first; !status && i < mtmd_input_chunks_size(p->chunks); i++) {
        const mtmd_input_chunk *c = mtmd_input_chunks_get(p->chunks, i);

        if (!is_image(c))
            continue;
        status = encode_piece(rows, v, c, err);
        rows += mtmd_input_chunk_get_n_tokens(c) * (size_t)v->width;
    }
    return status;
}

static rap_status encode(float **out, size_t *out_floats, vlm *v, const image *im, bool whole,
                         rap_err *err)
{
    picture p = { .chunks = NULL };
    size_t floats = 0;
    rap_status status = chunk(&p.chunks, v, im->width, im->height, im->rgb, err);

    if (status)
        return status;
    whole = whole || !keep_overview(&p);
    if (mem_mul(&floats, measure(&p).image, (size_t)v->width) && mem_add(&floats, floats, HEADER))
        *out = mem_array(floats, sizeof **out);
    if (!*out) {
        picture_release(&p);
        return err_memory(err, "encoding a picture");
    }
    (*out)[WIDTH] = (float)im->width;
    (*out)[HEIGHT] = (float)im->height;
    (*out)[WHOLE] = whole;
    status = encode_pieces(*out + HEADER, v, &p, err);
    picture_release(&p);
    *out_floats = floats;
    if (status) {
        free(*out);
        *out = NULL;
        *out_floats = 0;
    }
    return status;
}

rap_status vlm_encode(vlm *v, const image *im, float **out, size_t *out_floats, rap_err *err)
{
    rap_status status = need_vision(v, err);

    *out = NULL;
    *out_floats = 0;
    return status ? status : encode(out, out_floats, v, im, true, err);
}

/* ---- concepts' pictures ---- */

/* Image tokens of a picture of this size, and whether its overview could stand for it. */
static rap_status count_tokens(size_t *out, bool *out_overview, const vlm *v, int width, int height,
                               rap_err *err)
{
    picture p = { .chunks = NULL };
    rap_status status = chunk(&p.chunks, v, width, height, NULL, err);

    if (status)
        return status;
    *out = measure(&p).image;
    *out_overview = keep_overview(&p);
    picture_release(&p);
    return RAP_OK;
}

/* The size at which a concept's picture is shown. */
typedef struct shown_size {
    int width, height;
    bool whole; /* false: of its tiles only the overview */
} shown_size;

/* Smaller and smaller, until it takes no more than `bound` tokens or takes no fewer any more. True: it fits. */
static rap_status shrink(bool *fits, bool *overview, shown_size *s, const vlm *v, size_t bound,
                         rap_err *err)
{
    size_t tokens = 0, before = 0;
    rap_status status = RAP_OK;

    for (int i = 0; i < SHRINKS; i++) {
        double by;

        status = count_tokens(&tokens, overview, v, s->width, s->height, err);
        if (status || tokens <= bound || tokens == before || s->width <= LEAST_SIDE ||
            s->height <= LEAST_SIDE)
            break;
        before = tokens;
        by = sqrt((double)bound / (double)tokens) * 0.98;
        s->width = (int)(s->width * by) > LEAST_SIDE ? (int)(s->width * by) : LEAST_SIDE;
        s->height = (int)(s->height * by) > LEAST_SIDE ? (int)(s->height * by) : LEAST_SIDE;
    }
    *fits = !status && tokens <= bound;
    return status;
}

/* Where tiles follow the picture's shape, as InternVL's do, a square takes one, which shows all of the picture: so is
 * the overview made that such a model sees beside its tiles. */
static rap_status try_squares(bool *fits, shown_size *s, const vlm *v, size_t bound, rap_err *err)
{
    static const int sides[] = { 448, 336, 224, 112, 56, 28 };
    rap_status status = RAP_OK;

    for (size_t i = 0; !status && !*fits && i < sizeof sides / sizeof *sides; i++) {
        size_t tokens = 0;
        bool overview;

        status = count_tokens(&tokens, &overview, v, sides[i], sides[i], err);
        *fits = !status && tokens <= bound;
        if (*fits)
            *s = (shown_size){ sides[i], sides[i], true };
    }
    return status;
}

/* Where nothing fits, the picture stays as it is. */
static rap_status choose_size(shown_size *out, const vlm *v, size_t bound, rap_err *err)
{
    shown_size s = *out;
    bool fits = false, overview = false;
    rap_status status = shrink(&fits, &overview, &s, v, bound, err);

    if (!status && !fits && overview) {
        out->whole = false;
        return RAP_OK;
    }
    if (!status && !fits)
        status = try_squares(&fits, &s, v, bound, err);
    if (!status && fits)
        *out = s;
    return status;
}

rap_status vlm_encode_concept(vlm *v, const image *im, float **out, size_t *out_floats,
                              rap_err *err)
{
    shown_size s = { im->width, im->height, true };
    image small = { 0 };
    rap_status status = need_vision(v, err);

    *out = NULL;
    *out_floats = 0;
    if (!status && v->concept_tokens > 0)
        status = choose_size(&s, v, (size_t)v->concept_tokens, err);
    if (!status && (s.width != im->width || s.height != im->height))
        status = image_resize(&small, im, s.width, s.height, IMAGE_BICUBIC, err);
    if (!status)
        status = encode(out, out_floats, v, small.rgb ? &small : im, s.whole, err);
    image_release(&small);
    return status;
}

/* ---- a prompt's picture ---- */

static bool is_side(float value)
{
    return value >= 1 && value <= MAX_SIDE && value == (float)(int)value;
}

static rap_status init_rows(picture *out, const vlm *v, const session_picture *source, rap_err *err)
{
    const float *head = source->tokens;
    rap_status status;

    if (source->floats <= HEADER || !is_side(head[WIDTH]) || !is_side(head[HEIGHT]))
        return err_set(err, RAP_E_ARGUMENT, "stored picture tokens are damaged");
    status = chunk(&out->chunks, v, (int)head[WIDTH], (int)head[HEIGHT], NULL, err);
    if (status)
        return status;
    if ((head[WHOLE] != 1 && !keep_overview(out)) ||
        measure(out).image * (size_t)v->width != source->floats - HEADER)
        return err_set(err, RAP_E_ARGUMENT,
                       "stored picture tokens of %zu floats do not fit this model", source->floats);
    out->rows = source->tokens + HEADER;
    out->row_floats = source->floats - HEADER;
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
        status = init_rows(out, v, source, err);
    else if (im)
        status = chunk(&out->chunks, v, im->width, im->height, im->rgb, err);
    else
        status = err_set(err, RAP_E_ARGUMENT, "a picture without pixels and tokens");
    if (status) {
        picture_release(out);
        return status;
    }
    chunk_sizes s = measure(out);

    out->cells = s.text + s.image < INT_MAX ? (int)(s.text + s.image) : INT_MAX;
    out->positions = s.text + s.positions < INT_MAX ? (int)(s.text + s.positions) : INT_MAX;
    return RAP_OK;
}

bool vlm_fits_tokens(vlm *v, const float *tokens, size_t floats)
{
    const session_picture source = { .tokens = tokens, .floats = floats };
    picture p;
    bool fits = tokens && picture_init(&p, v, &source, NULL) == RAP_OK;

    if (fits)
        picture_release(&p);
    return fits;
}

void picture_release(picture *p)
{
    if (p->chunks)
        mtmd_input_chunks_free(p->chunks);
    *p = (picture){ .chunks = NULL };
}

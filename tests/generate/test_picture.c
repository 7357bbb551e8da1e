/* test_picture.c: a picture's tokens stand in the order of its patches, each with its own position.
 *
 * A CLIP tower is written whose blocks do nothing, so that a token shows which patch and which position
 * it came from: S = 16 pixels, P = 8 a patch, T = 5 positions (the class token's first), D = 16. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/mem.h"
#include "fixture.h"
#include "formats/gguf_file.h"
#include "generate/check/check.h"

#include <math.h>

enum {
    S = 16,
    P = 8,
    PATCHES = 4,
    T = 5,
    D = 16,
    BLOCKS = 2,
    CHANNELS = 3,
    POSITION = 4,
    HEADER = 3
};
enum { LAST_BLOCK = POSITION + T }; /* the dimension that the last block adds to */

typedef enum tower_kind { NAMED = 0, UNNAMED, SHORT, DAMAGED } tower_kind;

/* A tensor of zeros, except `value` at each of the `count` places. */
static void put(gguf_writer *w, const char *name, int dims, const int64_t *ne, const size_t *places,
                size_t count, float value)
{
    size_t size = 1;
    float *data;

    for (int i = 0; i < dims; i++)
        size *= (size_t)ne[i];
    data = mem_array(size, sizeof *data);
    assert_non_null(data);
    memset(data, 0, size * sizeof *data);
    for (size_t i = 0; i < count; i++)
        data[places[i]] = value;
    gguf_put_tensor(w, name, GGUF_F32, dims, ne, data);
    free(data);
}

/* The last block adds to one dimension of every token, the others do nothing. */
static void put_block(gguf_writer *w, int block)
{
    const size_t mark[] = { LAST_BLOCK };
    static const char *const part[] = { "attn_q", "attn_k", "attn_v", "attn_out",
                                        "ln1",    "ln2",    "ffn_up", "ffn_down" };

    for (size_t i = 0; i < sizeof part / sizeof *part; i++) {
        char name[64];
        int dims = strncmp(part[i], "ln", 2) == 0 ? 1 : 2;

        snprintf(name, sizeof name, "v.blk.%d.%s.weight", block, part[i]);
        put(w, name, dims, (int64_t[]){ D, D }, NULL, 0, 0);
        snprintf(name, sizeof name, "v.blk.%d.%s.bias", block, part[i]);
        put(w, name, 1, (int64_t[]){ D }, mark, block == BLOCKS - 1 && i == 3, 9);
    }
}

/* Channel c of a patch is summed into dimension c; position t marks dimension POSITION + t. */
static void put_embeddings(gguf_writer *w)
{
    size_t conv[CHANNELS * P * P], ones[D], marks[T];

    for (size_t c = 0; c < CHANNELS; c++)
        for (size_t i = 0; i < P * P; i++)
            conv[c * P * P + i] = (c * CHANNELS + c) * P * P + i;
    for (size_t t = 0; t < T; t++)
        marks[t] = t * D + POSITION + t;
    for (size_t i = 0; i < D; i++)
        ones[i] = i;
    put(w, "v.patch_embd.weight", 4, (int64_t[]){ P, P, CHANNELS, D }, conv, CHANNELS * P * P,
        1.0f / (P * P));
    put(w, "v.class_embd", 1, (int64_t[]){ D }, (size_t[]){ D - 1 }, 1, 4.0f);
    put(w, "v.position_embd.weight", 2, (int64_t[]){ D, T }, marks, T, 1.0f);
    put(w, "v.pre_ln.weight", 1, (int64_t[]){ D }, ones, D, 1.0f);
    put(w, "v.pre_ln.bias", 1, (int64_t[]){ D }, NULL, 0, 0);
}

/* The projector hands dimension d of the tower on as dimension d of the token (GELU of it). */
static void put_projector(gguf_writer *w, int64_t width, tower_kind kind)
{
    size_t diagonal[D];

    for (size_t i = 0; i < D; i++)
        diagonal[i] = i * D + i;
    put(w, "mm.0.weight", 2, (int64_t[]){ D, D }, diagonal, D, 1.0f);
    put(w, "mm.0.bias", 1, (int64_t[]){ D }, NULL, 0, 0);
    put(w, "mm.2.weight", 2, (int64_t[]){ D, width }, diagonal, D, 1.0f);
    put(w, "mm.2.bias", 1, &width, (size_t[]){ 0 }, 1, kind == DAMAGED ? NAN : 0);
}

/* The list's numbers become signed, as llama.cpp wants them. */
static void sign_list(const char *path, const char *key)
{
    enum { LIST = 9, UNSIGNED = 4, SIGNED = 5 };
    char *bytes = NULL, *kind;
    size_t size = 0;

    assert_int_equal(file_read(&bytes, &size, path, 1 << 26, NULL), RAP_OK);
    kind = memmem(bytes, size, key, strlen(key));
    assert_non_null(kind);
    kind += strlen(key);
    assert_int_equal(kind[0], LIST);
    assert_int_equal(kind[4], UNSIGNED);
    kind[4] = SIGNED;
    assert_int_equal(file_write(path, bytes, size, NULL), RAP_OK);
    free(bytes);
}

/* UNNAMED: of 2023, its kind is not said. SHORT: it says that the last block's output is not used. DAMAGED:
 * a weight is not a number. */
static void write_tower(const char *path, int width, tower_kind kind)
{
    static const float mean[] = { 0, 0, 0 }, deviation[] = { 1, 1, 1 };
    gguf_writer *w = gguf_writer_new("clip");

    assert_non_null(w);
    gguf_put_bool(w, "clip.has_vision_encoder", true);
    gguf_put_bool(w, "clip.has_text_encoder", false);
    gguf_put_bool(w, "clip.has_llava_projector", true);
    if (kind != UNNAMED)
        gguf_put_string(w, "clip.projector_type", "mlp", 3);
    if (kind == SHORT)
        gguf_put_ints(w, "clip.vision.feature_layer", (uint32_t[]){ BLOCKS - 1 }, 1);
    gguf_put_int(w, "clip.vision.image_size", S);
    gguf_put_int(w, "clip.vision.patch_size", P);
    gguf_put_int(w, "clip.vision.embedding_length", D);
    gguf_put_int(w, "clip.vision.feed_forward_length", D);
    gguf_put_int(w, "clip.vision.projection_dim", (uint32_t)width);
    gguf_put_int(w, "clip.vision.attention.head_count", 1);
    gguf_put_float(w, "clip.vision.attention.layer_norm_epsilon", 1e-5f);
    gguf_put_int(w, "clip.vision.block_count", BLOCKS);
    gguf_put_floats(w, "clip.vision.image_mean", mean, 3);
    gguf_put_floats(w, "clip.vision.image_std", deviation, 3);
    gguf_put_bool(w, "clip.use_gelu", false);
    put_embeddings(w);
    for (int i = 0; i < BLOCKS; i++)
        put_block(w, i);
    put_projector(w, width, kind);
    assert_int_equal(gguf_writer_save(w, path, NULL), RAP_OK);
    gguf_writer_free(w);
    if (kind == SHORT)
        sign_list(path, "clip.vision.feature_layer");
}

static int highest(const float *token, int from, int count)
{
    int best = from;

    for (int d = from; d < from + count; d++)
        if (token[d] > token[best])
            best = d;
    return best - from;
}

/* Encodes red, green, blue and black patches. */
static void look_through(tower_kind kind, const pair *tiny)
{
    char path[] = "/tmp/rap-tower-XXXXXX";
    image im = make_picture(S, S, 0);
    size_t floats = 0;
    float *out = NULL, *row;
    rap_err err = { 0 };
    check_facts facts;
    pair p = *tiny;
    size_t width;
    vlm *v;

    assert_int_equal(check_model(&facts, p.model, NULL), RAP_OK);
    width = (size_t)facts.width;
    close(mkstemp(path));
    write_tower(path, (int)width, kind);
    snprintf(p.mmproj, sizeof p.mmproj, "%s", path);
    for (int i = 0; i < S * S; i++)
        for (int c = 0; c < CHANNELS; c++)
            im.rgb[i * CHANNELS + c] = (i / S / P * 2 + i % S / P) == c ? 255 : 0;
    v = open_pair(&p, 256);
    if (vlm_encode(v, &im, &out, &floats, &err))
        fail_msg("%s", err.text);
    assert_int_equal(floats, HEADER + PATCHES * width);
    for (int i = 0; i < PATCHES; i++) {
        row = out + HEADER + (size_t)i * width;
        if (i < CHANNELS)
            assert_int_equal(highest(row, 0, CHANNELS), i);
        assert_int_equal(highest(row, POSITION, T), i + 1);
        assert_int_equal(row[LAST_BLOCK] > 8, kind != SHORT);
    }
    free(out);
    free(im.rgb);
    vlm_close(v);
    unlink(path);
}

static void tokens_follow_the_patches(void **state)
{
    pair p;

    if (find_pair(&p, "tiny"))
        look_through(NAMED, &p);
}

static void the_last_block_runs_unless_the_file_says_otherwise(void **state)
{
    pair p;

    if (find_pair(&p, "tiny"))
        look_through(SHORT, &p);
}

static void a_projector_that_names_no_kind_is_llavas(void **state)
{
    pair p;

    if (find_pair(&p, "tiny"))
        look_through(UNNAMED, &p);
}

static void numbers_that_are_none_are_the_projectors(void **state)
{
    char path[] = "/tmp/rap-tower-XXXXXX";
    image im = make_picture(S, S, 0);
    check_facts facts;
    rap_err err = { 0 };
    float *out = NULL;
    size_t floats = 0;
    pair p;
    vlm *v;

    if (!find_pair(&p, "tiny"))
        skip();
    assert_int_equal(check_model(&facts, p.model, NULL), RAP_OK);
    close(mkstemp(path));
    write_tower(path, (int)facts.width, DAMAGED);
    snprintf(p.mmproj, sizeof p.mmproj, "%s", path);
    v = open_pair(&p, 256);
    assert_int_equal(vlm_encode(v, &im, &out, &floats, &err), RAP_E_MODEL);
    assert_non_null(strstr(err.text, path));
    assert_null(out);
    free(im.rgb);
    vlm_close(v);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens_follow_the_patches),
        cmocka_unit_test(the_last_block_runs_unless_the_file_says_otherwise),
        cmocka_unit_test(a_projector_that_names_no_kind_is_llavas),
        cmocka_unit_test(numbers_that_are_none_are_the_projectors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_encoder.c: the whole way of small checkpoints made here: converted, opened, compared with what
 * PyTorch makes of the same weights (make_reference.py prints the numbers). Then damaged model files. */
#include "convert/made_models.h"
#include "formats/gguf_file.h"
#include "vision/fixture.h"

static char work[64], checkpoint[128], model[128], vocab[128];

static const float vit_feature[] = {
    -0.048920f, 0.646119f, -0.494593f, 1.032482f,  0.053280f,  -0.545145f, -0.320969f, 0.170822f,
    0.174125f,  0.242211f, -0.951051f, -0.532155f, -0.245654f, 0.285816f,  -0.115774f, -0.571109f,
    0.279825f,  0.161234f, 0.107631f,  0.019240f,  0.208058f,  -0.339405f, 0.044887f,  -0.033070f,
    0.052793f,  0.170669f, -0.291919f, -0.167058f, -0.492360f, -0.234566f, -0.629342f, 0.181735f,
    -0.223461f, 0.223122f, -0.076969f, 1.988473f,  0.066226f,  -0.207003f, 0.175423f,  0.136764f,
    -0.517679f, 0.830632f, 0.502189f,  -0.460949f, -0.404233f, -0.054237f, -0.120912f, 0.028284f,
    0.235465f,  0.288887f, -0.588604f, -0.422822f, 0.666079f,  -0.082725f, 0.031042f,  0.407963f,
    -0.010582f, 0.282216f, 0.592157f,  -0.080738f, 0.232276f,  0.181861f,  -0.079317f, -0.104117f
};
static const float clip_picture[] = {
    -1.115557f, 2.553033f,  0.763281f,  0.123997f,  -1.362277f, -0.246317f, 0.208620f,  -0.965817f,
    1.131820f,  -0.711618f, 0.854084f,  -0.624982f, 0.538595f,  0.383304f,  -0.890302f, -2.003527f,
    -0.885271f, 1.133855f,  1.568251f,  0.921072f,  -0.891888f, -0.764637f, -0.555485f, -0.965718f,
    -0.931201f, -1.039750f, -0.318605f, -1.323798f, -0.573135f, 0.418572f,  -0.608148f, -0.191816f
};
static const float clip_text[] = {
    -1.357934f, 0.088801f,  -0.303943f, -0.083197f, -0.467406f, -1.282027f, 1.731122f,  -0.393421f,
    -0.330634f, 0.446299f,  0.614544f,  0.960479f,  -0.217443f, 0.158174f,  0.471272f,  -1.699764f,
    -0.872872f, 0.675003f,  -0.852735f, -0.129318f, 1.166278f,  1.216129f,  -1.455429f, 1.477560f,
    0.798629f,  -0.019311f, 0.001670f,  0.153438f,  -0.749227f, -0.543289f, -1.102194f, -1.422626f
};

static int set_up(void **state)
{
    static const char merges[] = "#v\nt h\nth e</w>\na b\n";
    snprintf(work, sizeof work, "/tmp/rap-encoder-XXXXXX");
    if (!mkdtemp(work))
        return 1;
    snprintf(checkpoint, sizeof checkpoint, "%s/made.pt", work);
    snprintf(model, sizeof model, "%s/made.gguf", work);
    snprintf(vocab, sizeof vocab, "%s/vocab.txt", work);
    return file_write(vocab, merges, sizeof merges - 1, NULL) == RAP_OK ? 0 : 1;
}

static int tear_down(void **state)
{
    unlink(checkpoint);
    unlink(model);
    unlink(vocab);
    return rmdir(work);
}

static encoder *made_encoder(bool clip, precision p)
{
    made_model m;
    rap_err err = { 0 };
    if (clip)
        make_clip(&m, true);
    else
        make_vit(&m);
    save_model(checkpoint, &m, 0);
    if (convert_file(checkpoint, model, &(convert_options){ .vocab = clip ? vocab : NULL }, &err) !=
        RAP_OK)
        fail_msg("%s", err.text);
    return fixture_encoder(model, p);
}

static image made_picture(void)
{
    image im;
    assert_int_equal(image_new(&im, 40, 30, NULL), RAP_OK);
    for (int y = 0; y < 30; y++)
        for (int x = 0; x < 40; x++) {
            uint8_t *p = im.rgb + 3 * (40 * y + x);
            p[0] = (uint8_t)(x * 6);
            p[1] = (uint8_t)(y * 8);
            p[2] = (uint8_t)(x * y);
        }
    return im;
}

static void same(const float *got, const float *want, int dim, precision p)
{
    double error = relative_error(got, want, dim);
    printf("relative error %.2e\n", error);
    if (p == PRECISION_F32)
        assert_true(error <= 1e-4);
    else
        assert_true(cosine(got, want, dim) >= (p == PRECISION_INT8 ? 0.99 : 0.999));
}

static void vit(void **state)
{
    for (precision p = PRECISION_F32; p <= PRECISION_INT8; p++) {
        float got[64];
        image im = made_picture();
        encoder *e = made_encoder(false, p);
        assert_int_equal(encoder_dim(e), 64);
        assert_int_equal(encoder_images(e, &im, 1, got, NULL), RAP_OK);
        same(got, vit_feature, 64, p);
        encoder_close(e);
        image_release(&im);
    }
}

static void clip(void **state)
{
    for (precision p = PRECISION_F32; p <= PRECISION_INT8; p++) {
        float got[32];
        const char *text = " The B";
        int32_t *ids;
        int count;
        image im = made_picture();
        encoder *e = made_encoder(true, p);
        assert_int_equal(encoder_dim(e), 32);
        assert_int_equal(encoder_images(e, &im, 1, got, NULL), RAP_OK);
        same(got, clip_picture, 32, p);
        assert_int_equal(encoder_texts(e, &text, 1, got, NULL), RAP_OK);
        same(got, clip_text, 32, p);
        assert_int_equal(encoder_tokens(e, text, &ids, &count, NULL), RAP_OK);
        assert_int_equal(count, 16);
        assert_int_equal(ids[0], 515);
        assert_int_equal(ids[1], 513);
        assert_int_equal(ids[3], 516);
        assert_int_equal(ids[4], 0);
        free(ids);
        encoder_close(e);
        image_release(&im);
    }
}

/* The same file gives the same fingerprint, another one another, and 8 bits another. */
static void fingerprints(void **state)
{
    char first[64];
    encoder *e = made_encoder(true, PRECISION_F32);
    snprintf(first, sizeof first, "%s", encoder_fingerprint(e));
    encoder_close(e);
    e = made_encoder(true, PRECISION_F32);
    assert_string_equal(encoder_fingerprint(e), first);
    encoder_close(e);
    e = made_encoder(true, PRECISION_INT8); /* its features are others */
    assert_string_not_equal(encoder_fingerprint(e), first);
    encoder_close(e);
    e = made_encoder(false, PRECISION_F32);
    assert_string_not_equal(encoder_fingerprint(e), first);
    encoder_close(e);
}

/* Fails when opened, or at the first text. */
static void fails(const char *reason)
{
    encoder *e = (encoder *)work;
    rap_err err = { 0 };
    float feature[32];
    const char *text = "the b";
    if (encoder_open(&e, model, 1, PRECISION_F32, &err) == RAP_OK) {
        assert_int_not_equal(encoder_texts(e, &text, 1, feature, &err), RAP_OK);
        encoder_close(e);
        e = NULL;
    }
    assert_null(e);
    if (!strstr(err.text, reason) || !strstr(err.text, model))
        fail_msg("'%s' does not say '%s'", err.text, reason);
}

static void other_models(void **state)
{
    rap_err err = { 0 };
    float one = 1;
    unlink(model);
    fails("");
    gguf_writer *w = gguf_writer_new("llama");
    gguf_put_tensor(w, "t", GGUF_F32, 1, (int64_t[]){ 1 }, &one);
    assert_int_equal(gguf_writer_save(w, model, &err), RAP_OK);
    gguf_writer_free(w);
    fails("architecture is 'llama'");
    w = gguf_writer_new("vit");
    assert_int_equal(gguf_writer_save(w, model, &err), RAP_OK);
    gguf_writer_free(w);
    fails("vit.vision.");
}

/* Changes the value of a u32 key in the saved file. */
static void set_key(const char *key, uint32_t value)
{
    char *bytes;
    size_t size;
    assert_int_equal(file_read(&bytes, &size, model, 1 << 24, NULL), RAP_OK);
    char *at = memmem(bytes, size, key, strlen(key));
    assert_non_null(at);
    memcpy(at + strlen(key) + 4, &value, 4);
    assert_int_equal(file_write(model, bytes, size, NULL), RAP_OK);
    free(bytes);
}

static void absurd_keys(void **state)
{
    static const struct {
        const char *key;
        uint32_t value;
        const char *reason;
    } lies[] = {
        { "clip.vision.block_count", 0, "block_count" },
        { "clip.vision.block_count", UINT32_MAX, "block_count" },
        { "clip.vision.block_count", 2, "v.blk.1." },
        { "clip.vision.embedding_length", 0, "embedding_length" },
        { "clip.vision.embedding_length", 128, "v.patch_embd" },
        { "clip.vision.attention.head_count", 0, "head_count" },
        { "clip.vision.attention.head_count", 3, "3 heads" },
        { "clip.vision.feed_forward_length", 64, "v.blk.0.ffn_up" },
        { "clip.vision.patch_size", 0, "patch_size" },
        { "clip.vision.patch_size", 1, "made.gguf" },
        { "clip.vision.patch_size", 5, "patches of 5" },
        { "clip.vision.image_size", 0, "image_size" },
        { "clip.vision.image_size", 24, "" },
        { "clip.vision.image_size", 1 << 30, "image_size" },
        { "clip.vision.resize_size", 1 << 30, "resize_size" },
        { "clip.projection_dim", 31, "" },
        { "clip.text.context_length", 1 << 20, "context_length" },
        { "clip.text.context_length", 17, "t.position_embd" },
        { "clip.text.embedding_length", 32, "t.token_embd" },
        { "clip.text.block_count", 2, "t.blk.1." },
    };
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        encoder_close(made_encoder(true, PRECISION_F32));
        set_key(lies[i].key, lies[i].value);
        fails(lies[i].reason);
    }
}

/* Whatever opens can be used. */
static void mutations(void **state)
{
    char *bytes;
    size_t size;
    uint64_t seed = 3;
    int opened = 0, rounds = 400;
    image im = made_picture();
    encoder_close(made_encoder(true, PRECISION_F32));
    assert_int_equal(file_read(&bytes, &size, model, 1 << 24, NULL), RAP_OK);
    for (int round = 0; round < rounds; round++) {
        uint8_t *copy = malloc(size);
        encoder *e;
        float feature[1 << 15];
        const char *text = "the b";
        memcpy(copy, bytes, size);
        for (int i = 0; i < 1 + round % 3; i++) /* the keys and tensor table come first */
            copy[next_random(&seed) % 4096] = (uint8_t)(round % 2 ? next_random(&seed) : 0);
        assert_int_equal(file_write(model, copy, size, NULL), RAP_OK);
        if (encoder_open(&e, model, 1, PRECISION_F32, NULL) == RAP_OK) {
            encoder_images(e, &im, 1, feature, NULL);
            if (encoder_has_text(e))
                encoder_texts(e, &text, 1, feature, NULL);
            encoder_close(e);
            opened++;
        }
        free(copy);
    }
    printf("%d of %d mutations opened\n", opened, rounds);
    free(bytes);
    image_release(&im);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vit),          cmocka_unit_test(clip),
        cmocka_unit_test(fingerprints), cmocka_unit_test(other_models),
        cmocka_unit_test(absurd_keys),  cmocka_unit_test(mutations),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

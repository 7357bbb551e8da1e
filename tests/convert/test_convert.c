/* test_convert.c: whole checkpoints, made by hand, become GGUF or are refused with the reason. */
#include "convert/convert.h"
#include "convert/made_models.h"
#include "formats/gguf_file.h"

#include <unistd.h>

static char work[64], in[128], out[128], vocab[128], config[128];

static int set_up(void **state)
{
    snprintf(work, sizeof work, "/tmp/rap-convert-XXXXXX");
    if (!mkdtemp(work))
        return 1;
    snprintf(in, sizeof in, "%s/net_a.pt", work);
    snprintf(out, sizeof out, "%s/out.gguf", work);
    snprintf(config, sizeof config, "%s/config.json", work);
    snprintf(vocab, sizeof vocab, "%s/vocab.txt", work);
    return 0;
}

static int tear_down(void **state)
{
    unlink(in);
    unlink(out);
    unlink(vocab);
    unlink(config);
    return rmdir(work);
}

static void save_vocab(const char *text)
{
    FILE *f = fopen(vocab, "wb");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

/* ---- tests -------------------------------------------------------------------------------- */

static void fails(const char *merges, const char *file, const char *reason)
{
    rap_err err = { 0 };
    unlink(out);
    assert_int_not_equal(convert_file(in, out, &(convert_options){ .vocab = merges }, &err),
                         RAP_OK);
    if (!strstr(err.text, reason) || !strstr(err.text, file))
        fail_msg("'%s' does not say '%s' and '%s'", err.text, file, reason);
    assert_int_not_equal(access(out, F_OK), 0); /* nothing is left behind */
}

static gguf_file *converted(const char *merges)
{
    gguf_file *g = NULL;
    rap_err err = { 0 };
    if (convert_file(in, out, &(convert_options){ .vocab = merges }, &err) != RAP_OK ||
        gguf_file_open(&g, out, &err) != RAP_OK)
        fail_msg("%s", err.text);
    return g;
}

static int64_t get(const gguf_file *g, const char *key)
{
    int64_t value = -1;
    rap_err err = { 0 };
    if (gguf_get_int(g, key, &value, &err) != RAP_OK)
        fail_msg("%s", err.text);
    return value;
}

static void converts_vit(void **state)
{
    made_model m;
    make_vit(&m);
    save_model(in, &m, 0);
    gguf_file *g = converted(NULL);
    assert_string_equal(gguf_file_architecture(g), "vit");
    assert_int_equal(get(g, "vit.vision.image_size"), 8);
    assert_int_equal(get(g, "vit.vision.patch_size"), 4);
    assert_int_equal(get(g, "vit.vision.embedding_length"), 64);
    assert_int_equal(get(g, "vit.vision.feed_forward_length"), 128);
    assert_int_equal(get(g, "vit.vision.block_count"), 1);
    assert_int_equal(get(g, "vit.vision.attention.head_count"), 1);
    const gguf_tensor *t = gguf_find(g, "v.blk.0.ffn_down.weight");
    assert_non_null(t);
    assert_int_equal(t->type, GGUF_F16);
    assert_int_equal(t->ne[0], 128);
    assert_int_equal(t->ne[1], 64);
    assert_null(gguf_find(g, "head.weight"));
    const gguf_tensor *token = gguf_find(g, "v.class_embd"); /* first in the storage */
    assert_int_equal(token->dims, 1);
    assert_int_equal(((const uint16_t *)token->data)[63], made_half(63));
    gguf_file_close(g);
}

/* A tensor stored column by column comes out row by row. */
static void transposed_tensors(void **state)
{
    made_model m;
    make_vit(&m);
    made_tensor *t = &m.tensor[0];
    while (strcmp(t->name, "blocks.0.mlp.fc1.weight"))
        t++;
    t->stride[0] = 1;
    t->stride[1] = 128;
    save_model(in, &m, 0);
    gguf_file *g = converted(NULL);
    const uint16_t *got = gguf_find(g, "v.blk.0.ffn_up.weight")->data;
    for (int64_t row = 0; row < 128; row++)
        for (int64_t column = 0; column < 64; column++)
            assert_int_equal(got[row * 64 + column], made_half(t->offset + row + column * 128));
    gguf_file_close(g);
}

static void converts_clip(void **state)
{
    made_model m;
    size_t count, len;
    const char *merge;
    make_clip(&m, true);
    save_model(in, &m, 0);
    save_vocab("#version\nt h\nth e</w>\na b\nx y\n");
    gguf_file *g = converted(vocab);
    assert_string_equal(gguf_file_architecture(g), "clip");
    assert_int_equal(get(g, "clip.text.context_length"), 16);
    assert_int_equal(get(g, "clip.projection_dim"), 32);
    assert_int_equal(get(g, "clip.vision.image_size"), 16);
    assert_int_equal(gguf_array_count(g, "tokenizer.merges", &count, NULL), RAP_OK);
    assert_int_equal(count, 3);
    assert_int_equal(gguf_array_string(g, "tokenizer.merges", 1, &merge, &len, NULL), RAP_OK);
    assert_int_equal(len, 8);
    assert_memory_equal(merge, "th e</w>", 8);
    gguf_file_close(g);
}

static void clip_without_text_needs_no_vocab(void **state)
{
    made_model m;
    bool text = true;
    make_clip(&m, false);
    save_model(in, &m, 0);
    gguf_file *g = converted(NULL);
    assert_int_equal(gguf_get_bool(g, "clip.has_text_encoder", &text, NULL), RAP_OK);
    assert_false(text);
    gguf_file_close(g);
}

static void vocab_errors(void **state)
{
    made_model m;
    make_clip(&m, true);
    save_model(in, &m, 0);
    fails(NULL, "net_a.pt", "pass --vocab");
    unlink(vocab);
    fails(vocab, "vocab.txt", "");
    save_vocab("#version\nt h\nth e\n");
    fails(vocab, "vocab.txt", "has 2 merges, the checkpoint needs 3");
    save_vocab("#version\nt h\nthe\na b\n");
    fails(vocab, "vocab.txt", "line 3 is not a merge");
    save_vocab("");
    fails(vocab, "vocab.txt", "not a BPE vocabulary");
    save_vocab("\x1f\x8b\x08 not really gzip");
    fails(vocab, "vocab.txt", "gzip");
}

static void shape_errors(void **state)
{
    made_model m;
    make_vit(&m);
    add(&m, "blocks.0.ls1.gamma", 1, 64, 0, 0, 0); /* one scale where all have two */
    save_model(in, &m, 0);
    fails(NULL, "net_a.pt", "has no tensor 'blocks.0.ls2.gamma'");
    make_vit(&m);
    add(&m, "blocks.0.attn.q_norm.weight", 1, 64, 0, 0, 0);
    save_model(in, &m, 0);
    fails(NULL, "net_a.pt", "'blocks.0.attn.q_norm.weight'");
    make_vit(&m);
    m.tensor[5].size[0] = 32;
    save_model(in, &m, 0);
    fails(NULL, "net_a.pt", "unexpected shape");
    make_vit(&m);
    m.tensor[1].size[1] = 3; /* neither three nor two patches are a square */
    save_model(in, &m, 0);
    fails(NULL, "net_a.pt", "square of patches");
    make_vit(&m);
    m.tensor[m.count - 4].name = "other.weight"; /* the last norm */
    save_model(in, &m, 0);
    fails(NULL, "net_a.pt", "has no tensor 'norm.weight'");
    make_vit(&m);
    m.tensor[4].name = "other";
    save_model(in, &m, 0);
    fails(NULL, "net_a.pt", "has no tensor 'blocks.0.norm1.weight'");
    make_vit(&m);
    m.count = 1;
    save_model(in, &m, 0);
    fails(NULL, "net_a.pt", "not a kind of model");
}

/* timm's ViT says itself what it is; a backbone alone may be DINO's or MAE's. */
static void vit_needs_its_config(void **state)
{
    made_model m;
    double mean;
    FILE *f;
    make_vit(&m);
    m.count -= 2; /* the classifier */
    save_model(in, &m, 0);
    fails(NULL, "net_a.pt", "needs timm's config.json");
    f = fopen(config, "wb");
    fputs("{\"a\":1}", f); /* someone else's */
    fclose(f);
    fails(NULL, "net_a.pt", "needs timm's config.json");
    f = fopen(config, "wb");
    fputs("{\"architecture\":\"vit\",\"pretrained_cfg\":{\"mean\":[0.25,0.5,0.5],"
          "\"input_size\":[3,8,8]}}",
          f);
    fclose(f);
    gguf_file *g = converted(NULL);
    assert_int_equal(gguf_array_float(g, "vit.vision.image_mean", 0, &mean, NULL), RAP_OK);
    assert_float_equal(mean, 0.25, 1e-6);
    gguf_file_close(g);
    unlink(config);
}

static void short_storage(void **state)
{
    made_model m;
    make_vit(&m);
    save_model(in, &m, 2);
    fails(NULL, "net_a.pt", "storage '0' holds");
}

static void refuses_code(void **state)
{
    static const char marker[] = "/tmp/rap-convert-was-run";
    buf pickle = BUF_INIT;
    unlink(marker);
    pickle_start(&pickle);
    pickle_global_name(&pickle, "os", "system");
    buf_putc(&pickle, '(');
    pickle_text(&pickle, "touch /tmp/rap-convert-was-run");
    buf_puts(&pickle, "tR.");
    save_pickle(in, &pickle, "", 0);
    buf_release(&pickle);
    fails(NULL, "net_a.pt", "refuses to load 'os.system', which runs code");
    assert_int_not_equal(access(marker, F_OK), 0);
}

static void other_files(void **state)
{
    FILE *f = fopen(in, "wb");
    fputs("garbage", f);
    fclose(f);
    fails(NULL, "net_a.pt", "not a torch.save or safetensors checkpoint, it is a plain text");
    unlink(in);
    fails(NULL, "net_a.pt", "");
    rap_err err = { 0 };
    assert_int_not_equal(convert_file(work, out, &(convert_options){ 0 }, &err), RAP_OK);
    buf pickle = BUF_INIT;
    pickle_start(&pickle);
    buf_puts(&pickle, "}.");
    save_pickle(in, &pickle, "", 0);
    buf_release(&pickle);
    fails(NULL, "net_a.pt", "no state dict");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(converts_vit),  cmocka_unit_test(transposed_tensors),
        cmocka_unit_test(converts_clip), cmocka_unit_test(clip_without_text_needs_no_vocab),
        cmocka_unit_test(vocab_errors),  cmocka_unit_test(shape_errors),
        cmocka_unit_test(short_storage), cmocka_unit_test(refuses_code),
        cmocka_unit_test(other_files),   cmocka_unit_test(vit_needs_its_config),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

/* test_map_clip_config.c: one CLIP with OpenAI's names, in files of each kind: OpenAI's own, open_clip's
 * and Hugging Face's. What the tensors cannot tell comes from the file beside them, or is refused. */
#include "convert/convert.h"
#include "convert/made_models.h"
#include "convert/made_safetensors.h"
#include "convert/work_folder.h"
#include "formats/gguf_file.h"

#include <unistd.h>

static char out[128], vocab[128];
static const char *const files[] = {
    "net.pt",    "net.bin",  "open_clip_config.json",   "config.json",
    "vocab.txt", "out.gguf", "preprocessor_config.json"
};

static int empty(void **state)
{
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        unlink(in(files[i]));
    save_text(vocab, "#version\nt h\nth e</w>\na b\n");
    return 0;
}

static int set_up(void **state)
{
    snprintf(work, sizeof work, "/tmp/rap-open-clip-XXXXXX");
    if (!mkdtemp(work))
        return 1;
    snprintf(out, sizeof out, "%s/out.gguf", work);
    snprintf(vocab, sizeof vocab, "%s/vocab.txt", work);
    return 0;
}

static int tear_down(void **state)
{
    empty(state);
    unlink(vocab);
    return rmdir(work);
}

/* Both towers; without the numbers that OpenAI's files carry along unless `own`. */
static void save_clip(const char *name, bool own)
{
    made_model m;
    make_clip(&m, true);
    m.count -= !own;
    save_model(in(name), &m, 0);
}

static gguf_file *converted(const char *name)
{
    gguf_file *g = NULL;
    rap_err err = { 0 };
    if (convert_file(in(name), out, &(convert_options){ .vocab = vocab }, &err) != RAP_OK ||
        gguf_file_open(&g, out, &err) != RAP_OK)
        fail_msg("%s", err.text);
    return g;
}

static void refuses(const char *name, const char *reason)
{
    rap_err err = { 0 };
    unlink(out);
    assert_int_not_equal(convert_file(in(name), out, &(convert_options){ .vocab = vocab }, &err),
                         RAP_OK);
    if (!strstr(err.text, reason))
        fail_msg("'%s' does not say '%s'", err.text, reason);
    assert_int_not_equal(access(out, F_OK), 0);
}

static void has(const char *name, bool gelu, int image_heads, int text_heads, double red)
{
    gguf_file *g = converted(name);
    int64_t heads;
    bool uses_gelu;
    double mean;
    assert_int_equal(gguf_get_bool(g, "clip.use_gelu", &uses_gelu, NULL), RAP_OK);
    assert_int_equal(uses_gelu, gelu);
    assert_int_equal(gguf_get_int(g, "clip.vision.attention.head_count", &heads, NULL), RAP_OK);
    assert_int_equal(heads, image_heads);
    assert_int_equal(gguf_get_int(g, "clip.text.attention.head_count", &heads, NULL), RAP_OK);
    assert_int_equal(heads, text_heads);
    assert_int_equal(gguf_array_float(g, "clip.vision.image_mean", 0, &mean, NULL), RAP_OK);
    assert_float_equal(mean, red, 1e-6);
    gguf_file_close(g);
}

/* ---- tests -------------------------------------------------------------------------------- */

static void openai(void **state)
{
    save_clip("net.pt", true);
    has("net.pt", false, 1, 1, 0.48145466);
    save_text(in("open_clip_config.json"), "{\"model_cfg\":{\"vision_cfg\":{\"width\":7}}}");
    save_text(in("config.json"), "{\"model_type\":\"clip\",\"vision_config\":{\"hidden_size\":7}}");
    has("net.pt", false, 1, 1, 0.48145466); /* another model's */
    save_clip("net.bin", true);
    has("net.bin", false, 1, 1, 0.48145466);
}

static void nothing_beside(void **state)
{
    made_model m = { 0 };
    save_clip("net.bin", false);
    refuses("net.bin", "needs the open_clip_config.json (or config.json)");
    save_text(in("config.json"), "{\"library\":\"open_clip\"}");
    refuses("net.bin", "needs the open_clip_config.json (or config.json)");
    save_clip("net.pt", false); /* OpenAI's, saved again */
    has("net.pt", false, 1, 1, 0.48145466);
    add(&m, "visual.conv1.weight", 4, 1280, 3, 1, 1); /* wider than any of OpenAI's */
    save_model(in("net.pt"), &m, 0);
    refuses("net.pt", "needs the open_clip_config.json (or config.json)");
}

static void open_clip(void **state)
{
    static const char whole[] =
        "{\"model_cfg\":{\"embed_dim\":32,\"vision_cfg\":{\"image_size\":16,\"layers\":1,"
        "\"width\":64,\"head_width\":16,\"patch_size\":8},\"text_cfg\":{\"context_length\":16,"
        "\"vocab_size\":517,\"width\":64,\"heads\":2,\"layers\":1}},"
        "\"preprocess_cfg\":{\"mean\":[0.25,0.5,0.5],\"std\":[0.5,0.5,0.5],"
        "\"interpolation\":\"bicubic\",\"resize_mode\":\"shortest\"}}";
    const char *const names[] = { "net.pt", "net.bin" };
    for (int i = 0; i < 2; i++) {
        save_clip(names[i], false);
        save_text(in("open_clip_config.json"), whole);
        has(names[i], true, 4, 2, 0.25);
        save_text(in("open_clip_config.json"), /* its defaults: heads of 64, and 8 in the text */
                  "{\"model_cfg\":{\"quick_gelu\":true,\"vision_cfg\":{\"width\":64}}}");
        has(names[i], false, 1, 8, 0.48145466);
    }
}

static void open_clip_lies(void **state)
{
    static const char *const lies[][2] = {
        { "{}", "has no model_cfg.vision_cfg" },
        { "{\"model_cfg\":{\"vision_cfg\":{\"width\":128}}}", "width" },
        { "{\"model_cfg\":{\"vision_cfg\":{\"image_size\":32}}}", "image_size" },
        { "{\"model_cfg\":{\"vision_cfg\":{\"head_width\":48}}}", "heads do not divide" },
        { "{\"model_cfg\":{\"vision_cfg\":{},\"text_cfg\":{\"context_length\":77}}}",
          "context_length" },
        { "{\"model_cfg\":{\"vision_cfg\":{},\"embed_dim\":512}}", "embed_dim" },
        { "{\"model_cfg\":{\"vision_cfg\":{\"act_kwargs\":{\"approximate\":\"tanh\"}}}}",
          "act_kwargs" },
        { "{\"model_cfg\":{\"vision_cfg\":{\"pool_type\":\"avg\"}}}", "pool_type" },
        { "{\"model_cfg\":{\"vision_cfg\":{},\"text_cfg\":{\"no_causal_mask\":true}}}",
          "no_causal_mask" },
        { "{\"model_cfg\":{\"vision_cfg\":{}},\"preprocess_cfg\":{\"resize_mode\":\"longest\"}}",
          "resize_mode" },
        { "{\"model_cfg\":{\"vision_cfg\":{}},\"preprocess_cfg\":{\"mean\":[1]}}",
          "preprocess_cfg.mean" },
    };
    save_clip("net.bin", false);
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        save_text(in("open_clip_config.json"), lies[i][0]);
        refuses("net.bin", lies[i][1]);
    }
}

static void hugging_face(void **state)
{
    save_clip("net.bin", false);
    save_text(in("config.json"),
              "{\"model_type\":\"clip\",\"vision_config\":{\"hidden_act\":\"gelu\","
              "\"num_attention_heads\":4},\"text_config\":{\"hidden_act\":\"gelu\"}}");
    save_text(in("preprocessor_config.json"),
              "{\"size\":16,\"crop_size\":16,\"image_mean\":[0.25,0.5,0.75]}");
    has("net.bin", true, 4, 8, 0.25);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(openai, empty),       cmocka_unit_test_setup(nothing_beside, empty),
        cmocka_unit_test_setup(open_clip, empty),    cmocka_unit_test_setup(open_clip_lies, empty),
        cmocka_unit_test_setup(hugging_face, empty),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

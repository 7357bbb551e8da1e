/* test_map_clip.c: a CLIP folder whose files contradict each other. Starts from the honest one in
 * tests/data/clip, which tests/vision/test_clip_published.c compares with the reference. */
#include "convert/convert.h"
#include "convert/made_safetensors.h"
#include "convert/work_folder.h"
#include "formats/gguf_file.h"

#include <jansson.h>
#include <unistd.h>

static char out[128];
static const char *const files[] = { "model.safetensors", "config.json",
                                     "merges.txt",        "vocab.json",
                                     "tokenizer.json",    "preprocessor_config.json" };
enum { FILES = sizeof files / sizeof *files, HONEST = 4 };

static const char *honest(const char *folder, const char *name)
{
    static char path[4][256];
    static int next;
    const char *tests = getenv("RAP_TESTS");
    next = (next + 1) % 4;
    snprintf(path[next], sizeof path[0], "%s/data/clip/%s/%s", tests ? tests : "tests", folder,
             name);
    return path[next];
}

static char *read_all(const char *path, size_t *out_size)
{
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    char *bytes = malloc(1 << 20);
    *out_size = fread(bytes, 1, 1 << 20, f);
    bytes[*out_size] = '\0';
    fclose(f);
    return bytes;
}

static void save_bytes(const char *path, const char *bytes, size_t size)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
}

static void copy(const char *from, const char *name)
{
    size_t size;
    char *bytes = read_all(from, &size);
    save_bytes(in(name), bytes, size);
    free(bytes);
}

/* An honest folder again. */
static int fresh(void **state)
{
    for (int i = 0; i < FILES; i++)
        if (i < HONEST)
            copy(honest("hf", files[i]), files[i]);
        else
            unlink(in(files[i]));
    return 0;
}

static int set_up(void **state)
{
    snprintf(work, sizeof work, "/tmp/rap-clip-XXXXXX");
    if (!mkdtemp(work))
        return 1;
    snprintf(out, sizeof out, "%s/out.gguf", work);
    return fresh(state);
}

static int tear_down(void **state)
{
    for (int i = 0; i < FILES; i++)
        unlink(in(files[i]));
    unlink(out);
    return rmdir(work);
}

static void converts(convert_type type)
{
    rap_err err = { 0 };
    if (convert_file(work, out, &(convert_options){ .type = type }, &err) != RAP_OK)
        fail_msg("%s", err.text);
}

static void refuses_as(convert_type type, const char *file, const char *reason)
{
    rap_err err = { 0 };
    unlink(out);
    assert_int_not_equal(convert_file(work, out, &(convert_options){ .type = type }, &err), RAP_OK);
    if (!strstr(err.text, file) || !strstr(err.text, reason))
        fail_msg("'%s' does not say '%s' and '%s'", err.text, file, reason);
    assert_int_not_equal(access(out, F_OK), 0);
}

static void refuses(const char *file, const char *reason)
{
    refuses_as(CONVERT_KEEP, file, reason);
}

/* config.json with one field of a tower (or, `tower` NULL, of the whole) changed; NULL removes it. */
static void change_config(const char *tower, const char *field, json_t *value)
{
    json_t *root = json_load_file(honest("hf", "config.json"), 0, NULL);
    json_t *object = tower ? json_object_get(root, tower) : root;
    assert_non_null(object);
    if (value)
        json_object_set_new(object, field, value);
    else
        json_object_del(object, field);
    assert_int_equal(json_dump_file(root, in("config.json"), 0), 0);
    json_decref(root);
}

/* ---- tests -------------------------------------------------------------------------------- */

static void config_lies(void **state)
{
    static const struct {
        const char *tower, *field;
    } numbers[] = { { "vision_config", "hidden_size" },
                    { "vision_config", "intermediate_size" },
                    { "vision_config", "num_hidden_layers" },
                    { "vision_config", "patch_size" },
                    { "vision_config", "image_size" },
                    { "text_config", "hidden_size" },
                    { "text_config", "vocab_size" },
                    { "text_config", "max_position_embeddings" },
                    { NULL, "projection_dim" } };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        change_config(numbers[i].tower, numbers[i].field, json_integer(7));
        refuses("config.json", numbers[i].field);
        change_config(numbers[i].tower, numbers[i].field, json_string("7"));
        refuses("config.json", "is not a whole number");
        change_config(numbers[i].tower, numbers[i].field, NULL); /* silence is no lie */
        converts(CONVERT_KEEP);
    }
}

static void config_is_impossible(void **state)
{
    change_config("vision_config", "num_attention_heads", json_integer(3));
    refuses(work, "3 heads do not divide a width of 16");
    change_config("vision_config", "num_attention_heads", json_integer(0));
    refuses("config.json", "num_attention_heads");
    change_config("text_config", "num_attention_heads", json_integer(1 << 30));
    refuses("config.json", "num_attention_heads");
    change_config("vision_config", "layer_norm_eps", json_real(-1));
    refuses("config.json", "layer_norm_eps");
    change_config("vision_config", "hidden_act", json_string("tanh"));
    refuses(work, "activations 'tanh'");
    change_config("text_config", "hidden_act", json_string("gelu"));
    refuses(work, "activations 'quick_gelu' and 'gelu'");
    unlink(in("config.json"));
    refuses(work, "needs the config.json");
    save_text(in("config.json"), "{\"a\":NaN}");
    refuses("config.json", "not valid JSON");
}

/* What the tensors cannot tell is taken from the config. */
static void config_is_believed(void **state)
{
    int64_t heads;
    bool gelu;
    gguf_file *g;
    json_t *root = json_load_file(honest("hf", "config.json"), 0, NULL);
    json_object_set_new(json_object_get(root, "vision_config"), "num_attention_heads",
                        json_integer(4));
    json_object_set_new(json_object_get(root, "vision_config"), "hidden_act", json_string("gelu"));
    json_object_set_new(json_object_get(root, "text_config"), "hidden_act", json_string("gelu"));
    assert_int_equal(json_dump_file(root, in("config.json"), 0), 0);
    json_decref(root);
    converts(CONVERT_KEEP);
    assert_int_equal(gguf_file_open(&g, out, NULL), RAP_OK);
    assert_int_equal(gguf_get_int(g, "clip.vision.attention.head_count", &heads, NULL), RAP_OK);
    assert_int_equal(heads, 4);
    assert_int_equal(gguf_get_bool(g, "clip.use_gelu", &gelu, NULL), RAP_OK);
    assert_true(gelu);
    gguf_file_close(g);
}

static void preprocessing(void **state)
{
    double mean;
    gguf_file *g;
    save_text(in("preprocessor_config.json"),
              "{\"size\":32,\"crop_size\":32,\"image_mean\":[0.25,0.5,0.75],\"resample\":3}");
    converts(CONVERT_KEEP);
    assert_int_equal(gguf_file_open(&g, out, NULL), RAP_OK);
    assert_int_equal(gguf_array_float(g, "clip.vision.image_mean", 2, &mean, NULL), RAP_OK);
    assert_true(mean == 0.75);
    gguf_file_close(g);
    save_text(in("preprocessor_config.json"), "{\"size\":48,\"crop_size\":48}");
    refuses("preprocessor_config.json", "pictures of 48 pixels, but the tensors are for 32");
    save_text(in("preprocessor_config.json"), "{\"size\":-1}");
    refuses("preprocessor_config.json", "size");
}

static void vocabulary_lies(void **state)
{
    save_text(in("merges.txt"), "#version: 0.2\nt h\n");
    refuses("merges.txt", "has 1 merges, the checkpoint needs 14");
    copy(honest("hf", "merges.txt"), "merges.txt");
    save_text(in("vocab.json"), "{\"!\":0}");
    refuses("vocab.json", "not numbered as CLIP's");
    unlink(in("vocab.json")); /* nothing to compare */
    converts(CONVERT_KEEP);
    unlink(in("merges.txt"));
    refuses(work, "pass --vocab");
    copy(honest("sharded", "tokenizer.json"), "tokenizer.json");
    converts(CONVERT_KEEP);
    save_text(in("tokenizer.json"), "{\"model\":{\"merges\":[1]}}");
    refuses("tokenizer.json", "has 1 merges");
    save_text(in("tokenizer.json"), "{\"model\":{\"merges\":[1,2,3,4,5,6,7,8,9,10,11,12,13,14]}}");
    refuses("tokenizer.json", "merge 0 is not one of two pieces");
}

/* Writes `bits` over the first number of tensor `name`. */
static void poke(const char *name, uint32_t bits)
{
    size_t size;
    uint64_t length;
    char *bytes = read_all(honest("hf", "model.safetensors"), &size);
    memcpy(&length, bytes, 8);
    json_t *header = json_loadb(bytes + 8, (size_t)length, 0, NULL);
    const json_t *place = json_object_get(json_object_get(header, name), "data_offsets");
    int64_t start = json_integer_value(json_array_get(place, 0));
    memcpy(bytes + 8 + length + start, &bits, sizeof bits);
    save_bytes(in("model.safetensors"), bytes, size);
    json_decref(header);
    free(bytes);
}

static void numbers_without_use(void **state)
{
    static const char name[] = "vision_model.encoder.layers.1.mlp.fc2.weight";
    poke(name, 0x7fc00000); /* NaN */
    refuses(name, "not finite");
    poke(name, 0xff800000); /* -infinity */
    refuses(name, "not finite");
    poke(name, 0x47c35000); /* 100,000 */
    converts(CONVERT_F32);
    converts(CONVERT_BF16);
    refuses_as(CONVERT_F16, "v.blk.1.ffn_down.weight", "too large for the type; try bf16 or f32");
}

static void truncated(void **state)
{
    size_t size;
    char *bytes = read_all(honest("hf", "model.safetensors"), &size);
    for (size_t cut = 0; cut < size; cut += size / 40) {
        save_bytes(in("model.safetensors"), bytes, cut);
        refuses("model.safetensors", "");
    }
    free(bytes);
}

static void type_names(void **state)
{
    convert_options o = { 0 };
    rap_err err = { 0 };
    assert_int_equal(convert_set_type(&o, NULL, NULL), RAP_OK);
    assert_int_equal(o.type, CONVERT_KEEP);
    assert_int_equal(convert_set_type(&o, "q8_0", NULL), RAP_OK);
    assert_int_equal(o.type, CONVERT_Q8_0);
    assert_int_equal(convert_set_type(&o, "q4_k_m", NULL), RAP_OK);
    assert_int_equal(o.type, CONVERT_QUANTISED);
    assert_int_equal(convert_set_type(&o, "q4", &err), RAP_E_ARGUMENT);
    assert_non_null(strstr(err.text, "'q4' is none of f32, f16, bf16, q8_0"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(config_lies, fresh),
        cmocka_unit_test_setup(config_is_impossible, fresh),
        cmocka_unit_test_setup(config_is_believed, fresh),
        cmocka_unit_test_setup(preprocessing, fresh),
        cmocka_unit_test_setup(vocabulary_lies, fresh),
        cmocka_unit_test_setup(numbers_without_use, fresh),
        cmocka_unit_test_setup(truncated, fresh),
        cmocka_unit_test(type_names),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

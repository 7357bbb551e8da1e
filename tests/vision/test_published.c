/* test_published.c: small checkpoints that the original libraries wrote (transformers, timm), through
 * conversion, preprocessing and network, against those libraries' own numbers. Then the same files with
 * lies in them. tools/parity/image_encoders.py makes tests/data/encoders. */
#include "formats/gguf_file.h"
#include "vision/fixture.h"

#include <limits.h>

static char work[64], model[128];

static const char *const names[] = {
    "siglip",     "siglip2",   "clip",      "dinov2",      "dinov2_registers", "dinov2_giant",
    "timm_token", "timm_mean", "timm_clip", "timm_siglip", "timm_dinov2",
};
enum { NAMES = sizeof names / sizeof *names, MOST = 64 };

static int set_up(void **state)
{
    snprintf(work, sizeof work, "/tmp/rap-published-XXXXXX");
    if (!mkdtemp(work))
        return 1;
    snprintf(model, sizeof model, "%s/model.gguf", work);
    return 0;
}

static int tear_down(void **state)
{
    char path[192];
    const char *const files[] = { "model.safetensors", "config.json", "preprocessor_config.json" };
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", work, files[i]);
        unlink(path);
    }
    unlink(model);
    return rmdir(work);
}

/* The folder of a checkpoint, or a file in it; free(). */
static char *data(const char *name, const char *file)
{
    char rest[160];
    const char *tests = getenv("RAP_TESTS");
    snprintf(rest, sizeof rest, "data/encoders/%s%s%s", name, *file ? "/" : "", file);
    return path_join(tests ? tests : "tests", rest);
}

/* The picture that image_encoders.py makes, too. */
static image picture(void)
{
    image im;
    assert_int_equal(image_new(&im, 61, 45, NULL), RAP_OK);
    for (int y = 0; y < 45; y++)
        for (int x = 0; x < 61; x++) {
            uint8_t *p = im.rgb + 3 * (61 * y + x);
            p[0] = (uint8_t)(x * 5);
            p[1] = (uint8_t)(y * 7);
            p[2] = (uint8_t)(x * y + 40 * ((x / 9 + y / 7) % 2));
        }
    return im;
}

static void convert_with(const char *name, convert_options options)
{
    rap_err err = { 0 };
    char *folder = data(name, "");
    if (convert_file(folder, model, &options, &err) != RAP_OK)
        fail_msg("%s", err.text);
    free(folder);
}

static void convert_as(const char *name, convert_type type)
{
    convert_with(name, (convert_options){ .type = type });
}

static json_t *reference_of(const char *name)
{
    char *path = data(name, "reference.json");
    json_t *j = json_load_file(path, 0, NULL);
    free(path);
    assert_non_null(j);
    return j;
}

static int hex_digit(char c)
{
    return c <= '9' ? c - '0' : c - 'a' + 10;
}

/* The largest difference of a pixel before normalising, in 255ths. */
static double pixel_error(encoder *e, const image *im, const json_t *reference)
{
    float *got, mean[3], std[3];
    int size;
    double worst = 0;
    const char *hex = json_string_value(json_object_get(reference, "pixels"));
    fixture_floats(mean, 3, json_object_get(reference, "mean"));
    fixture_floats(std, 3, json_object_get(reference, "std"));
    assert_int_equal(encoder_preprocess(e, im, &got, &size, NULL), RAP_OK);
    assert_int_equal(size, json_integer_value(json_object_get(reference, "size")));
    assert_int_equal(strlen(hex), 6 * size * size);
    for (int i = 0; i < 3 * size * size; i++) {
        int plane = i / (size * size),
            byte = 16 * hex_digit(hex[2 * i]) + hex_digit(hex[2 * i + 1]);
        double value = ((double)got[i] * (double)std[plane] + (double)mean[plane]) * 255;
        worst = fmax(worst, fabs(value - byte));
    }
    free(got);
    return worst;
}

static void compare(const char *name, convert_type type, precision p, double most_error)
{
    float got[MOST], want[MOST];
    image im = picture();
    json_t *reference = reference_of(name);
    convert_as(name, type);
    encoder *e = fixture_encoder(model, p);
    int dim = encoder_dim(e);
    assert_true(dim <= MOST);
    assert_string_equal(encoder_name(e), name);
    fixture_floats(want, dim, json_object_get(reference, "feature"));
    assert_int_equal(encoder_images(e, &im, 1, got, NULL), RAP_OK);
    double pixels = pixel_error(e, &im, reference), error = relative_error(got, want, dim);
    double same = cosine(got, want, dim);
    printf("%-17s pixels %.3f / 255, features %.2e, cosine %.6f\n", name, pixels, error, same);
    assert_true(pixels <= 2);
    assert_true(error <= most_error);
    assert_true(same >= 0.999);
    encoder_close(e);
    json_decref(reference);
    image_release(&im);
}

static void f32(void **state)
{
    for (int i = 0; i < NAMES; i++)
        compare(names[i], CONVERT_KEEP, PRECISION_F32, 1e-4);
}

static void bf16(void **state)
{
    for (int i = 0; i < NAMES; i++)
        compare(names[i], CONVERT_KEEP, PRECISION_BF16, 0.05);
}

static void written_as_bf16(void **state)
{
    for (int i = 0; i < NAMES; i++)
        compare(names[i], CONVERT_BF16, PRECISION_F32, 0.05);
}

/* Every kind of encoder for pictures 1.7 times as large: pixels and positions as the libraries make them. */
static void larger_pictures(void **state)
{
    for (int i = 0; i < NAMES; i++) {
        float got[MOST], want[MOST];
        image im = picture();
        json_t *reference = reference_of(names[i]);
        const json_t *larger = json_object_get(reference, "larger");
        int size = (int)json_integer_value(json_object_get(larger, "size"));
        convert_with(names[i], (convert_options){ .image_size = size });
        encoder *e = fixture_encoder(model, PRECISION_F32);
        int dim = encoder_dim(e);
        fixture_floats(want, dim, json_object_get(larger, "feature"));
        assert_int_equal(encoder_images(e, &im, 1, got, NULL), RAP_OK);
        double error = relative_error(got, want, dim);
        printf("%-17s %d pixels, features %.2e\n", names[i], size, error);
        assert_true(error <= 1e-4);
        fixture_floats(want, dim, json_object_get(reference, "feature"));
        assert_true(relative_error(got, want, dim) > 1e-2);
        encoder_close(e);
        json_decref(reference);
        image_release(&im);
    }
}

static void impossible_sizes(void **state)
{
    static const int sizes[] = { 1, 5, 1025, INT_MAX };
    unlink(model);
    for (int i = 0; i < NAMES * 4; i++) {
        rap_err err = { 0 };
        char *folder = data(names[i / 4], "");
        const convert_options options = { .image_size = sizes[i % 4] };
        assert_int_equal(convert_file(folder, model, &options, &err), RAP_E_ARGUMENT);
        assert_non_null(strstr(err.text, "and at most 1024 pixels"));
        assert_false(file_exists(model));
        free(folder);
    }
}

/* A batch gives what each picture gives alone. */
static void batches(void **state)
{
    for (int i = 0; i < NAMES; i++) {
        float alone[MOST], both[2 * MOST];
        image im[2] = { picture(), picture() };
        memset(im[0].rgb, 90, 61 * 20 * 3);
        convert_as(names[i], CONVERT_KEEP);
        encoder *e = fixture_encoder(model, PRECISION_F32);
        int dim = encoder_dim(e);
        assert_int_equal(encoder_images(e, &im[1], 1, alone, NULL), RAP_OK);
        assert_int_equal(encoder_images(e, im, 2, both, NULL), RAP_OK);
        assert_true(relative_error(both + dim, alone, dim) < 1e-5);
        assert_true(relative_error(both, alone, dim) > 1e-3);
        encoder_close(e);
        image_release(&im[0]);
        image_release(&im[1]);
    }
}

/* ---- lies --------------------------------------------------------------------------------- */

static void copy(const char *name, const char *file, const char *find, const char *instead)
{
    char *bytes, *from = data(name, file), to[192], *at;
    size_t size;
    snprintf(to, sizeof to, "%s/%s", work, file);
    unlink(to);
    if (file_exists(from)) {
        assert_int_equal(file_read(&bytes, &size, from, 1 << 20, NULL), RAP_OK);
        if (find) {
            char *changed = malloc(size + strlen(instead) + 1);
            assert_non_null(at = memmem(bytes, size, find, strlen(find)));
            size_t before = (size_t)(at - bytes), after = size - before - strlen(find);
            memcpy(changed, bytes, before);
            memcpy(changed + before, instead, strlen(instead));
            memcpy(changed + before + strlen(instead), at + strlen(find), after);
            size = before + strlen(instead) + after;
            free(bytes);
            bytes = changed;
        }
        assert_int_equal(file_write(to, bytes, size, NULL), RAP_OK);
        free(bytes);
    }
    free(from);
}

static void lying_files(void **state)
{
    static const char P[] = "preprocessor_config.json", C[] = "config.json";
    static const struct {
        const char *name, *file, *find, *instead, *reason;
    } lies[] = {
        { "siglip2", P, "\"height\": 27", "\"height\": 28", "not square" },
        { "siglip2", P, "\"resample\": 2", "\"resample\": 1", "resampling" },
        { "siglip2", P, "\"do_resize\": true", "\"do_resize\": false", "do_resize" },
        { "siglip2", P, "0.5,", "\"a\",", "image_mean" },
        { "siglip2", P, "0.00392156862745098", "0.1", "rescale_factor" },
        { "siglip2", P, "\"do_rescale\": true", "\"do_rescale\": 3", "do_rescale" },
        { "siglip2", P, "{", "[", P },
        { "siglip2", P, "\"size\": {", "\"size\": {\"longest_edge\": 9,", "longest_edge" },
        { "dinov2", P, "\"height\": 32", "\"height\": -1", "height" },
        { "dinov2", P, "\"shortest_edge\": 37", "\"shortest_edge\": 20", "sizes" },
        { "dinov2", P, "\"shortest_edge\": 37", "\"shortest_edge\": 2000000", "shortest_edge" },
        { "dinov2", P, "\"do_center_crop\": true", "\"do_center_crop\": false", "do_center_crop" },
        { "siglip2", C, "\"num_attention_heads\": 3", "\"num_attention_heads\": 5", "5 heads" },
        { "siglip2", C, "\"num_attention_heads\": 3", "\"num_attention_heads\": 0",
          "num_attention_heads" },
        { "siglip2", C, "\"patch_size\": 8", "\"patch_size\": 4", "patch_size" },
        { "siglip2", C, "\"image_size\": 27", "\"image_size\": 64", "3 × 3 patches" },
        { "siglip2", C, "\"image_size\": 27", "\"image_size\": 26", "3 × 3 patches" },
        { "siglip2", C, "\"intermediate_size\": 40", "\"intermediate_size\": 41",
          "intermediate_size" },
        { "siglip2", C, "gelu_pytorch_tanh", "mish", "unknown activation 'mish'" },
        { "siglip2", C, "1e-06", "\"small\"", "layer_norm_eps" },
        { "dinov2", C, "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 1000000000",
          "num_hidden_layers" },
        { "dinov2", C, "\"image_size\": 40", "\"image_size\": 14", "image_size" },
        { "dinov2_registers", C, "\"num_register_tokens\": 4", "\"num_register_tokens\": 5",
          "num_register_tokens" },
        { "timm_token", C, "\"num_heads\": 2", "\"num_heads\": 3", "3 heads" },
        { "timm_token", C, "\"crop_pct\": 0.9", "\"crop_pct\": 0", "crop_pct" },
        { "timm_token", C, "\"crop_pct\": 0.9", "\"crop_pct\": \"x\"", "crop_pct" },
        { "timm_token", C, "\"in_chans\": 3,\n    \"global_pool\": \"token\"",
          "\"global_pool\": \"max\"", "unknown global_pool 'max'" },
        { "timm_token", C, "\"interpolation\": \"bicubic\"", "\"interpolation\": \"random\"",
          "random" },
        { "timm_token", C, "\"crop_mode\": \"center\"", "\"crop_mode\": \"border\"", "border" },
        { "timm_token", C, "\"input_size\": [", "\"input_size\": [1,", "input_size" },
        { "timm_mean", C, "0.9", "1e400", C },
    };
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        const char *const files[] = { "model.safetensors", C, P };
        rap_err err = { 0 };
        for (int k = 0; k < 3; k++)
            copy(lies[i].name, files[k], files[k] == lies[i].file ? lies[i].find : NULL,
                 lies[i].instead);
        unlink(model);
        if (convert_file(work, model, &(convert_options){ 0 }, &err) == RAP_OK)
            fail_msg("%s with %s was converted", lies[i].name, lies[i].instead);
        if (!strstr(err.text, lies[i].reason) || !strstr(err.text, work))
            fail_msg("'%s' does not say '%s'", err.text, lies[i].reason);
        assert_int_not_equal(access(model, F_OK), 0);
    }
}

/* Writes `value` over the first number of a tensor of the safetensors file in `work`. */
static void poke(const char *tensor, float value)
{
    char path[192], *bytes;
    uint64_t length;
    size_t size;
    snprintf(path, sizeof path, "%s/model.safetensors", work);
    assert_int_equal(file_read(&bytes, &size, path, 1 << 20, NULL), RAP_OK);
    memcpy(&length, bytes, sizeof length);
    json_t *header = json_loadb(bytes + 8, (size_t)length, 0, NULL);
    const json_t *place = json_object_get(json_object_get(header, tensor), "data_offsets");
    memcpy(bytes + 8 + length + json_integer_value(json_array_get(place, 0)), &value, sizeof value);
    assert_int_equal(file_write(path, bytes, size, NULL), RAP_OK);
    json_decref(header);
    free(bytes);
}

/* Two numbers that are finite, and their product is not: layer scale is folded into its layer. */
static void computed_numbers_are_finite(void **state)
{
    static const char *const files[] = { "model.safetensors", "config.json",
                                         "preprocessor_config.json" };
    rap_err err = { 0 };
    for (int k = 0; k < 3; k++)
        copy("dinov2", files[k], NULL, NULL);
    poke("encoder.layer.0.layer_scale1.lambda1", 3e38f);
    poke("encoder.layer.0.attention.output.dense.weight", 3e38f);
    unlink(model);
    assert_int_equal(convert_file(work, model, &(convert_options){ 0 }, &err), RAP_E_FORMAT);
    assert_non_null(strstr(err.text, "v.blk.0.attn_out.weight"));
    assert_non_null(strstr(err.text, "not finite"));
}

static uint64_t next_random(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return *seed >> 33;
}

/* Checkpoints with a few wrong bytes in one of their files: refused, or converted into what opens and runs. */
static void mutated_checkpoints(void **state)
{
    static const char *const files[] = { "model.safetensors", "config.json",
                                         "preprocessor_config.json" };
    static const char instead[] = "0123456789\"-.e:,[]{} xA\xff"; /* and the NUL behind it */
    uint64_t seed = 11;
    int converted = 0, rounds = 50;
    for (int i = 0; i < NAMES * rounds; i++) {
        char path[192], *bytes;
        size_t size;
        encoder *e;
        for (int k = 0; k < 3; k++)
            copy(names[i / rounds], files[k], NULL, NULL);
        snprintf(path, sizeof path, "%s/%s", work, files[next_random(&seed) % 3]);
        if (!file_exists(path)) /* timm's have two files */
            continue;
        assert_int_equal(file_read(&bytes, &size, path, 1 << 20, NULL), RAP_OK);
        for (uint64_t k = next_random(&seed) % 3; k < 3; k++) {
            size_t header = size < 6000 ? size : 6000;
            bytes[next_random(&seed) % header] = instead[next_random(&seed) % sizeof instead];
        }
        assert_int_equal(file_write(path, bytes, size, NULL), RAP_OK);
        free(bytes);
        if (convert_file(work, model, &(convert_options){ 0 }, NULL) != RAP_OK)
            continue;
        converted++;
        if (encoder_open(&e, model, 1, PRECISION_F32, NULL) == RAP_OK) {
            float *feature = calloc((size_t)encoder_dim(e), sizeof *feature);
            image im = picture();
            encoder_images(e, &im, 1, feature, NULL);
            image_release(&im);
            free(feature);
            encoder_close(e);
        }
    }
    printf("%d of %d mutated checkpoints were converted\n", converted, rounds * NAMES);
}

/* Tensors renamed, which the length of the header allows. */
static void missing_tensors(void **state)
{
    static const struct {
        const char *name, *find, *instead, *reason;
    } lies[] = {
        { "siglip", "vision_model.head.probe", "vision_model.head.prob_", "pooling head" },
        { "siglip", "vision_model.head.mlp.fc1.bias", "vision_model.head.mlp.fc1.bia_",
          "no tensor 'vision_model.head.mlp.fc1.bias'" },
        { "siglip", "vision_model.post_layernorm.bias", "vision_model.post_layernorm.bia_",
          "post_layernorm" },
        { "siglip", "vision_model.encoder.layers.1.self_attn.k_proj.bias",
          "vision_model.encoder.layers.1.self_attn.k_proj.bia_", "k_proj.bias" },
        { "dinov2", "embeddings.mask_token", "embeddings.mask_to_en", "mask_to_en" },
        { "dinov2", "encoder.layer.1.norm2.weight", "encoder.layer.1.norm2.weig_t",
          "num_hidden_layers" },
        { "dinov2", "encoder.layer.1.layer_scale1.lambda1", "encoder.layer.1.layer_scale1.lambda_",
          "layer_scale1" },
        { "dinov2_giant", "encoder.layer.0.mlp.weights_in.bias",
          "encoder.layer.0.mlp.weights_in.bia_", "weights_in.bias" },
        { "timm_mean", "reg_token", "reg_toke_", "has tensor 'reg_toke_'" },
        { "timm_token", "patch_embed.proj.bias", "patch_embed.proj.bia_", "patch_embed.proj.bias" },
        { "timm_token", "blocks.1.ls2.gamma", "blocks.1.ls2.gamm_", "ls2.gamma" },
    };
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        rap_err err = { 0 };
        copy(lies[i].name, "model.safetensors", lies[i].find, lies[i].instead);
        copy(lies[i].name, "config.json", NULL, NULL);
        copy(lies[i].name, "preprocessor_config.json", NULL, NULL);
        if (convert_file(work, model, &(convert_options){ 0 }, &err) == RAP_OK)
            fail_msg("%s without %s was converted", lies[i].name, lies[i].find);
        if (!strstr(err.text, lies[i].reason) || !strstr(err.text, work))
            fail_msg("'%s' does not say '%s'", err.text, lies[i].reason);
    }
}

/* What can be told without the files beside the weights, and what not. */
static void weights_alone(void **state)
{
    static const char *const files[] = { "config.json", "preprocessor_config.json" };
    char path[192];
    rap_err err = { 0 };
    for (int k = 0; k < 2; k++) {
        snprintf(path, sizeof path, "%s/%s", work, files[k]);
        unlink(path);
    }
    copy("siglip2", "model.safetensors", NULL, NULL);
    assert_int_equal(convert_file(work, model, &(convert_options){ 0 }, &err), RAP_E_ARGUMENT);
    assert_non_null(strstr(err.text, "needs the config.json"));
    copy("timm_mean", "model.safetensors", NULL, NULL); /* its width gives no whole head of 64 */
    assert_int_equal(convert_file(work, model, &(convert_options){ 0 }, &err), RAP_E_FORMAT);
    assert_non_null(strstr(err.text, "heads do not divide"));
    copy("dinov2", "model.safetensors", NULL, NULL);
    assert_int_equal(convert_file(work, model, &(convert_options){ 0 }, &err), RAP_E_ARGUMENT);
    assert_non_null(strstr(err.text, "needs the preprocessor_config.json"));
    copy("siglip2", "model.safetensors", NULL, NULL);
    copy("siglip2", "config.json", NULL, NULL);
    assert_int_equal(convert_file(work, model, &(convert_options){ 0 }, &err), RAP_E_ARGUMENT);
    assert_non_null(strstr(err.text, "needs the preprocessor_config.json"));
}

/* Changes the value of a u32 key in the converted file. */
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

static void lying_models(void **state)
{
    static const struct {
        const char *name, *key;
        uint32_t value;
        const char *reason;
    } lies[] = {
        { "siglip", "siglip.vision.lead_tokens", 1, "SigLIP has neither" },
        { "siglip", "siglip.vision.patch_size", 4, "patches of 4" },
        { "siglip", "siglip.vision.image_size", 24, "v.position_embd" },
        { "siglip", "siglip.vision.block_count", 3, "v.blk.2." },
        { "siglip", "siglip.vision.feed_forward_length", 65, "ffn_up" },
        { "siglip", "siglip.vision.attention.head_count", 5, "5 heads" },
        { "siglip", "siglip.vision.embedding_length", 64, "" },
        { "dinov2_registers", "dinov2.vision.lead_tokens", 0, "but there is none" },
        { "dinov2_registers", "dinov2.vision.lead_tokens", 1u << 31, "lead_tokens" },
        { "dinov2_registers", "dinov2.vision.lead_tokens", 4, "v.class_embd" },
        { "dinov2_registers", "dinov2.vision.image_size", 1024, "resize_size" },
        { "dinov2_giant", "dinov2.vision.feed_forward_length", 64, "ffn_up" },
        { "timm_mean", "vit.vision.lead_tokens", 0, "v.position_embd" },
    };
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        encoder *e;
        rap_err err = { 0 };
        convert_as(lies[i].name, CONVERT_KEEP);
        set_key(lies[i].key, lies[i].value);
        if (encoder_open(&e, model, 1, PRECISION_F32, &err) == RAP_OK)
            fail_msg("%s with %s %u opened", lies[i].name, lies[i].key, lies[i].value);
        if (!strstr(err.text, lies[i].reason) || !strstr(err.text, model))
            fail_msg("'%s' does not say '%s'", err.text, lies[i].reason);
    }
}

/* Whatever opens can be used. */
static void mutations(void **state)
{
    uint64_t seed = 7;
    int opened = 0, rounds = 100;
    for (int i = 0; i < NAMES; i++) {
        char *bytes, *changed;
        size_t size;
        image im = picture();
        convert_as(names[i], CONVERT_KEEP);
        assert_int_equal(file_read(&bytes, &size, model, 1 << 24, NULL), RAP_OK);
        assert_non_null(changed = malloc(size));
        for (int round = 0; round < rounds; round++) {
            encoder *e;
            memcpy(changed, bytes, size);
            for (int k = 0; k < 3; k++) {
                size_t at = next_random(&seed) % 2500;
                changed[at] = (char)next_random(&seed);
            }
            assert_int_equal(file_write(model, changed, size, NULL), RAP_OK);
            if (encoder_open(&e, model, 1, PRECISION_F32, NULL) != RAP_OK)
                continue;
            float *feature = calloc((size_t)encoder_dim(e), sizeof *feature);
            encoder_images(e, &im, 1, feature, NULL);
            opened++;
            free(feature);
            encoder_close(e);
        }
        free(bytes);
        free(changed);
        image_release(&im);
    }
    printf("%d of %d mutations opened\n", opened, rounds * NAMES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(f32),
        cmocka_unit_test(bf16),
        cmocka_unit_test(larger_pictures),
        cmocka_unit_test(impossible_sizes),
        cmocka_unit_test(batches),
        cmocka_unit_test(written_as_bf16),
        cmocka_unit_test(lying_files),
        cmocka_unit_test(missing_tensors),
        cmocka_unit_test(lying_models),
        cmocka_unit_test(mutations),
        cmocka_unit_test(computed_numbers_are_finite),
        cmocka_unit_test(weights_alone),
        cmocka_unit_test(mutated_checkpoints),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

/* test_map_vit.c: how pictures are prepared for a ViT: by timm's config, by what lies beside it, by its
 * name, or as the user says; what is assumed is said. DINOv2 of its authors has the same names. */
#include "convert/convert.h"
#include "convert/made_models.h"
#include "formats/gguf_file.h"

#include <math.h>
#include <unistd.h>

#include "convert/work_folder.h"

static char said[2048];

static int set_up(void **state)
{
    snprintf(work, sizeof work, "/tmp/rap-vit-XXXXXX");
    return mkdtemp(work) ? 0 : 1;
}

static int tear_down(void **state)
{
    return rmdir(work);
}

static void listen(void *payload, const char *line)
{
    snprintf(said, sizeof said, "%s", line);
}

static gguf_file *converted(const char *name, convert_options options)
{
    gguf_file *g = NULL;
    rap_err err = { 0 };
    *said = '\0';
    options.remark = listen;
    if (convert_file(in(name), in("out.gguf"), &options, &err) != RAP_OK ||
        gguf_file_open(&g, in("out.gguf"), &err) != RAP_OK)
        fail_msg("%s", err.text);
    unlink(in("out.gguf"));
    return g;
}

static void save_text(const char *name, const char *text)
{
    FILE *f = fopen(in(name), "wb");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

/* The first of the three means and deviations. */
static void colours(gguf_file *g, const char *kind, double mean, double std)
{
    char key[64];
    double value = 0;
    snprintf(key, sizeof key, "%s.vision.image_mean", kind);
    assert_int_equal(gguf_array_float(g, key, 0, &value, NULL), RAP_OK);
    assert_float_equal(value, mean, 1e-6);
    snprintf(key, sizeof key, "%s.vision.image_std", kind);
    assert_int_equal(gguf_array_float(g, key, 0, &value, NULL), RAP_OK);
    assert_float_equal(value, std, 1e-6);
    gguf_file_close(g);
}

static void says(const char *words)
{
    if (!strstr(said, words))
        fail_msg("'%s' does not say '%s'", said, words);
}

static void save_vit(const char *name, bool head)
{
    made_model m;
    make_vit(&m);
    m.count -= head ? 0 : 2;
    save_model(in(name), &m, 0);
}

static void a_name_tells_deit(void **state)
{
    save_vit("deit_tiny_patch16_224-a1311bcf.pth", true);
    colours(converted("deit_tiny_patch16_224-a1311bcf.pth", (convert_options){ 0 }), "vit", 0.485,
            0.229);
    says("taken for a DeiT by its name");
    unlink(in("deit_tiny_patch16_224-a1311bcf.pth"));
}

static void the_usual_is_said(void **state)
{
    save_vit("net.pth", true);
    colours(converted("net.pth", (convert_options){ 0 }), "vit", 0.5, 0.5);
    says("mean 0.5 0.5 0.5 and deviation 0.5 0.5 0.5");
    says("--mean and --std");
    unlink(in("net.pth"));
}

static void the_user_may_say(void **state)
{
    const convert_options given = { .mean = { 0.1f, 0.2f, 0.3f }, .std = { 0.4f, 0.5f, 0.6f } };
    save_vit("net.pth", false); /* without a classifier it is anyone's */
    colours(converted("net.pth", given), "vit", 0.1, 0.4);
    assert_string_equal(said, "");
    rap_err err = { 0 };
    assert_int_not_equal(convert_file(in("net.pth"), in("out.gguf"), &(convert_options){ 0 }, &err),
                         RAP_OK);
    assert_non_null(strstr(err.text, "--mean 0.485,0.456,0.406"));
    unlink(in("net.pth"));
}

static void what_lies_beside_counts(void **state)
{
    static const char recipe[] =
        "{\"image_mean\":[0.2,0.2,0.2],\"image_std\":[0.3,0.3,0.3],\"size\":{\"height\":8,"
        "\"width\":8},\"resample\":3}";
    char whole[512];
    save_vit("deit.pth", true);
    save_text("preprocessor_config.json", recipe);
    colours(converted("deit.pth", (convert_options){ 0 }), "vit", 0.2, 0.3);
    assert_string_equal(said, "");
    unlink(in("preprocessor_config.json"));
    snprintf(whole, sizeof whole, "\xef\xbb\xbf{\"image_processor\":%s}", recipe);
    save_text("processor_config.json", whole);
    colours(converted("deit.pth", (convert_options){ 0 }), "vit", 0.2, 0.3);
    assert_string_equal(said, "");
    save_vit("net.pth", false); /* a backbone alone is known by it */
    colours(converted("net.pth", (convert_options){ 0 }), "vit", 0.2, 0.3);
    unlink(in("net.pth"));
    unlink(in("processor_config.json"));
    unlink(in("deit.pth"));
}

/* ---- DINOv2 of its authors ----------------------------------------------------------------- */

static void make_dinov2(made_model *m, int registers)
{
    *m = (made_model){ 0 };
    add(m, "cls_token", 3, 1, 1, 64, 0);
    add(m, "mask_token", 2, 1, 64, 0, 0);
    add(m, "pos_embed", 3, 1, 37 * 37 + 1, 64, 0);
    if (registers)
        add(m, "register_tokens", 3, 1, registers, 64, 0);
    add(m, "patch_embed.proj.weight", 4, 64, 3, 14, 14);
    add(m, "patch_embed.proj.bias", 1, 64, 0, 0, 0);
    add_pair(m, "blocks.0.norm1", 64, 0);
    add_pair(m, "blocks.0.attn.qkv", 192, 64);
    add_pair(m, "blocks.0.attn.proj", 64, 64);
    add(m, "blocks.0.ls1.gamma", 1, 64, 0, 0, 0);
    add_pair(m, "blocks.0.norm2", 64, 0);
    add_pair(m, "blocks.0.mlp.w12", 128, 64);
    add_pair(m, "blocks.0.mlp.w3", 64, 64);
    add(m, "blocks.0.ls2.gamma", 1, 64, 0, 0, 0);
    add_pair(m, "norm", 64, 0);
}

static void dinov2_of_its_authors_is_read(void **state)
{
    for (int registers = 0; registers <= 4; registers += 4) {
        made_model m;
        int64_t lead = 0;
        make_dinov2(&m, registers);
        save_model(in("dinov2_vitg14_pretrain.pth"), &m, 0);
        gguf_file *g = converted("dinov2_vitg14_pretrain.pth", (convert_options){ 0 });
        assert_string_equal(gguf_file_architecture(g), "dinov2");
        assert_int_equal(gguf_get_int(g, "dinov2.vision.lead_tokens", &lead, NULL), RAP_OK);
        assert_int_equal(lead, 1 + registers);
        assert_int_equal(gguf_find(g, "v.position_embd.weight")->ne[1], 1 + registers + 16 * 16);
        says("taken for a DINOv2 of its authors");
        colours(g, "dinov2", 0.485, 0.229);
    }
    unlink(in("dinov2_vitg14_pretrain.pth"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_tells_deit),
        cmocka_unit_test(the_usual_is_said),
        cmocka_unit_test(the_user_may_say),
        cmocka_unit_test(what_lies_beside_counts),
        cmocka_unit_test(dinov2_of_its_authors_is_read),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

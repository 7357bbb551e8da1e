/* test_convert_names.c: checkpoints as trainers leave them: names with something in front, averages, and
 * models of kinds that are not read. */
#include "convert/convert.h"
#include "convert/made_models.h"
#include "formats/gguf_file.h"

#include <unistd.h>

static char work[64], in[128], out[128], said[2048];

static int set_up(void **state)
{
    snprintf(work, sizeof work, "/tmp/rap-names-XXXXXX");
    if (!mkdtemp(work))
        return 1;
    snprintf(in, sizeof in, "%s/net.pth", work);
    snprintf(out, sizeof out, "%s/out.gguf", work);
    return 0;
}

static int tear_down(void **state)
{
    unlink(in);
    unlink(out);
    return rmdir(work);
}

static void listen(void *payload, const char *line)
{
    size_t len = strlen(said);
    snprintf(said + len, sizeof said - len, "%s\n", line);
}

static rap_status convert(rap_err *err)
{
    *said = '\0';
    unlink(out);
    return convert_file(in, out, &(convert_options){ .remark = listen }, err);
}

/* ---- a pickle of several dicts, whose tensors share one storage ---------------------------- */

static buf pickle;
static made_model vit;

static void put_model(const char *prefix)
{
    buf_puts(&pickle, "}(");
    for (int i = 0; i < vit.count; i++) {
        char name[256];
        made_tensor t = vit.tensor[i];
        snprintf(name, sizeof name, "%s%s", prefix, vit.name[i]);
        t.name = name;
        t.elements = vit.elements;
        pickle_tensor_of(&pickle, &t);
    }
}

static void put_one(const char *name)
{
    made_tensor t = vit.tensor[0];
    t.name = name;
    t.elements = vit.elements;
    pickle_tensor_of(&pickle, &t);
}

static void begin(void)
{
    make_vit(&vit);
    buf_clear(&pickle);
    pickle_start(&pickle);
}

static void end(void)
{
    uint16_t *storage = calloc((size_t)vit.elements, 2);
    buf_putc(&pickle, '.');
    save_pickle(in, &pickle, storage, (size_t)vit.elements * 2);
    free(storage);
}

static void is_a_vit(void)
{
    gguf_file *g = NULL;
    rap_err err = { 0 };
    if (convert(&err) != RAP_OK || gguf_file_open(&g, out, &err) != RAP_OK)
        fail_msg("%s", err.text);
    assert_string_equal(gguf_file_architecture(g), "vit");
    assert_non_null(gguf_find(g, "v.blk.0.attn_qkv.weight"));
    gguf_file_close(g);
}

static void says(const char *words)
{
    if (!strstr(said, words))
        fail_msg("'%s' does not say '%s'", said, words);
}

/* ---- tests -------------------------------------------------------------------------------- */

static void prefixes_come_off(void **state)
{
    static const char *const prefixes[] = { "module.",
                                            "_orig_mod.",
                                            "model.",
                                            "module._orig_mod.",
                                            "_orig_mod.module.module.",
                                            "state_dict.model.ema.",
                                            "net.backbone.whatever.",
                                            "model.0." };
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        begin();
        put_model(prefixes[i]);
        buf_putc(&pickle, 'u');
        end();
        is_a_vit();
        assert_null(strstr(said, "took"));
    }
}

static void what_stands_beside_is_left_out_and_said(void **state)
{
    begin();
    put_model("model.");
    put_one("loss.weight");
    put_one("n_averaged");
    buf_putc(&pickle, 'u');
    end();
    is_a_vit();
    says("took the weights of 'model.', without 1 other tensors ('loss.weight')");
}

static void an_average_beside_is_preferred(void **state)
{
    begin();
    put_model("model.");
    buf_putc(&pickle, 'u');
    buf_putc(&pickle, '('); /* one dict: more into the same */
    make_vit(&vit);
    for (int i = 0; i < vit.count; i++) {
        char name[256];
        made_tensor t = vit.tensor[i];
        snprintf(name, sizeof name, "model_ema.%s", vit.name[i]);
        t.name = name;
        t.elements = vit.elements;
        pickle_tensor_of(&pickle, &t);
    }
    buf_putc(&pickle, 'u');
    end();
    is_a_vit();
    says("took the averaged weights of 'model_ema.'");
}

static void a_dict_of_averages_is_preferred(void **state)
{
    begin();
    buf_puts(&pickle, "}(");
    pickle_text(&pickle, "state_dict");
    put_model("module.");
    buf_putc(&pickle, 'u');
    pickle_text(&pickle, "state_dict_ema");
    put_model("module.");
    buf_putc(&pickle, 'u');
    pickle_text(&pickle, "args");
    buf_puts(&pickle, "cargparse\nNamespace\n)\x81}b");
    buf_putc(&pickle, 'u');
    end();
    is_a_vit();
    says("took the averaged weights ('state_dict_ema')");
}

static void refused_as(const char *name, const char *reason)
{
    rap_err err = { 0 };
    begin();
    buf_puts(&pickle, "}(");
    put_one(name);
    put_one("other");
    buf_putc(&pickle, 'u');
    end();
    assert_int_not_equal(convert(&err), RAP_OK);
    if (!strstr(err.text, reason) || !strstr(err.text, in))
        fail_msg("'%s' does not say '%s'", err.text, reason);
    assert_int_not_equal(access(out, F_OK), 0);
}

static void strangers_are_named(void **state)
{
    refused_as("backbone.image_model.stem.conv.weight", "take Ultralytics' yolov8s-worldv2.pt");
    refused_as("vit.embeddings.cls_token", "take the one that timm publishes");
    refused_as("embeddings.cls_token", "a ViT in the layout of Hugging Face");
    refused_as("dist_token", "a distilled DeiT");
    refused_as("visual.layer1.0.conv1.weight", "a CLIP with a ResNet");
    refused_as("model.layers.0.self_attn.q_proj.weight", "a language model");
    refused_as("nobody.knows", "not a kind of model that is read here");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prefixes_come_off),
        cmocka_unit_test(what_stands_beside_is_left_out_and_said),
        cmocka_unit_test(an_average_beside_is_preferred),
        cmocka_unit_test(a_dict_of_averages_is_preferred),
        cmocka_unit_test(strangers_are_named),
    };
    int failed = cmocka_run_group_tests(tests, set_up, tear_down);
    buf_release(&pickle);
    return failed;
}

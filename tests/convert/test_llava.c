/* test_llava.c: LLaVA checkpoints made by hand become the two files that llama.cpp loads, or are refused with the reason. */
#include "convert/made_llava.h"
#include "convert/work_folder.h"

#include "base/file.h"
#include "convert/convert.h"
#include "formats/gguf_file.h"
#include "generate/check/check.h"
#include "generate/quantise.h"
#include "generate/vlm.h"

#include <unistd.h>

static lv_model model;

/* ---- the folder ---- */

static void remove_all(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", work);
    assert_int_equal(system(command), 0);
}

static int fresh(void **state)
{
    snprintf(work, sizeof work, "/tmp/rap-llava-XXXXXX");
    return mkdtemp(work) ? file_make_folders(in("ck"), NULL) || file_make_folders(in("tower"), NULL)
                         : 1;
}

static int clean(void **state)
{
    remove_all();
    return 0;
}

static void save_vocabulary(int kind)
{
    buf b = BUF_INIT;
    spm_make(&b, kind);
    save_as(in("ck/tokenizer.model"), &b);
    buf_release(&b);
}

static void save_checkpoint(void)
{
    lv_save_part(&model, 0, model.count, in("ck/model.safetensors"));
}

static void make(lv_layout layout, bool phi3, bool with_tower)
{
    lv_make(&model, layout, phi3, with_tower);
    save_checkpoint();
    save_vocabulary(2);
    save_text(in("ck/config.json"), lv_config(layout, phi3));
}

static void make_tower(void)
{
    lv_model clip = { 0 };
    lv_tower(&clip, "vision_model.");
    lv_save_part(&clip, 0, clip.count, in("tower/model.safetensors"));
    save_text(in("tower/config.json"), "{\"model_type\": \"clip_vision_model\", " LV_VISION "}");
}

static rap_status convert(const char *type, const char *clip, rap_err *err)
{
    convert_options o = { .tower = clip, .quantise = quantise };
    rap_status status = convert_set_type(&o, type, err);
    return status ? status : convert_file(in("ck"), in("out"), &o, err);
}

static void converts(const char *type, const char *clip)
{
    rap_err err = { 0 };
    check_facts facts;
    if (convert(type, clip, &err) || check_model(&facts, in("out/model.gguf"), &err) ||
        check_mmproj(in("out/mmproj.gguf"), &facts, &err))
        fail_msg("%s", err.text);
    assert_true(facts.known);
}

static void refuses(const char *clip, const char *reason)
{
    rap_err err = { 0 };
    assert_int_not_equal(convert(NULL, clip, &err), RAP_OK);
    if (!strstr(err.text, reason) || !strstr(err.text, work))
        fail_msg("'%s' does not say '%s' and '%s'", err.text, reason, work);
    assert_false(file_exists(in("out/model.gguf")));
}

static gguf_file *opened(const char *name)
{
    gguf_file *g = NULL;
    rap_err err = { 0 };
    if (gguf_file_open(&g, in(name), &err))
        fail_msg("%s", err.text);
    return g;
}

static int64_t int_of(const gguf_file *g, const char *key)
{
    int64_t value = -1;
    rap_err err = { 0 };
    if (gguf_get_int(g, key, &value, &err))
        fail_msg("%s", err.text);
    return value;
}

static double float_of(const gguf_file *g, const char *key)
{
    double value = -1;
    assert_int_equal(gguf_get_float(g, key, &value, NULL), RAP_OK);
    return value;
}

/* ---- what comes out ---- */

static float number_of(const gguf_file *g, const gguf_tensor *t, int64_t i)
{
    float *all = malloc(sizeof *all * (size_t)(t->ne[0] * t->ne[1] * t->ne[2] * t->ne[3]));
    assert_int_equal(gguf_to_f32(g, t, all, NULL), RAP_OK);
    float value = all[i];
    free(all);
    return value;
}

/* Row `row` of tensor `to` is row `from_row` of the checkpoint's tensor that ends in `from`. */
static void same_row(const gguf_file *g, const char *to, int64_t row, const char *from,
                     int64_t from_row)
{
    const gguf_tensor *t = gguf_find(g, to);
    const lv_tensor *source = lv_find(&model, from);
    assert_non_null(t);
    for (int64_t i = 0; i < t->ne[0]; i += 7)
        assert_true(number_of(g, t, row * t->ne[0] + i) ==
                    gguf_half_to_float(made_half(source->at + from_row * t->ne[0] + i)));
}

static void decoder_of_llama(void **state)
{
    make(LV_AUTHORS, false, false);
    make_tower();
    converts(NULL, in("tower"));
    gguf_file *g = opened("out/model.gguf");
    assert_string_equal(gguf_file_architecture(g), "llama");
    assert_int_equal(gguf_tensor_count(g), 12);
    assert_int_equal(gguf_find(g, "token_embd.weight")->type, GGUF_F16);
    assert_int_equal(gguf_find(g, "blk.0.attn_norm.weight")->type, GGUF_F32);
    /* halves of a head become pairs: 64 rows, 0 32 1 33 … */
    same_row(g, "blk.0.attn_q.weight", 0, "q_proj.weight", 0);
    same_row(g, "blk.0.attn_q.weight", 1, "q_proj.weight", 32);
    same_row(g, "blk.0.attn_q.weight", 64 + 6, "q_proj.weight", 64 + 3);
    same_row(g, "blk.0.attn_k.weight", 127, "k_proj.weight", 127);
    same_row(g, "blk.0.attn_k.weight", 126, "k_proj.weight", 95);
    same_row(g, "blk.0.attn_v.weight", 1, "v_proj.weight", 1);
    same_row(g, "output.weight", 299, "lm_head.weight", 299);
    same_row(g, "blk.0.ffn_norm.weight", 0, "post_attention_layernorm.weight", 0);
    assert_int_equal(int_of(g, "llama.attention.head_count_kv"), 2);
    assert_int_equal(int_of(g, "llama.rope.dimension_count"), 64);
    assert_int_equal(int_of(g, "llama.context_length"), 512);
    assert_int_equal(int_of(g, "general.file_type"), 1);
    assert_true(float_of(g, "llama.rope.freq_base") == 10000);
    gguf_file_close(g);
}

static void decoder_of_phi3(void **state)
{
    const char *name;
    size_t len;
    make(LV_AUTHORS, true, false);
    save_text(in("ck/added_tokens.json"), "{\"<|endoftext|>\": 280, \"<|end|>\": 281}");
    make_tower();
    converts("f32", in("tower"));
    gguf_file *g = opened("out/model.gguf");
    assert_string_equal(gguf_file_architecture(g), "phi3");
    assert_int_equal(gguf_tensor_count(g), 9);
    assert_int_equal(gguf_find(g, "blk.0.attn_qkv.weight")->type, GGUF_F32);
    same_row(g, "blk.0.attn_qkv.weight", 5, "qkv_proj.weight", 5);
    same_row(g, "blk.0.ffn_up.weight", 300, "gate_up_proj.weight", 300);
    assert_int_equal(int_of(g, "phi3.attention.sliding_window"), 2047);
    assert_int_equal(gguf_get_string(g, "general.name", &name, &len, NULL), RAP_OK);
    assert_int_equal(len, strlen("ck (Phi-3)")); /* the name decides how llama.cpp tokenises */
    assert_memory_equal(name, "ck (Phi-3)", len);
    assert_int_equal(int_of(g, "phi3.rope.scaling.original_context_length"), 512);
    gguf_file_close(g);
}

static void tower_and_projector(void **state)
{
    make(LV_AUTHORS, false, true);
    make_tower(); /* for what the tensors do not tell; the checkpoint's own is taken */
    save_text(in("ck/config.json"),
              "{" LV_TEXT ", \"model_type\": \"llava\", \"vision_config\": {" LV_VISION "}}");
    converts("f16", NULL);
    gguf_file *g = opened("out/mmproj.gguf");
    int64_t layer = 0;
    bool flag = true;
    assert_int_equal(int_of(g, "clip.vision.block_count"), 2); /* of 3: the last is not used */
    assert_int_equal(gguf_array_int(g, "clip.vision.feature_layer", 0, &layer, NULL), RAP_OK);
    assert_int_equal(layer, 2);
    assert_int_equal(int_of(g, "clip.vision.attention.head_count"), 2);
    assert_int_equal(int_of(g, "clip.vision.image_size"), 8);
    assert_int_equal(gguf_get_bool(g, "clip.use_gelu", &flag, NULL), RAP_OK);
    assert_false(flag);
    assert_null(gguf_find(g, "v.blk.2.ln1.weight"));
    assert_null(gguf_find(g, "v.post_ln.weight"));
    assert_int_equal(gguf_find(g, "v.class_embd")->type, GGUF_F32);
    assert_int_equal(gguf_find(g, "v.position_embd.weight")->type, GGUF_F32);
    assert_int_equal(gguf_find(g, "v.patch_embd.weight")->type, GGUF_F16);
    same_row(g, "v.position_embd.weight", 4, "position_embedding.weight", 4);
    same_row(g, "v.blk.1.ffn_up.weight", 9, "layers.1.mlp.fc1.weight", 9);
    same_row(g, "v.blk.0.attn_q.weight", 1, "encoder.layers.0.self_attn.q_proj.weight", 1);
    same_row(g, "mm.2.weight", 255, "mm_projector.2.weight", 255);
    gguf_file_close(g);
}

/* The three layouts of one model give the same tensors. */
static void layouts(void **state)
{
    for (int layout = LV_OLD; layout <= LV_NEW; layout++)
        for (int phi3 = 0; phi3 < 2; phi3++) {
            make((lv_layout)layout, phi3, true);
            converts("bf16", NULL);
            gguf_file *g = opened("out/model.gguf");
            assert_int_equal(int_of(g, "general.file_type"), 32);
            assert_int_equal(gguf_find(g, "output.weight")->type, GGUF_BF16);
            gguf_file_close(g);
            g = opened("out/mmproj.gguf");
            assert_int_equal(gguf_find(g, "v.patch_embd.weight")->type, GGUF_F32); /* no bf16 */
            gguf_file_close(g);
        }
}

static void shards(void **state)
{
    lv_make(&model, LV_AUTHORS, false, false);
    make_tower();
    save_vocabulary(2);
    save_text(in("ck/config.json"), lv_config(LV_AUTHORS, false));
    buf index = BUF_INIT;
    buf_puts(&index, "{\"weight_map\": {");
    for (int i = 0; i < model.count; i++)
        buf_printf(&index, "%s\"%s\": \"model-%d.safetensors\"", i ? ", " : "",
                   model.tensor[i].name, i < 5 ? 1 : 2);
    buf_puts(&index, "}}");
    save_text(in("ck/model.safetensors.index.json"), buf_text(&index));
    buf_release(&index);
    lv_save_part(&model, 0, 5, in("ck/model-1.safetensors"));
    refuses(in("tower"), "shard 'model-2.safetensors' is missing");
    lv_save_part(&model, 5, model.count - 1, in("ck/model-2.safetensors"));
    refuses(in("tower"), "model.mm_projector.2.bias");
    lv_save_part(&model, 5, model.count, in("ck/model-2.safetensors"));
    converts(NULL, in("tower"));
}

/* ---- types ---- */

static void quantised_types(void **state)
{
    make(LV_OLD, false, true);
    for (size_t i = 0; convert_quantised_type(i); i++) {
        converts(convert_quantised_type(i), NULL);
        gguf_file *g = opened("out/model.gguf");
        assert_int_not_equal(gguf_find(g, "blk.0.ffn_up.weight")->type, GGUF_F16);
        assert_int_equal(gguf_find(g, "output_norm.weight")->type, GGUF_F32);
        gguf_file_close(g);
        g = opened("out/mmproj.gguf");
        assert_int_equal(gguf_find(g, "mm.0.weight")->type, GGUF_F16);
        gguf_file_close(g);
    }
    converts("q8_0", NULL);
    gguf_file *g = opened("out/mmproj.gguf");
    assert_int_equal(gguf_find(g, "mm.0.weight")->type, GGUF_Q8_0);
    gguf_file_close(g);
}

static void quantising_needs_a_quantiser(void **state)
{
    rap_err err = { 0 };
    convert_options o = { .part = CONVERT_LLM };
    make(LV_OLD, false, true);
    assert_int_equal(convert_set_type(&o, "q4_k_m", &err), RAP_OK);
    assert_int_equal(convert_file(in("ck"), in("m.gguf"), &o, &err), RAP_E_UNSUPPORTED);
    assert_false(file_exists(in("m.gguf")));
    assert_int_equal(
        quantise(in("ck/config.json"), in("m.gguf"), "m.gguf", "q4_k_m", NULL, NULL, &err),
        RAP_E_FORMAT);
    assert_int_equal(quantise(in("ck/config.json"), in("m.gguf"), "m.gguf", "q9", NULL, NULL, &err),
                     RAP_E_ARGUMENT);
}

static void llama_loads_them(void **state)
{
    static const char *const types[] = { NULL, "q4_k_m" };
    for (int phi3 = 0; phi3 < 2; phi3++)
        for (int i = 0; i < 2; i++) {
            rap_err err = { 0 };
            vlm *v = NULL;
            make(LV_NEW, phi3, true);
            if (i == 1)
                save_text(in("ck/added_tokens.json"), "{\"<|endoftext|>\": 280}");
            converts(types[i], NULL);
            const vlm_options o = { .model = in("out/model.gguf"),
                                    .mmproj = in("out/mmproj.gguf"),
                                    .style = "chat",
                                    .context = 64,
                                    .threads = 1 };
            if (vlm_open(&v, &o, &err))
                fail_msg("%s", err.text);
            vlm_close(v);
        }
}

/* ---- the vocabulary ---- */

static void is_token(const gguf_file *g, size_t i, const char *text, double score, int type)
{
    const char *is;
    size_t len;
    double has = 1;
    int64_t kind = 0;
    assert_int_equal(gguf_array_string(g, "tokenizer.ggml.tokens", i, &is, &len, NULL), RAP_OK);
    assert_int_equal(len, strlen(text));
    assert_memory_equal(is, text, len);
    assert_int_equal(gguf_array_float(g, "tokenizer.ggml.scores", i, &has, NULL), RAP_OK);
    assert_true(has == score);
    assert_int_equal(gguf_array_int(g, "tokenizer.ggml.token_type", i, &kind, NULL), RAP_OK);
    assert_int_equal(kind, type);
}

static void pieces_and_added_tokens(void **state)
{
    make(LV_OLD, false, true);
    save_text(in("ck/added_tokens.json"), "{\"<image>\": 280, \"<pad>\": 281, \"far\": 4000}");
    save_text(in("ck/tokenizer_config.json"),
              "{\"add_bos_token\": true, \"add_prefix_space\": false, \"bos_token\": \"<s>\", "
              "\"chat_template\": \"{{ messages }}\", \"added_tokens_decoder\": {"
              "\"280\": {\"content\": \"<image>\", \"special\": false}, "
              "\"282\": {\"content\": \"<|end|>\", \"special\": false}, "
              "\"283\": {\"content\": \"a\xE2\x96\x81mark\", \"special\": false}}}");
    converts(NULL, NULL);
    gguf_file *g = opened("out/model.gguf");
    const char *text;
    size_t len;
    bool flag = false;
    is_token(g, 0, "<unk>", 0, 2);
    is_token(g, 1, "<s>", 0, 3);
    is_token(g, 3 + 0x41, "<0x41>", 0, 6);
    is_token(g, 260, "he", -1, 1);
    is_token(g, 280, "<image>", -1000, 4);
    is_token(g, 281, "<pad>", -1000, 4); /* only added_tokens.json names it */
    is_token(g, 282, "<|end|>", -1000, 3);
    is_token(g, 283, "a mark", -1000, 4);
    is_token(g, 299, "[PAD299]", -10000, 5);
    assert_int_equal(int_of(g, "tokenizer.ggml.bos_token_id"), 1);
    assert_int_equal(int_of(g, "tokenizer.ggml.padding_token_id"), 0);
    assert_int_equal(gguf_get_bool(g, "tokenizer.ggml.add_bos_token", &flag, NULL), RAP_OK);
    assert_true(flag);
    assert_int_equal(gguf_get_bool(g, "tokenizer.ggml.add_space_prefix", &flag, NULL), RAP_OK);
    assert_false(flag);
    assert_int_equal(gguf_get_string(g, "tokenizer.chat_template", &text, &len, NULL), RAP_OK);
    assert_memory_equal(text, "{{ messages }}", len);
    gguf_file_close(g);
}

/* The same vocabulary as a tokenizer.json, `middle` between its pieces and its end. */
static void save_tokenizer_json(const char *merges, const char *fallback)
{
    static const char *const pieces[] = {
        "\xE2\x96\x81t", "he", "\xE2\x96\x81the", "\xE2\x96\x81", "t", "h", "e"
    };
    buf b = BUF_INIT;
    buf_printf(&b,
               "{\"model\": {\"type\": \"BPE\", \"byte_fallback\": %s, \"vocab\": {\"<unk>\": 0, "
               "\"<s>\": 1, \"</s>\": 2",
               fallback);
    for (int i = 0; i < 256; i++)
        buf_printf(&b, ", \"<0x%02X>\": %d", (unsigned)i, 3 + i);
    for (int i = 0; i < 7; i++)
        buf_printf(&b, ", \"%s\": %d", pieces[i], 259 + i);
    buf_printf(
        &b,
        "}, \"merges\": %s}, \"added_tokens\": [{\"id\": 0, \"content\": \"<unk>\", "
        "\"special\": true}, {\"id\": 1, \"content\": \"<s>\", \"special\": true}, {\"id\": 2, "
        "\"content\": \"</s>\", \"special\": true}, {\"id\": 266, \"content\": \"<x>\", "
        "\"special\": false}]}",
        merges);
    save_text(in("ck/tokenizer.json"), buf_text(&b));
    buf_release(&b);
    unlink(in("ck/tokenizer.model"));
}

static void merges_become_scores(void **state)
{
    static const char *const forms[] = {
        "[\"\xE2\x96\x81 t\", \"h e\", \"\xE2\x96\x81t he\"]",
        "[[\"\xE2\x96\x81\", \"t\"], [\"h\", \"e\"], [\"\xE2\x96\x81t\", \"he\"]]",
    };
    make(LV_OLD, false, true);
    for (int i = 0; i < 2; i++) {
        save_tokenizer_json(forms[i], "true");
        converts(NULL, NULL);
        gguf_file *g = opened("out/model.gguf");
        is_token(g, 0, "<unk>", -1000, 3);
        is_token(g, 258, "<0xFF>", 0, 6);
        is_token(g, 259, "\xE2\x96\x81t", 0, 1);
        is_token(g, 261, "\xE2\x96\x81the", -2, 1);
        is_token(g, 262, "\xE2\x96\x81", -3, 1); /* no merge makes it */
        is_token(g, 266, "<x>", -1000, 4);
        gguf_file_close(g);
        unlink(in("out/model.gguf"));
    }
    save_tokenizer_json("[\"x y\"]", "true");
    refuses(NULL, "merge 0 makes no token");
    save_tokenizer_json("[3]", "true");
    refuses(NULL, "merge 0 makes no token");
    save_tokenizer_json("[]", "false");
    refuses(NULL, "byte-level vocabulary");
    save_text(in("ck/tokenizer.json"), "{\"model\": {\"type\": \"Unigram\"}}");
    refuses(NULL, "no vocabulary of byte-pair merges");
    unlink(in("ck/tokenizer.json"));
    refuses(NULL, "needs the tokenizer.model");
}

static void damaged_vocabularies(void **state)
{
    make(LV_OLD, false, true);
    save_text(in("ck/tokenizer.model"), "version https://git-lfs.github.com/spec/v1\n");
    refuses(NULL, "tokenizer.model");
    save_vocabulary(2);
    save_text(in("ck/added_tokens.json"), "{\"he\": 281}");
    refuses(NULL, "tokens 260 and 281 of its vocabulary are both 'he'");
    save_text(in("ck/added_tokens.json"), "{\"x\": -1}");
    refuses(NULL, "added token without a text or a number");
    unlink(in("ck/added_tokens.json"));
    save_text(in("ck/tokenizer_config.json"),
              "{\"added_tokens_decoder\": {\"1x\": {\"content\": \"a\"}}}");
    refuses(NULL, "added token without a text or a number");
}

static void listen(void *payload, const char *line)
{
    snprintf(payload, 512, "%s", line);
}

static void other_vocabularies_are_remarked(void **state)
{
    char said[512] = "";
    rap_err err = { 0 };
    const convert_options o = { .remark = listen, .payload = said };
    make(LV_OLD, false, true);
    save_vocabulary(1);
    assert_int_equal(convert_file(in("ck"), in("out"), &o, &err), RAP_OK);
    assert_non_null(strstr(said, "has no byte-pair merges"));
}

/* ---- what is refused ---- */

static void sizes_must_agree(void **state)
{
    make(LV_OLD, false, true);
    lv_find(&model, "v_proj.weight")->size[0] += 1;
    save_checkpoint();
    refuses(NULL, "v_proj.weight' is 129 × 256, where 128 × 256 was expected");
    make(LV_OLD, false, true);
    lv_find(&model, "linear_1.weight")->size[1] -= 1;
    save_checkpoint();
    refuses(NULL, "linear_1.weight' is 256 × 63, where 256 × 64 was expected");
    make(LV_OLD, false, true);
    lv_tensor *q = lv_find(&model, "model.layers.0.self_attn.q_proj.weight");
    q->dims = 4; /* an axis more is another shape, too */
    memcpy(q->size, (int64_t[]){ 1, 256, 256, 1 }, sizeof q->size);
    save_checkpoint();
    refuses(NULL, "q_proj.weight' is 1 × 256 × 256 × 1, where 256 × 256 was expected");
    make(LV_OLD, false, true);
    snprintf(lv_find(&model, "down_proj.weight")->name, 200, "language_model.model.extra");
    save_checkpoint();
    refuses(NULL, "impossible shape");
    make(LV_OLD, false, true);
    lv_add(&model, "language_model.model.", "layers.0.self_attn.q_proj.bias", 256, 0);
    save_checkpoint();
    refuses(NULL, "q_proj.bias', which this kind of model does not have");
    make(LV_OLD, false, true);
    save_text(in("ck/config.json"),
              "{\"text_config\": {\"vocab_size\": 301, \"model_type\": \"llama\"}, "
              "\"vision_config\": {" LV_VISION "}}");
    refuses(NULL, "\"text_config.vocab_size\" is 301, but the tensors say 300");
    save_text(in("ck/config.json"),
              "{\"text_config\": {\"num_attention_heads\": 3}, \"vision_config\": {" LV_VISION
              "}}");
    refuses(NULL, "3 heads");
}

static void other_models(void **state)
{
    make(LV_OLD, false, true);
    save_text(in("ck/config.json"), "{\"text_config\": {\"model_type\": \"mistral\"}}");
    refuses(NULL, "language model 'mistral', which is not read");
    save_text(in("ck/config.json"),
              "{\"text_config\": {\"model_type\": \"llama\", \"rope_scaling\": "
              "{\"type\": \"dynamic\", \"factor\": 2}}, \"vision_config\": {" LV_VISION "}}");
    refuses(NULL, "positions scaled by 'dynamic'");
    save_text(in("ck/config.json"),
              "{\"text_config\": {\"model_type\": \"llama\", \"hidden_act\": \"gelu\"}, "
              "\"vision_config\": {" LV_VISION "}}");
    refuses(NULL, "'gelu' where 'silu' is known");
    save_text(in("ck/config.json"),
              "{\"text_config\": {}, \"vision_feature_select_strategy\": \"full\", "
              "\"vision_config\": {" LV_VISION "}}");
    refuses(NULL, "the class token is a token");
    save_text(in("ck/config.json"), "{\"text_config\": {}, \"vision_feature_layer\": [-2, -5], "
                                    "\"vision_config\": {" LV_VISION "}}");
    refuses(NULL, "several outputs");
    save_text(in("ck/config.json"), "{\"text_config\": {}, \"vision_feature_layer\": -9, "
                                    "\"vision_config\": {" LV_VISION "}}");
    refuses(NULL, "output -9 of an image tower of 3 blocks");
    unlink(in("ck/config.json"));
    refuses(NULL, "needs the config.json");
    make(LV_AUTHORS, false, true);
    save_text(in("ck/config.json"), "{" LV_TEXT ", \"mm_patch_merge_type\": \"spatial_unpad\"}");
    refuses(NULL, "LLaVA-1.6");
}

static void towers(void **state)
{
    make(LV_AUTHORS, false, false);
    refuses(NULL, "download openai/clip-vit-large-patch14-336 and name its folder with --tower");
    refuses(in("nowhere"), "nowhere");
    save_text(in("tower/config.json"), "{}");
    lv_save_part(&model, 0, 2, in("tower/model.safetensors"));
    refuses(in("tower"), "is not a CLIP in Hugging Face's layout");
    make_tower();
    save_text(in("tower/config.json"), "{\"hidden_act\": \"silu\"}");
    refuses(in("tower"), "'silu' is not read");
    /* its own tower, of a name that nobody knows */
    make(LV_AUTHORS, false, true);
    save_text(in("ck/config.json"),
              "{" LV_TEXT ", \"model_type\": \"llava\", \"mm_vision_tower\": \"mine\"}");
    refuses(NULL, "of which kind its image tower is");
    save_text(in("tower/config.json"), "{" LV_VISION "}");
    converts(NULL, in("tower"));
    gguf_file *g = opened("out/mmproj.gguf");
    assert_int_equal(int_of(g, "clip.vision.attention.head_count"), 2);
    gguf_file_close(g);
    unlink(in("out/model.gguf"));
    /* narrower than a head of OpenAI's */
    save_text(in("ck/config.json"), lv_config(LV_AUTHORS, false));
    for (int i = 0; i < model.count; i++)
        for (int k = 0; k < 2 && strstr(model.tensor[i].name, "vision_tower"); k++)
            if (model.tensor[i].size[k] == LV_TOWER)
                model.tensor[i].size[k] = LV_TOWER / 2;
    lv_find(&model, "mm_projector.0.weight")->size[1] = LV_TOWER / 2;
    save_checkpoint();
    refuses(NULL, "0 heads do not divide a width of 32");
    make(LV_AUTHORS, false, true);
    /* and of one of OpenAI's: 64 floats a head */
    save_text(in("ck/config.json"), lv_config(LV_AUTHORS, false));
    converts(NULL, NULL);
    g = opened("out/mmproj.gguf");
    assert_int_equal(int_of(g, "clip.vision.attention.head_count"), 1);
    gguf_file_close(g);
}

static void numbers_must_be_finite(void **state)
{
    make(LV_OLD, false, true);
    FILE *f = fopen(in("ck/model.safetensors"), "r+b");
    assert_non_null(f);
    fseek(f, -2, SEEK_END);
    assert_int_equal(fwrite("\0\x7c", 1, 2, f),
                     2); /* of the norm behind the tower, which is not used */
    fclose(f);
    converts(NULL, NULL);
    unlink(in("out/model.gguf"));
    f = fopen(in("ck/model.safetensors"), "r+b");
    uint64_t header = 0;
    assert_int_equal(fread(&header, 8, 1, f), 1);
    fseek(f, 8 + (long)header, SEEK_SET);
    assert_int_equal(fwrite("\0\x7c", 1, 2, f), 2); /* of the token table */
    fclose(f);
    refuses(NULL, "embed_tokens.weight' holds a number that is not finite");
}

static void outputs(void **state)
{
    rap_err err = { 0 };
    make(LV_OLD, false, true);
    assert_int_equal(convert_file(in("ck"), in("out.gguf"), &(convert_options){ 0 }, &err),
                     RAP_E_ARGUMENT);
    assert_non_null(strstr(err.text, "name a folder"));
    save_text(in("file"), "kept");
    assert_int_equal(convert_file(in("ck"), in("file"), &(convert_options){ 0 }, &err),
                     RAP_E_ARGUMENT);
    assert_int_equal(
        convert_file(in("ck"), in("out"), &(convert_options){ .image_size = 16 }, &err),
        RAP_E_UNSUPPORTED);
    assert_int_equal(
        convert_file(in("ck"), in("m.gguf"), &(convert_options){ .part = CONVERT_MMPROJ }, &err),
        RAP_OK);
    gguf_file *g = opened("m.gguf");
    assert_string_equal(gguf_file_architecture(g), "clip");
    gguf_file_close(g);
}

typedef struct stopper {
    int left;
} stopper;

static int stop(const char *what, uint64_t done, uint64_t total, void *payload)
{
    stopper *s = payload;
    assert_true(done <= total);
    return s->left-- <= 0;
}

static void assert_kept(const char *name)
{
    char *text = NULL;
    size_t size;
    assert_int_equal(file_read(&text, &size, in(name), 1 << 20, NULL), RAP_OK);
    assert_string_equal(text, "old");
    free(text);
}

/* A new projector next to an old language model would answer nonsense. */
static void both_files_or_none(void **state)
{
    stopper s = { 0 };
    rap_err err = { 0 };
    const convert_options stopped = { .on_progress = stop, .payload = &s };
    make(LV_OLD, false, true);
    assert_int_equal(file_make_folders(in("out"), NULL), RAP_OK);
    save_text(in("out/mmproj.gguf"), "old");
    save_text(in("out/model.gguf"), "old");
    for (s.left = 50; s.left > 0; s.left -= 7) {
        int left = s.left;
        if (convert_file(in("ck"), in("out"), &stopped, &err) == RAP_OK)
            fail_msg("not stopped after %d tensors", left);
        assert_kept("out/mmproj.gguf");
        assert_kept("out/model.gguf");
        s.left = left;
    }
    save_text(in("ck/tokenizer.model"), "no vocabulary");
    assert_int_not_equal(convert_file(in("ck"), in("out"), &(convert_options){ 0 }, &err), RAP_OK);
    assert_kept("out/mmproj.gguf");
    save_vocabulary(2);
    unlink(in("out/model.gguf"));
    assert_int_equal(file_make_folders(in("out/model.gguf"), NULL), RAP_OK);
    assert_int_equal(convert("q4_k_m", NULL, &err), RAP_E_ARGUMENT);
    assert_non_null(strstr(err.text, "model.gguf: is a folder"));
    assert_kept("out/mmproj.gguf");
    assert_int_equal(convert_file(in("ck"), "", &(convert_options){ 0 }, &err), RAP_E_ARGUMENT);
    assert_non_null(strstr(err.text, "empty"));
}

static void refuses_config(bool phi3, const char *text, const char *vision, const char *reason)
{
    char config[2048];
    make(LV_OLD, phi3, true);
    snprintf(config, sizeof config,
             "{\"model_type\": \"llava\", %s\"text_config\": {" LV_TEXT
             ", \"model_type\": \"%s\"%s}, \"vision_config\": {" LV_VISION "}}",
             vision, phi3 ? "phi3" : "llama", text);
    save_text(in("ck/config.json"), config);
    refuses(NULL, reason);
}

static void impossible_settings(void **state)
{
    const char *base = "\"rope_theta\" is not a number from 1";
    refuses_config(false, ", \"rope_parameters\": {\"rope_theta\": 1e300}", "", base);
    refuses_config(true, ", \"rope_parameters\": {\"rope_theta\": -4}", "", base);
    refuses_config(false, ", \"rope_scaling\": {\"type\": \"linear\", \"factor\": 1e300}", "",
                   "the \"factor\" of its positions");
    refuses_config(true, ", \"partial_rotary_factor\": 1e300", "", "impossible numbers");
    refuses_config(true, ", \"partial_rotary_factor\": 1e-9", "", "impossible numbers");
    refuses_config(true, ", \"original_max_position_embeddings\": -1e300", "",
                   "impossible numbers");
    refuses_config(false, "", "\"projector_hidden_act\": \"relu\", ",
                   "a projector with 'relu' where 'gelu' is known");
    make(LV_OLD, false, true);
    save_text(in("ck/tokenizer_config.json"), "{}");
    save_text(in("ck/chat_template.jinja"), "\xff\xfe{");
    refuses(NULL, "chat_template.jinja: is not a text in UTF-8");
}

static void a_stop_leaves_nothing(void **state)
{
    stopper s = { 3 };
    rap_err err = { 0 };
    const convert_options o = { .part = CONVERT_LLM, .on_progress = stop, .payload = &s };
    make(LV_OLD, false, true);
    assert_int_equal(convert_file(in("ck"), in("out.gguf"), &o, &err), RAP_E_CANCELLED);
    assert_false(file_exists(in("out.gguf")));
    char command[160];
    snprintf(command, sizeof command, "ls -A '%s' | grep -q rap-tmp", work);
    assert_int_not_equal(system(command), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(decoder_of_llama, fresh, clean),
        cmocka_unit_test_setup_teardown(decoder_of_phi3, fresh, clean),
        cmocka_unit_test_setup_teardown(tower_and_projector, fresh, clean),
        cmocka_unit_test_setup_teardown(layouts, fresh, clean),
        cmocka_unit_test_setup_teardown(shards, fresh, clean),
        cmocka_unit_test_setup_teardown(quantised_types, fresh, clean),
        cmocka_unit_test_setup_teardown(quantising_needs_a_quantiser, fresh, clean),
        cmocka_unit_test_setup_teardown(llama_loads_them, fresh, clean),
        cmocka_unit_test_setup_teardown(pieces_and_added_tokens, fresh, clean),
        cmocka_unit_test_setup_teardown(merges_become_scores, fresh, clean),
        cmocka_unit_test_setup_teardown(damaged_vocabularies, fresh, clean),
        cmocka_unit_test_setup_teardown(other_vocabularies_are_remarked, fresh, clean),
        cmocka_unit_test_setup_teardown(sizes_must_agree, fresh, clean),
        cmocka_unit_test_setup_teardown(other_models, fresh, clean),
        cmocka_unit_test_setup_teardown(towers, fresh, clean),
        cmocka_unit_test_setup_teardown(numbers_must_be_finite, fresh, clean),
        cmocka_unit_test_setup_teardown(outputs, fresh, clean),
        cmocka_unit_test_setup_teardown(both_files_or_none, fresh, clean),
        cmocka_unit_test_setup_teardown(impossible_settings, fresh, clean),
        cmocka_unit_test_setup_teardown(a_stop_leaves_nothing, fresh, clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

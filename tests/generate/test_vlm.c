/* test_vlm.c: opening models: what they say of themselves, adapters, styles, and mismatches. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/mem.h"
#include "fixture.h"
#include "formats/gguf_file.h"
#include "generate/session.h"

enum { WIDTH = 128, RANK = 4 }; /* of the random pair, and of the adapter made for it */

static vlm_options options_of(const pair *p)
{
    return (vlm_options){ .model = p->model,
                          .mmproj = p->mmproj,
                          .style = "rap",
                          .turns = rap_turns,
                          .threads = 1,
                          .context = 256 };
}

static char *answer_of(const vlm_options *o, const session_turn *turn)
{
    rap_err err = { 0 };
    session_answer a = { .text = NULL };
    session *s = NULL;
    vlm *v = NULL;

    if (vlm_open(&v, o, &err) || session_open(&s, v, &err) || session_ask(s, turn, &a, &err))
        fail_msg("%s", err.text);
    session_close(s);
    vlm_close(v);
    return a.text;
}

static void the_fingerprint_names_both_files(void **state)
{
    char with[65], without[65];
    vlm_options o;
    pair p;
    vlm *v = NULL;

    if (!find_pair(&p, "random"))
        return;
    o = options_of(&p);
    assert_int_equal(vlm_open(&v, &o, NULL), RAP_OK);
    snprintf(with, sizeof with, "%s", vlm_fingerprint(v));
    assert_int_equal(strlen(with), 64);
    assert_string_equal(with, vlm_fingerprint(v));
    vlm_close(v);

    o.mmproj = NULL;
    assert_int_equal(vlm_open(&v, &o, NULL), RAP_OK);
    assert_false(vlm_has_vision(v));
    snprintf(without, sizeof without, "%s", vlm_fingerprint(v));
    assert_string_not_equal(with, without);
    vlm_close(v);

    o.mmproj = p.mmproj; /* a given identity is not computed */
    o.model_sha256 = "aa";
    o.mmproj_sha256 = "bb";
    assert_int_equal(vlm_open(&v, &o, NULL), RAP_OK);
    assert_string_not_equal(with, vlm_fingerprint(v));
    assert_int_equal(strlen(vlm_fingerprint(v)), 64);
    vlm_close(v);
}

/* ---- adapters ---- */

static void write_adapter(const char *path, const char *type, int64_t width, float strength)
{
    float *a = mem_array((size_t)(width * RANK), sizeof *a),
          *b = mem_array(RANK * WIDTH, sizeof *b);
    gguf_writer *w = gguf_writer_new("llama");

    assert_true(a && b && w);
    for (int64_t i = 0; i < width * RANK; i++)
        a[i] = strength * (float)(i % 7 - 3);
    for (int64_t i = 0; i < RANK * WIDTH; i++)
        b[i] = strength * (float)(i % 5 - 2);
    gguf_put_string(w, "general.type", type, strlen(type));
    gguf_put_string(w, "adapter.type", "lora", 4);
    gguf_put_float(w, "adapter.lora.alpha", (float)RANK);
    gguf_put_tensor(w, "blk.0.attn_output.weight.lora_a", GGUF_F32, 2, (int64_t[]){ width, RANK },
                    a);
    gguf_put_tensor(w, "blk.0.attn_output.weight.lora_b", GGUF_F32, 2, (int64_t[]){ RANK, WIDTH },
                    b);
    assert_int_equal(gguf_writer_save(w, path, NULL), RAP_OK);
    gguf_writer_free(w);
    free(a);
    free(b);
}

static void an_adapter_changes_the_model(void **state)
{
    char path[] = "/tmp/rap-lora-XXXXXX";
    session_turn turn = { .question = "Tell me a story.", .max_tokens = 24 };
    rap_err err = { 0 };
    vlm_lora lora[2] = { { path, 1 }, { path, -1 } };
    char *plain, *adapted, *both;
    vlm_options o;
    vlm *v = NULL;
    pair p;

    if (!find_pair(&p, "random"))
        return;
    close(mkstemp(path));
    o = options_of(&p);
    plain = answer_of(&o, &turn);
    o.lora = lora;
    o.loras = 1;
    write_adapter(path, "adapter", WIDTH, 1.0f);
    adapted = answer_of(&o, &turn);
    assert_string_not_equal(plain, adapted);
    free(adapted);
    o.loras = 2; /* what one adds the other takes away */
    both = answer_of(&o, &turn);
    assert_string_equal(plain, both);
    free(both);
    lora[0].scale = 0;
    o.loras = 1;
    adapted = answer_of(&o, &turn);
    assert_string_equal(plain, adapted);
    free(adapted);
    free(plain);
    o.loras = VLM_LORAS + 1;
    assert_int_equal(vlm_open(&v, &o, &err), RAP_E_LIMIT);
    o.loras = 1;

    write_adapter(path, "adapter", WIDTH / 2, 1.0f); /* made for another width */
    assert_int_equal(vlm_open(&v, &o, &err), RAP_E_MODEL);
    assert_non_null(strstr(err.text, path));
    write_adapter(path, "model", WIDTH, 1.0f);
    assert_int_equal(vlm_open(&v, &o, &err), RAP_E_FORMAT);
    assert_non_null(strstr(err.text, "general.type"));
    unlink(path);
    assert_int_equal(vlm_open(&v, &o, &err), RAP_E_NOT_FOUND);
    assert_null(v);
}

/* ---- styles and mismatches ---- */

/* The random model with another chat template of the same length, at `path`. */
static void write_with_template(const char *path, const char *from, const char *chat_template)
{
    static const char begins[] = "{% for m in messages %}";
    char *bytes = NULL, *at;
    size_t size = 0;

    assert_int_equal(file_read(&bytes, &size, from, 1 << 26, NULL), RAP_OK);
    at = memmem(bytes, size, begins, strlen(begins));
    assert_non_null(at);
    memcpy(at, chat_template, strlen(chat_template));
    assert_int_equal(file_write(path, bytes, size, NULL), RAP_OK);
    free(bytes);
}

static void unknown_styles_are_named(void **state)
{
    char path[] = "/tmp/rap-chat-XXXXXX";
    rap_err err = { 0 };
    vlm_options o;
    vlm *v = NULL;
    pair p;

    if (!find_pair(&p, "random"))
        return;
    close(mkstemp(path));
    o = options_of(&p);
    o.model = path;
    o.style = "chat";
    write_with_template(path, p.model, "{% for m in messages  ");
    assert_int_equal(vlm_open(&v, &o, &err), RAP_E_UNSUPPORTED);
    assert_non_null(strstr(err.text, path));
    assert_non_null(strstr(err.text, "chat template"));
    o.style = "poem";
    assert_int_equal(vlm_open(&v, &o, &err), RAP_E_ARGUMENT);
    assert_non_null(strstr(err.text, "poem"));
    unlink(path);
}

static void the_models_template_gives_the_turns(void **state)
{
    session_turn turn = { .question = "Hello", .max_tokens = 4 };
    session_answer one, two;
    session *s = NULL;
    vlm_options o;
    vlm *v = NULL;
    pair p;

    if (!find_pair(&p, "random"))
        return;
    o = options_of(&p);
    o.style = "chat";
    assert_int_equal(vlm_open(&v, &o, NULL), RAP_OK);
    assert_int_equal(session_open(&s, v, NULL), RAP_OK);
    assert_int_equal(session_ask(s, &turn, &one, NULL), RAP_OK);
    assert_int_equal(session_ask(s, &turn, &two, NULL), RAP_OK);
    assert_true(one.prompt_tokens > (int)strlen("Hello"));
    session_answer_release(&one);
    session_answer_release(&two);
    session_close(s);
    vlm_close(v);
}

static void a_text_model_takes_no_pictures(void **state)
{
    image im = make_picture(20, 20, 1);
    session_picture shown = { .pixels = &im };
    const prompt_concept bo = { "bo", "<bo> is a dog.", 1 };
    session_turn turn = { .query = &shown, .question = "Who?", .max_tokens = 4 };
    session_answer a;
    rap_err err = { 0 };
    float *tokens = NULL;
    size_t floats = 0;
    session *s = NULL;
    vlm_options o;
    vlm *v = NULL;
    pair p;

    if (find_pair(&p, "random")) {
        o = options_of(&p);
        o.mmproj = NULL;
        assert_int_equal(vlm_open(&v, &o, NULL), RAP_OK);
        assert_int_equal(session_open(&s, v, NULL), RAP_OK);
        assert_int_equal(vlm_encode(v, &im, &tokens, &floats, &err), RAP_E_UNSUPPORTED);
        assert_int_equal(session_ask(s, &turn, &a, &err), RAP_E_UNSUPPORTED);
        turn.query = NULL; /* concepts are told without their pictures */
        turn.concept = &bo;
        turn.concept_picture = &shown;
        turn.concepts = 1;
        assert_int_equal(session_ask(s, &turn, &a, &err), RAP_OK);
        assert_int_equal(a.images_encoded, 0);
        assert_int_equal(a.dropped, 0);
        session_answer_release(&a);
        session_close(s);
        vlm_close(v);
    }
    free(im.rgb);
}

static void parts_of_other_models_are_refused(void **state)
{
    rap_err err = { 0 };
    vlm_options o;
    vlm *v = NULL;
    pair p, other;

    if (!find_pair(&p, "random"))
        return;
    o = options_of(&p);
    o.mmproj = p.model;
    assert_int_equal(vlm_open(&v, &o, &err), RAP_E_FORMAT);
    assert_non_null(strstr(err.text, "is not an image projector"));
    o.model = p.mmproj;
    assert_int_equal(vlm_open(&v, &o, &err), RAP_E_FORMAT);
    o.model = "";
    assert_int_equal(vlm_open(&v, &o, &err), RAP_E_ARGUMENT);
    if (!find_pair(&other, "tiny"))
        return;
    o = options_of(&p);
    o.mmproj = other.mmproj;
    assert_int_equal(vlm_open(&v, &o, &err), RAP_E_FORMAT);
    assert_non_null(strstr(err.text, "mm.2.weight"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_fingerprint_names_both_files),
        cmocka_unit_test(an_adapter_changes_the_model),
        cmocka_unit_test(unknown_styles_are_named),
        cmocka_unit_test(the_models_template_gives_the_turns),
        cmocka_unit_test(a_text_model_takes_no_pictures),
        cmocka_unit_test(parts_of_other_models_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_profile.c: finding and reading profile.json (src/engine/profile.c). Needs no model. */
#include "rap/fixture.h"

#include "base/buf.h"
#include "engine/profile.h"

static const char *write_profile(const fixture *f, const char *json)
{
    write_text(path_of("%s/p/profile.json", f->folder), json);
    return path_of("%s/p", f->folder);
}

/* Reading fails with this status, and the line names the file and `words`. */
static void refused(const fixture *f, const char *json, const char *words)
{
    profile *p = NULL;
    rap_err err = { 0 };

    assert_int_equal(profile_open(&p, write_profile(f, json), &err), RAP_E_FORMAT);
    assert_null(p);
    if (!strstr(err.text, "profile.json") || !strstr(err.text, words))
        fail_msg("\"%s\" does not name profile.json and %s", err.text, words);
}

static void defaults_stand_where_nothing_is_said(void **state)
{
    const fixture *f = *state;
    profile *p = NULL;

    assert_int_equal(
        profile_open(&p, write_profile(f, "{\"files\":{\"encoder\":{\"path\":\"e\"}}}"), NULL),
        RAP_OK);
    assert_string_equal(p->name, "p");
    assert_string_equal(p->style, "rap");
    assert_string_equal(p->turns.before_user, "USER: ");
    assert_int_equal(p->k, 3);
    assert_float_equal(p->threshold, 2, 0);
    assert_true(p->crop.square);
    assert_false(p->verify);
    assert_float_equal(p->verify_threshold, 0.5, 0);
    assert_string_equal(p->describe, PROMPT_DESCRIBE);
    assert_string_equal(p->verify_question, PROMPT_VERIFY);
    assert_null(p->extra_vocabulary[0]);
    assert_null(p->detector.path);
    assert_string_equal(p->encoder.path, path_of("%s/p/e", f->folder));
    profile_close(p);
}

static void every_field_is_read(void **state)
{
    const fixture *f = *state;
    profile *p = NULL;
    const char *json =
        "{\"name\":\"n\",\"description\":\"d\",\"license\":\"l\",\"precision\":\"f32\","
        "\"files\":{\"encoder\":{\"path\":\"/abs/e\"},\"detector\":{\"path\":\"../d\"},"
        "\"text_encoder\":{\"path\":\"t\"},"
        "\"llm\":{\"path\":\"m\"},\"mmproj\":{\"path\":\"v\"},\"lora\":{\"path\":\"a\"}},"
        "\"prompt\":{\"style\":\"chat\",\"system\":\"s\",\"before_user\":\"u\",\"before_"
        "assistant\":\"a\","
        "\"after_assistant\":\"e\",\"describe\":\"What?\",\"verify\":\"Is it?\"},"
        "\"retrieval\":{\"k\":2,\"threshold\":0.75,\"detector_confidence\":0.2,\"detector_iou\":0."
        "6,"
        "\"max_regions\":5,\"extra_vocabulary\":[\"object\",\"toy\"],\"crop_margin\":0.1,"
        "\"square_crops\":false,\"verify\":true,\"verify_threshold\":0.25}}";

    assert_int_equal(profile_open(&p, write_profile(f, json), NULL), RAP_OK);
    assert_string_equal(p->license, "l");
    assert_string_equal(p->precision, "f32");
    assert_string_equal(p->encoder.path, "/abs/e");
    assert_string_equal(p->lora[0].path, path_of("%s/p/a", f->folder));
    assert_string_equal(p->text_encoder.path, path_of("%s/p/t", f->folder));
    assert_string_equal(p->style, "chat");
    assert_int_equal(p->turns.memory_first, 1); /* unless it says otherwise */
    assert_string_equal(p->turns.after_assistant, "e");
    assert_int_equal(p->k, 2);
    assert_int_equal(p->max_regions, 5);
    assert_float_equal(p->threshold, 0.75, 1e-6);
    assert_string_equal(p->extra_vocabulary[1], "toy");
    assert_null(p->extra_vocabulary[2]);
    assert_float_equal(p->crop.margin, 0.1, 1e-6);
    assert_false(p->crop.square);
    assert_true(p->verify);
    assert_float_equal(p->verify_threshold, 0.25, 0);
    assert_string_equal(p->describe, "What?");
    assert_string_equal(p->verify_question, "Is it?");
    profile_close(p);
}

static void a_bad_field_is_named(void **state)
{
    const fixture *f = *state;

    refused(f, "", "JSON");
    refused(f, "{", "JSON");
    refused(f, "[1]", "object");
    refused(f, "{}", "files.encoder");
    refused(f, "{\"files\":7}", "files.encoder");
    refused(f, "{\"files\":{\"encoder\":\"e.gguf\"}}", "files.encoder");
    refused(f, "{\"files\":{\"encoder\":{\"path\":3}}}", "files.encoder.path");
    refused(f, "{\"files\":{\"encoder\":{\"path\":\"\"}}}", "files.encoder.path");
    refused(f, "{\"files\":{\"encoder\":{\"path\":\"a\\u0000b\"}}}", "");
    refused(f, "{\"files\":{\"encoder\":{\"path\":\"e\",\"sha256\":\"12\"}}}",
            "files.encoder.sha256");
#define WITH(part) "{\"files\":{\"encoder\":{\"path\":\"e\"}}," part "}"
    refused(f, WITH("\"name\":1"), "name");
    refused(f, WITH("\"precision\":\"f64\""), "precision");
    refused(f, WITH("\"vision\":\"gpu\""), "vision");
    refused(f, WITH("\"prompt\":{\"style\":\"loud\"}"), "prompt.style");
    refused(f, WITH("\"prompt\":{\"system\":[]}"), "prompt.system");
    refused(f, WITH("\"retrieval\":{\"k\":0}"), "retrieval.k");
    refused(f, WITH("\"retrieval\":{\"k\":1e99}"), "retrieval.k");
    refused(f, WITH("\"retrieval\":{\"k\":\"3\"}"), "retrieval.k");
    refused(f, WITH("\"retrieval\":{\"threshold\":-1}"), "retrieval.threshold");
    refused(f, WITH("\"retrieval\":{\"inner_cuts\":9}"), "retrieval.inner_cuts");
    refused(f, WITH("\"retrieval\":{\"inner_crop_count\":9}"), "retrieval.inner_crop_count");
    refused(f, WITH("\"retrieval\":{\"crowding\":-1}"), "retrieval.crowding");
    refused(f, WITH("\"retrieval\":{\"verify_threshold\":2}"), "retrieval.verify_threshold");
    refused(f, WITH("\"retrieval\":{\"verify\":1}"), "retrieval.verify");
    refused(f, WITH("\"prompt\":{\"describe\":1}"), "prompt.describe");
    refused(f, WITH("\"retrieval\":{\"center\":[]}"), "retrieval.center");
    refused(f, WITH("\"retrieval\":{\"center\":3}"), "retrieval.center");
    refused(f, WITH("\"retrieval\":{\"center\":[0.5, 2]}"), "retrieval.center");
    refused(f, WITH("\"retrieval\":{\"center\":[\"x\"]}"), "retrieval.center");
    refused(f, WITH("\"retrieval\":{\"spread\":[]}"), "retrieval.spread");
    refused(f, WITH("\"retrieval\":{\"spread\":[0.5]}"), "retrieval.spread");
    refused(f, WITH("\"retrieval\":{\"spread\":[[0.5, 0.1], [0.5]]}"), "must have the same length");
    refused(f, WITH("\"retrieval\":{\"spread\":[[0.5, 2]]}"), "retrieval.spread");
    refused(f, WITH("\"retrieval\":{\"center\":[0.5], \"spread\":[[0.5, 0.1]]}"),
            "as long as the center");
    refused(f, WITH("\"retrieval\":{\"max_regions\":100000}"), "retrieval.max_regions");
    refused(f, WITH("\"retrieval\":{\"extra_vocabulary\":\"object\"}"),
            "retrieval.extra_vocabulary");
    refused(f, WITH("\"retrieval\":{\"extra_vocabulary\":[1]}"), "retrieval.extra_vocabulary");
    refused(f, WITH("\"retrieval\":{\"square_crops\":1}"), "retrieval.square_crops");
}

#define PROFILE "{\"name\":\"%s\",\"files\":{\"encoder\":{\"path\":\"e\"}}}"

static void the_search_path(void **state)
{
    const fixture *f = *state;
    profile *p = NULL;
    rap_err err = { 0 };

    write_text(path_of("%s/data/rap/profiles/mine/profile.json", f->folder),
               path_of(PROFILE, "mine"));
    write_text(path_of("%s/data/rap/profiles/default/profile.json", f->folder),
               path_of(PROFILE, "default"));
    write_text(path_of("%s/env/profile.json", f->folder), path_of(PROFILE, "env"));

    assert_int_equal(profile_open(&p, "mine", &err), RAP_OK);
    assert_string_equal(p->name, "mine");
    profile_close(p);
    assert_int_equal(profile_open(&p, NULL, &err), RAP_OK);
    assert_string_equal(p->name, "default");
    profile_close(p);
    setenv("RAP_PROFILE", path_of("%s/env", f->folder), 1);
    assert_int_equal(profile_open(&p, NULL, &err), RAP_OK);
    assert_string_equal(p->name, "env");
    profile_close(p);
    unsetenv("RAP_PROFILE");
    assert_int_equal(profile_open(&p, path_of("%s/env/profile.json", f->folder), &err), RAP_OK);
    assert_string_equal(p->name, "env");
    profile_close(p);
    assert_int_equal(profile_open(&p, "nobody-has-this", &err), RAP_E_NOT_FOUND);
    assert_non_null(strstr(err.text, "nobody-has-this"));
    assert_int_equal(profile_open(&p, path_of("%s/nothing", f->folder), &err), RAP_E_NOT_FOUND);
}

static void missing_parts_are_named_when_needed(void **state)
{
    fixture *f = *state;
    const char *folder =
        write_profile(f, "{\"name\":\"bare\",\"files\":{\"encoder\":{\"path\":\"gone.gguf\"}}}");
    const char *picture = make_picture(f, "a.png", 32, 32, 1);
    rap_image source = RAP_IMAGE_INIT;
    rap_query query = RAP_QUERY_INIT;
    rap_matches *m = NULL;
    rap *r = open_rap(f, folder, "store.db", NULL); /* opening and listing need no model */

    source.path = picture;
    assert_int_equal(count_concepts(r), 0);
    assert_int_equal(rap_retrieve(&m, r, &source, NULL, 0), RAP_E_NOT_FOUND);
    assert_null(m);
    assert_non_null(strstr(rap_error(r), "gone.gguf"));
    assert_non_null(strstr(rap_error(r), "files.encoder"));
    assert_int_equal(remember(r, "bo", picture), RAP_E_NOT_FOUND);
    query.question = "Who is bo?";
    assert_int_equal(rap_ask(NULL, r, &query, NULL, NULL), RAP_E_UNSUPPORTED);
    assert_non_null(strstr(rap_error(r), "no language model"));
    assert_int_equal(count_concepts(r), 0);
    assert_string_equal(rap_error(r), "");
}

static void a_handle_that_failed_to_open_says_why(void **state)
{
    fixture *f = *state;
    rap_options o = RAP_OPTIONS_INIT;
    const char *store = path_of("%s/never.db", f->folder);

    o.store = store;
    o.profile = "/nowhere/at/all";
    assert_int_equal(rap_open(&f->r, &o), RAP_E_NOT_FOUND);
    assert_non_null(strstr(rap_error(f->r), "/nowhere/at/all"));
    assert_int_equal(rap_forget(f->r, "bo"), RAP_E_ARGUMENT);
    assert_non_null(strstr(rap_error(f->r), "/nowhere/at/all"));
    assert_false(file_exists(store));
}

static void adapters_and_limits_are_read(void **state)
{
    const fixture *f = *state;
    profile *p = NULL;
    const char *json =
        "{\"files\":{\"encoder\":{\"path\":\"e\"},\"lora\":[{\"path\":\"a\",\"scale\":0.5},"
        "{\"path\":\"b\"}]},\"context\":8192,\"image_tokens\":512,\"concept_tokens\":-1,"
        "\"gpu_layers\":-1,\"prompt\":{\"memory_first\":true}}";

    assert_int_equal(profile_open(&p, write_profile(f, json), NULL), RAP_OK);
    assert_int_equal(p->turns.memory_first, 1);
    assert_int_equal(p->loras, 2);
    assert_string_equal(p->lora[0].path, path_of("%s/p/a", f->folder));
    assert_string_equal(p->lora[1].path, path_of("%s/p/b", f->folder));
    assert_float_equal(p->lora_scale[0], 0.5, 0);
    assert_float_equal(p->lora_scale[1], 1, 0);
    assert_int_equal(p->context, 8192);
    assert_int_equal(p->image_tokens, 512);
    assert_int_equal(p->concept_tokens, -1);
    assert_int_equal(p->gpu_layers, -1);
    profile_close(p);
    refused(f, "{\"files\":{\"encoder\":{\"path\":\"e\"},\"lora\":[\"a\"]}}", "files.lora");
    refused(
        f, "{\"files\":{\"encoder\":{\"path\":\"e\"},\"lora\":[{\"path\":\"a\",\"scale\":\"x\"}]}}",
        "scale");
    refused(f, "{\"files\":{\"encoder\":{\"path\":\"e\"}},\"context\":-1}", "context");
}

/* A list of words that would keep every photo waiting. */
static void too_many_words_are_refused(void **state)
{
    const fixture *f = *state;
    buf json = BUF_INIT;

    buf_puts(
        &json,
        "{\"files\":{\"encoder\":{\"path\":\"e\"}},\"retrieval\":{\"extra_vocabulary\":[\"w\"");
    for (int i = 1; i <= 1000; i++)
        buf_printf(&json, ",\"w%d\"", i);
    buf_puts(&json, "]}}");
    refused(f, buf_text(&json), "has 1001 words, the limit is 1000");
    buf_release(&json);
}

int main(void)
{
#define WORK(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        WORK(defaults_stand_where_nothing_is_said), WORK(every_field_is_read),
        WORK(adapters_and_limits_are_read),         WORK(a_bad_field_is_named),
        WORK(too_many_words_are_refused),           WORK(the_search_path),
        WORK(missing_parts_are_named_when_needed),  WORK(a_handle_that_failed_to_open_says_why),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_wire.c: results as JSON, also those with numbers and texts that JSON cannot say (src/wire/wire.c). */
#include "wire/wire.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The document as it is printed, parsed again. */
static json_t *again(json_t *document)
{
    char *text;
    json_t *parsed;

    assert_non_null(document);
    text = json_dumps(document, 0);
    assert_non_null(text);
    parsed = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(parsed);
    free(text);
    json_decref(document);
    return parsed;
}

static void assert_text(const json_t *object, const char *key, const char *expected)
{
    const char *text = json_string_value(json_object_get(object, key));

    assert_non_null(text);
    assert_string_equal(text, expected);
}

static void a_match_by_name_alone_has_no_distance(void **state)
{
    rap_match match = { .id = 1,
                        .name = "bo",
                        .category = "",
                        .info = "",
                        .distance = NAN,
                        .score = INFINITY,
                        .box = { NAN, 0, 0, 0 },
                        .reason = RAP_REASON_NAME };
    rap_matches matches = { .count = 1, .match = &match, .detect_ms = NAN };
    json_t *out = again(wire_matches(&matches));
    const json_t *found = json_array_get(json_object_get(out, "matches"), 0);

    assert_true(json_is_null(json_object_get(found, "distance")));
    assert_true(json_is_null(json_object_get(found, "score")));
    assert_true(json_is_null(json_array_get(json_object_get(found, "box"), 0)));
    assert_text(found, "reason", "name");
    assert_int_equal(json_array_size(json_object_get(out, "regions")), 0);
    assert_true(json_is_null(json_object_get(json_object_get(out, "milliseconds"), "detect")));
    json_decref(out);
}

static void what_was_denied_is_there(void **state)
{
    rap_match match = { .name = "bo", .category = "", .info = "", .verified = 0.25f };
    rap_match kept = { .name = "mo", .category = "", .info = "", .verified = -1 };
    rap_matches matches = {
        .count = 1, .match = &kept, .denied_count = 1, .denied = &match, .verify_ms = 5
    };
    json_t *out = again(wire_matches(&matches));
    const json_t *denied = json_array_get(json_object_get(out, "denied"), 0);

    assert_text(denied, "name", "bo");
    assert_true(json_number_value(json_object_get(denied, "verified")) == 0.25);
    assert_null(json_object_get(json_array_get(json_object_get(out, "matches"), 0), "verified"));
    assert_true(
        json_number_value(json_object_get(json_object_get(out, "milliseconds"), "verify")) == 5);
    json_decref(out);
}

static void empty_lists_are_lists(void **state)
{
    const char *const none[] = { NULL };
    rap_record record = { .id = 7, .name = "bo", .created = "2026", .updated = "2026" };
    rap_matches matches = { 0 };
    rap_embedding embedding = { .encoder = "e" };
    json_t *out = again(wire_record(&record));

    assert_int_equal(json_integer_value(json_object_get(out, "id")), 7);
    assert_true(json_is_array(json_object_get(out, "aliases")));
    assert_true(json_is_null(json_object_get(out, "info"))); /* none was given */
    json_decref(out);
    record.aliases = none;
    out = again(wire_record(&record));
    assert_true(json_is_array(json_object_get(out, "aliases")));
    json_decref(out);
    out = again(wire_matches(&matches));
    assert_true(json_is_array(json_object_get(out, "matches")));
    json_decref(out);
    out = again(wire_forgotten(none));
    assert_true(json_is_array(json_object_get(out, "forgotten")));
    json_decref(out);
    out = again(wire_embedding(&embedding));
    assert_true(json_is_array(json_object_get(out, "feature")));
    assert_null(json_object_get(out, "tokens"));
    json_decref(out);
}

static void bytes_that_are_no_text_are_replaced(void **state)
{
    json_t *out = again(wire_file("a\xFF"
                                  "b\xC3.gguf"));

    assert_text(out, "file",
                "a\xEF\xBF\xBD"
                "b\xEF\xBF\xBD.gguf");
    json_decref(out);
    out = again(wire_file("caf\xC3\xA9\033\n.gguf")); /* text stays exact */
    assert_text(out, "file", "caf\xC3\xA9\033\n.gguf");
    json_decref(out);
    out = again(wire_turn("\x80?", NULL, "the question is not valid UTF-8"));
    assert_text(out, "question", "\xEF\xBF\xBD?");
    assert_true(json_is_null(json_object_get(out, "answer")));
    assert_text(out, "error", "the question is not valid UTF-8");
    json_decref(out);
    out = again(wire_command("/see", NULL, "the conversation has no photo"));
    assert_text(out, "command", "/see");
    assert_text(out, "error", "the conversation has no photo");
    assert_null(json_object_get(out, "result"));
    json_decref(out);
    out = again(wire_command("/image", wire_file("a.png"), NULL));
    assert_text(json_object_get(out, "result"), "file", "a.png");
    json_decref(out);
    out = again(wire_token("b\033o!", 3));
    assert_text(out, "token", "b\033o");
    json_decref(out);
}

static void an_embedding_with_damage_is_printed(void **state)
{
    float feature[] = { 1.5f, NAN, -INFINITY };
    int32_t token[] = { 49406, 49407 };
    rap_embedding e = { "vit \xFF", 3, feature, 2, token };
    json_t *out = again(wire_embedding(&e)), *list = json_object_get(out, "feature");

    assert_true(json_real_value(json_array_get(list, 0)) == 1.5);
    assert_true(json_is_null(json_array_get(list, 1)));
    assert_true(json_is_null(json_array_get(list, 2)));
    assert_int_equal(json_integer_value(json_array_get(json_object_get(out, "tokens"), 1)), 49407);
    json_decref(out);
}

static void what_a_change_came_to(void **state)
{
    const char *const names[] = { "bo", "mo", NULL };
    rap_import_report report = { 3, 2, 1, 0 };
    json_t *out = again(wire_forgotten(names));

    assert_int_equal(json_array_size(json_object_get(out, "forgotten")), 2);
    json_decref(out);
    out = again(wire_imported(&report));
    assert_int_equal(json_integer_value(json_object_get(out, "skipped")), 1);
    json_decref(out);
    out = again(wire_remembered((int64_t)1 << 40, "bo", NULL, NULL));
    assert_true(json_integer_value(json_object_get(out, "id")) == (json_int_t)1 << 40);
    json_decref(out);
    out = again(wire_corrected("bo", 0));
    assert_true(json_is_false(json_object_get(out, "is")));
    json_decref(out);
    out = again(wire_changed("rex", NULL, NULL));
    assert_text(out, "name", "rex");
    json_decref(out);
}

static void assert_names(const json_t *object, const char *key, const char *const *expected)
{
    const json_t *list = json_object_get(object, key);
    size_t count = 0;

    assert_true(json_is_array(list));
    for (; expected && expected[count]; count++)
        assert_string_equal(json_string_value(json_array_get(list, count)), expected[count]);
    assert_int_equal(json_array_size(list), count);
}

static void an_answer_is_whole(void **state)
{
    rap_matches matches = { .width = 4, .height = 3 };
    const char *const unknown[] = { "gus", NULL }, *const used[] = { "bo", "mo", NULL },
                      *const dropped[] = { "fay", NULL };
    rap_answer answer = { .text = "Yes\n",
                          .matches = &matches,
                          .first_token_ms = NAN,
                          .unknown = unknown,
                          .used = used,
                          .dropped = 1,
                          .dropped_names = dropped,
                          .recognised = -1,
                          .profile = "tiny",
                          .model = "model.gguf" };
    json_t *out = again(wire_answer(&answer));
    const char *first;

    assert_text(out, "answer", "Yes\n");
    assert_names(out, "unknown", unknown);
    assert_names(out, "used", used);
    assert_names(out, "dropped_names", dropped);
    assert_names(out, "without_picture", NULL);
    assert_names(out, "already_given", NULL);
    assert_names(out, "edited", NULL);
    assert_names(out, "forgotten", NULL);
    assert_int_equal(json_integer_value(json_object_get(out, "dropped")), 1);
    assert_true(json_is_null(json_object_get(out, "recognised")));
    assert_text(out, "finish", "stop");
    assert_text(out, "profile", "tiny");
    assert_text(out, "model", "model.gguf");
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(out, "retrieved"), "width")), 4);
    assert_true(json_is_null(json_object_get(json_object_get(out, "milliseconds"), "first_token")));
    json_decref(out);
    answer.recognised = 0;
    out = wire_turn("who?", &answer, NULL); /* the same fields, behind the question */
    first = json_object_iter_key(json_object_iter(out));
    assert_string_equal(first, "question");
    out = again(out);
    assert_text(out, "question", "who?");
    assert_text(out, "answer", "Yes\n");
    assert_null(json_object_get(out, "error"));
    assert_true(json_is_false(json_object_get(out, "recognised")));
    assert_names(out, "used", used);
    json_decref(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_match_by_name_alone_has_no_distance),
        cmocka_unit_test(what_was_denied_is_there),
        cmocka_unit_test(empty_lists_are_lists),
        cmocka_unit_test(bytes_that_are_no_text_are_replaced),
        cmocka_unit_test(an_embedding_with_damage_is_printed),
        cmocka_unit_test(what_a_change_came_to),
        cmocka_unit_test(an_answer_is_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

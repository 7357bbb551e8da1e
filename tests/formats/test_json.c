/* test_json.c: reading outside JSON by dotted paths (src/formats/json.c). */
#include "formats/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static json_t *parse(const char *text)
{
    json_t *root = NULL;

    assert_int_equal(json_parse(&root, text, strlen(text), "a.json", NULL), RAP_OK);
    return root;
}

static void fields_are_found_by_their_path(void **state)
{
    json_t *root = parse("{\"a\":{\"b\":{\"c\":7}},\"n\":null}");

    assert_int_equal(json_integer_value(json_at(root, "a.b.c")), 7);
    assert_null(json_at(root, "a.x.c"));
    assert_null(json_at(root, "a.b.c.d"));
    assert_null(json_at(root, "n"));
    json_decref(root);
}

static void absent_fields_leave_the_default(void **state)
{
    json_t *root = parse("{}");
    const char *text = "default";
    int number = 3;
    float real = 0.5f;
    bool flag = true;

    assert_int_equal(json_get_string(&text, root, "x", "a.json", NULL), RAP_OK);
    assert_int_equal(json_get_int(&number, root, "x", 0, 9, "a.json", NULL), RAP_OK);
    assert_int_equal(json_get_float(&real, root, "x", 0, 1, "a.json", NULL), RAP_OK);
    assert_int_equal(json_get_bool(&flag, root, "x", "a.json", NULL), RAP_OK);
    assert_string_equal(text, "default");
    assert_int_equal(number, 3);
    assert_float_equal(real, 0.5f, 0);
    assert_true(flag);
    json_decref(root);
}

static void wrong_values_name_file_and_field(void **state)
{
    json_t *root = parse("{\"r\":{\"k\":\"three\",\"big\":99,\"t\":1.5}}");
    rap_err err = { 0 };
    const char *text = NULL;
    int number = 3;
    float real = 0;
    bool flag = false;

    assert_int_equal(json_get_int(&number, root, "r.k", 0, 9, "a.json", &err), RAP_E_FORMAT);
    assert_string_equal(err.text, "a.json: \"r.k\" is not a whole number");
    assert_int_equal(json_get_int(&number, root, "r.big", 0, 9, "a.json", &err), RAP_E_FORMAT);
    assert_string_equal(err.text, "a.json: \"r.big\" is outside 0 to 9");
    assert_int_equal(json_get_int(&number, root, "r.t", 0, 9, "a.json", &err), RAP_E_FORMAT);
    assert_int_equal(json_get_float(&real, root, "r.t", 0, 1, "a.json", &err), RAP_E_FORMAT);
    assert_int_equal(json_get_string(&text, root, "r", "a.json", &err), RAP_E_FORMAT);
    assert_int_equal(json_get_bool(&flag, root, "r.t", "a.json", &err), RAP_E_FORMAT);
    assert_int_equal(number, 3);
    assert_null(text);
    json_decref(root);
}

static void what_is_no_object_is_refused(void **state)
{
    static const char *const bad[] = {
        "", "{", "[]", "7", "{\"a\":1,\"a\":2}", "{} x", "{\"a\":\"\xff\"}", "{\"a\":\"\\u0000\"}"
    };
    rap_err err = { 0 };
    json_t *root = NULL;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(json_parse(&root, bad[i], strlen(bad[i]), "a.json", &err), RAP_E_FORMAT);
        assert_null(root);
        assert_int_equal(strncmp(err.text, "a.json: ", 8), 0);
        assert_null(strchr(err.text, '\n'));
    }
    assert_int_equal(json_read(&root, "/nowhere/a.json", 100, &err), RAP_E_NOT_FOUND);
}

static void a_byte_order_mark_is_passed_over(void **state)
{
    static const char text[] = "\xef\xbb\xbf{\"a\": 7}\r\n";
    json_t *root = NULL;

    assert_int_equal(json_parse(&root, text, sizeof text - 1, "a.json", NULL), RAP_OK);
    assert_int_equal(json_integer_value(json_at(root, "a")), 7);
    json_decref(root);
}

static void a_list_is_read_where_any_value_will_do(void **state)
{
    json_t *root = NULL;
    assert_int_equal(json_parse_any(&root, "\xef\xbb\xbf[1]", 6, "a.json", NULL), RAP_OK);
    assert_int_equal(json_array_size(root), 1);
    json_decref(root);
}

#define REFUSED(literal, reason) refused(literal, sizeof literal - 1, reason)

static void refused(const char *bytes, size_t size, const char *reason)
{
    rap_err err = { 0 };
    json_t *root = NULL;
    assert_int_equal(json_parse(&root, bytes, size, "a.json", &err), RAP_E_FORMAT);
    assert_null(root);
    if (!strstr(err.text, reason))
        fail_msg("'%s' does not say '%s'", err.text, reason);
}

static void what_is_something_else_is_named(void **state)
{
    REFUSED("\xff\xfe{\0\"\0a\0", "a text in UTF-16: save it as UTF-8");
    REFUSED("\xfe\xff\0{\0\"", "a text in UTF-16");
    REFUSED("{\0\"\0a\0\"\0:\0"
            "1\0}\0",
            "a text in UTF-16");
    REFUSED("\xff\xfe\0\0{\0\0\0", "a text in UTF-32");
    REFUSED("version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "Git LFS pointer");
    REFUSED("\xef\xbb\xbf\n <!DOCTYPE html><html>", "a web page");
    REFUSED("PK\3\4rest", "a zip archive");
    REFUSED("", "is empty");
    REFUSED("{\"a\": }", "not valid JSON: ");
    REFUSED("{\"a\": \"caf\xe9\"}", "save it as UTF-8");
}

static int allocations, allowed;

static void *some_memory(size_t size)
{
    return allocations++ < allowed ? malloc(size) : NULL;
}

/* Whichever allocation is the first to fail, the text is not blamed. */
static void out_of_memory_is_said(void **state)
{
    static const char text[] = "{\"a\": [7, 1.5, \"x\"], \"b\": {\"c\": true}}";
    json_malloc_t allocate;
    json_free_t release;
    json_t *root = NULL;
    rap_status status = RAP_E_MEMORY;

    json_get_alloc_funcs(&allocate, &release);
    for (allowed = 0; status == RAP_E_MEMORY && allowed < 1000; allowed++) {
        allocations = 0;
        json_set_alloc_funcs(some_memory, free);
        status = json_parse(&root, text, sizeof text - 1, "a.json", NULL);
        json_set_alloc_funcs(allocate, release);
        assert_true(status == RAP_E_MEMORY || status == RAP_OK);
    }
    assert_int_equal(status, RAP_OK);
    assert_true(allowed > 10);
    json_decref(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_are_found_by_their_path),
        cmocka_unit_test(absent_fields_leave_the_default),
        cmocka_unit_test(wrong_values_name_file_and_field),
        cmocka_unit_test(what_is_no_object_is_refused),
        cmocka_unit_test(a_byte_order_mark_is_passed_over),
        cmocka_unit_test(a_list_is_read_where_any_value_will_do),
        cmocka_unit_test(what_is_something_else_is_named),
        cmocka_unit_test(out_of_memory_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

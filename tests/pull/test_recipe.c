/* test_recipe.c: a recipe is untrusted: what is wrong in it is one line that names the file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pull/recipe.h"

#include <stdlib.h>
#include <string.h>

#define SOURCES                                                                                    \
    "\"sources\": {\"a\": {\"hub\": \"o/n\", \"files\": [{\"path\": \"x/y.gguf\", \"bytes\": 3}, " \
    "{\"path\": \"merges.txt\"}]}}"
#define MAKE "\"make\": {\"encoder\": {\"file\": \"e.gguf\", \"take\": \"a/x/y.gguf\"}}"
#define HEAD "\"recipe\": 1, \"name\": \"n\""
#define GOOD "{" HEAD ", " SOURCES ", " MAKE "}"

static rap_status parse(const char *text, rap_err *err)
{
    recipe *r = NULL;
    rap_status status = recipe_parse(&r, text, strlen(text), "r.json", err);

    assert_true((status == RAP_OK) == (r != NULL));
    recipe_free(r);
    return status;
}

static void test_fields(void **state)
{
    recipe *r;
    bool all;

    (void)state;
    assert_int_equal(recipe_parse(&r, GOOD, strlen(GOOD), "r.json", NULL), RAP_OK);
    assert_string_equal(r->name, "n");
    assert_int_equal(r->source_count, 1);
    assert_string_equal(r->source[0].hub, "o/n");
    assert_string_equal(r->source[0].revision, "main");
    assert_int_equal(r->source[0].file_count, 2);
    assert_int_equal(r->source[0].file[0].bytes, 3);
    assert_int_equal(r->source[0].file[1].bytes, -1);
    assert_string_equal(r->step[0].from, "x/y.gguf");
    assert_false(r->step[0].convert);
    assert_int_equal(recipe_bytes(r, &all), 3);
    assert_false(all);
    recipe_free(r);
}

static void test_what_is_wrong_is_named(void **state)
{
    static const struct {
        const char *text, *says;
    } bad[] = {
        { "", "JSON" },
        { "[]", "object" },
        { "{}", "recipe" },
        { "{\"recipe\": \"1\"}", "recipe" },
        { "{\"recipe\": 2, \"name\": \"n\"}", "newer" },
        { "{\"recipe\": 1}", "name" },
        { "{\"recipe\": 1, \"name\": \"../n\"}", "valid name of a profile" },
        { "{\"recipe\": 1, \"name\": \"default\"}", "valid name of a profile" },
        { "{" HEAD "}", "sources" },
        { "{" HEAD ", \"sources\": {\"a\": 1}}", "hub" },
        { "{" HEAD ", \"sources\": {\"a\": {\"hub\": \"a/b/c\", \"files\": [1]}}}", "repository" },
        { "{" HEAD ", \"sources\": {\"a\": {\"hub\": \"../b\", \"files\": [1]}}}", "repository" },
        { "{" HEAD ", \"sources\": {\"a\": {\"hub\": \"a/b\"}}}", "files" },
        { "{" HEAD ", \"sources\": {\"a\": {\"hub\": \"a/b\", \"revision\": \"a/b\", "
          "\"files\": [1]}}}",
          "revision" },
        { "{" HEAD ", \"sources\": {\"a\": {\"hub\": \"a/b\", \"files\": [{\"path\": "
          "\"/etc/passwd\"}]}}}",
          "path inside" },
        { "{" HEAD ", \"sources\": {\"a\": {\"hub\": \"a/b\", \"files\": [{\"path\": "
          "\"a/../../b\"}]}}}",
          "path inside" },
        { "{" HEAD ", \"sources\": {\"a\": {\"hub\": \"a/b\", \"files\": [{\"path\": \"b\", "
          "\"sha256\": \"12\"}]}}}",
          "sha256" },
        { "{" HEAD ", \"sources\": {\"a\": {\"hub\": \"a/b\", \"files\": [{\"path\": \"b\", "
          "\"bytes\": -1}]}}}",
          "bytes" },
        { "{" HEAD ", \"sources\": {\"a\": {\"hub\": \"a/b\", \"files\": [{\"path\": \"b\", "
          "\"shards\": true}]}}}",
          "index of shards" },
        { "{" HEAD ", " SOURCES ", \"make\": {\"encoder\": {\"file\": \"e.gguf\", \"convert\": "
          "\"a\", \"tower\": \"z\"}}}",
          "neither a source" },
        { "{" HEAD ", " SOURCES ", \"make\": {\"encoder\": {\"file\": \"e.gguf\", \"convert\": "
          "\"a\", \"tower\": \"a/x/y.gguf\"}}}",
          "must be a source" },
        { "{" HEAD ", \"sources\": {\"a\": {\"hub\": \"a/b\", \"files\": [{\"path\": \"b\"}, "
          "{\"path\": \"b\"}]}}}",
          "twice" },
        { "{" HEAD ", " SOURCES "}", "make" },
        { "{" HEAD ", " SOURCES ", \"make\": {\"llm\": {\"file\": \"e.gguf\", \"take\": "
          "\"a/x/y.gguf\"}}}",
          "encoder" },
        { "{" HEAD ", " SOURCES ", \"make\": {\"thing\": {\"file\": \"e.gguf\", \"take\": "
          "\"a/x/y.gguf\"}}}",
          "a file of a profile" },
        { "{" HEAD ", " SOURCES ", \"make\": {\"encoder\": {\"file\": \"../e.gguf\", \"take\": "
          "\"a/x/y.gguf\"}}}",
          "model file" },
        { "{" HEAD ", " SOURCES ", \"make\": {\"encoder\": {\"file\": \"profile.json\", "
          "\"take\": \"a/x/y.gguf\"}}}",
          "model file" },
        { "{" HEAD ", " SOURCES ", \"make\": {\"encoder\": {\"file\": \"e.gguf\"}}}", "either" },
        { "{" HEAD ", " SOURCES ", \"make\": {\"encoder\": {\"file\": \"e.gguf\", \"take\": "
          "\"a\"}}}",
          "repository" },
        { "{" HEAD ", " SOURCES ", \"make\": {\"encoder\": {\"file\": \"e.gguf\", \"take\": "
          "\"b/x\"}}}",
          "neither" },
        { "{" HEAD ", " SOURCES ", \"make\": {\"encoder\": {\"file\": \"e.gguf\", \"convert\": "
          "\"a\", \"vocab\": \"a\"}}}",
          "of the same source" },
        { "{" HEAD ", " SOURCES ", \"make\": {\"encoder\": {\"file\": \"e.gguf\", \"convert\": "
          "\"a\", \"image_size\": 0}}}",
          "image_size" },
        { "{" HEAD ", " SOURCES ", " MAKE ", \"profile\": {\"files\": 1}}", "files" },
        /* nor may a profile have another name or licence than its recipe */
        { "{" HEAD ", " SOURCES ", " MAKE ", \"profile\": {\"name\": \"../x\"}}", "name" },
        { "{" HEAD ", " SOURCES ", " MAKE ", \"profile\": {\"license\": \"MIT\"}}", "license" },
        { "{" HEAD ", " SOURCES ", " MAKE ", \"profile\": 1}", "profile" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        rap_err err = { RAP_OK, "" };
        rap_status status = parse(bad[i].text, &err);

        if (status != RAP_E_FORMAT && status != RAP_E_VERSION)
            fail_msg("status %d for %s", (int)status, bad[i].text);
        if (strncmp(err.text, "r.json: ", 8) != 0)
            fail_msg("'%s' does not name the file", err.text);
        if (!strstr(err.text, bad[i].says))
            fail_msg("'%s' does not say '%s' (%s)", err.text, bad[i].says, bad[i].text);
        assert_null(strchr(err.text, '\n'));
    }
}

static void test_every_beginning_is_refused(void **state)
{
    (void)state;
    for (size_t len = 0; len < strlen(GOOD); len++) {
        recipe *r;

        assert_int_not_equal(recipe_parse(&r, GOOD, len, "r.json", NULL), RAP_OK);
    }
}

static void test_digest_is_of_what_it_says(void **state)
{
    recipe *a, *b, *c;
    const char *spaced = "{ " HEAD " ,\n" SOURCES " , " MAKE " }";
    const char *other = "{" HEAD ", \"license\": \"x\", " SOURCES ", " MAKE "}";

    (void)state;
    assert_int_equal(recipe_parse(&a, GOOD, strlen(GOOD), "a", NULL), RAP_OK);
    assert_int_equal(recipe_parse(&b, spaced, strlen(spaced), "b", NULL), RAP_OK);
    assert_int_equal(recipe_parse(&c, other, strlen(other), "c", NULL), RAP_OK);
    assert_string_equal(a->digest, b->digest);
    assert_string_not_equal(a->digest, c->digest);
    recipe_free(a);
    recipe_free(b);
    recipe_free(c);
}

static rap_status count_pinned(const recipe *r, void *payload, rap_err *err)
{
    (void)err;
    for (int i = 0; i < r->source_count; i++)
        if (strlen(r->source[i].revision) != 40 && strncmp(r->source[i].hub, "Hoar012/", 8) != 0)
            fail_msg("%s: %s is not pinned to a commit", r->name, r->source[i].hub);
    ++*(int *)payload;
    return RAP_OK;
}

static void fail_for(const char *why, void *payload)
{
    (void)payload;
    fail_msg("%s", why);
}

static void test_shipped_recipes(void **state)
{
    rap_err err = { RAP_OK, "" };
    int count = 0;

    (void)state;
    if (recipe_each(count_pinned, fail_for, &count, &err) != RAP_OK)
        fail_msg("%s", err.text);
    assert_true(count >= 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_what_is_wrong_is_named),
        cmocka_unit_test(test_every_beginning_is_refused),
        cmocka_unit_test(test_digest_is_of_what_it_says),
        cmocka_unit_test(test_shipped_recipes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

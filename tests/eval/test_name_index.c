/* test_name_index.c: names of a store are found as people read them, and ordered (src/eval/name_index.c). */
#include "eval/name_index.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static void names_are_found_as_people_read_them(void **state)
{
    json_t *names = json_pack("[s, s]", "Bo", "my mug"), *index = name_index_new(names);
    json_t *both = json_pack("[s, s]", "<bo>", "My Mug"), *more = json_pack("[s, s]", "bo", "eve");

    assert_string_equal(name_index_find(index, "<BO>"), "Bo");
    assert_null(name_index_find(index, "eve"));
    assert_true(name_index_has_all(index, both));
    assert_false(name_index_has_all(index, more));
    json_decref(names);
    json_decref(index);
    json_decref(both);
    json_decref(more);
}

static void what_is_asked_about_comes_first_and_once(void **state)
{
    json_t *names = json_pack("[s, s, s, s]", "a", "b", "c", "d"), *index = name_index_new(names);
    json_t *first = json_pack("[[s], [s, s], [], [s]]", "<c>", "eve", "A", "c"), *out = NULL;
    json_t *wanted = json_pack("[s, s, s, s]", "c", "a", "b", "d");

    assert_int_equal(name_index_order(&out, index, first, names, NULL), RAP_OK);
    assert_true(json_equal(out, wanted));
    json_decref(names);
    json_decref(index);
    json_decref(first);
    json_decref(wanted);
    json_decref(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_found_as_people_read_them),
        cmocka_unit_test(what_is_asked_about_comes_first_and_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

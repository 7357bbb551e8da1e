/* test_turn.c: which concepts are the most certain, and what becomes of those that do not fit (src/rap/turn.c). The
 * generator sees no pictures, so no store is needed. */
#include "rap/turn.h"

#include "rap/matches.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static bool is_blind(const generator *g)
{
    return false;
}

static const generator_kind blind = { .has_vision = is_blind };

static void add(rap_matches *m, const char *name, rap_reason reason, int ambiguous)
{
    m->match[m->count++] = (rap_match){ .id = (int64_t)m->count,
                                        .name = strdup(name),
                                        .category = strdup(""),
                                        .info = strdup(""),
                                        .reason = reason,
                                        .ambiguous = ambiguous };
}

static void look_alikes_go_first(void **state)
{
    generator g = { &blind };
    rap r = { .generator = &g };
    rap_matches *m = NULL;
    turn t;
    const session_answer reply = { .dropped = 2, .pictures_dropped = 1 };
    rap_answer *a = calloc(1, sizeof *a);
    static const char *const certain[] = { "named", "edited", "twin", "third", "other", "double" };
    static const int place[] = { 0, 5, 1, 3, 2, 4 };

    assert_int_equal(matches_new(&m, NULL, 6, &r.err), RAP_OK);
    add(m, "named", RAP_REASON_NAME, 0);
    add(m, "twin", RAP_REASON_REGION, 1);
    add(m, "other", RAP_REASON_REGION, 1); /* as good as its twin at the same place */
    add(m, "third", RAP_REASON_REGION, 2);
    add(m, "double", RAP_REASON_REGION, 2);
    add(m, "edited", RAP_REASON_EDITED, 0);
    assert_int_equal(turn_init(&t, &r, m, 0), RAP_OK);
    assert_int_equal(t.count, 6);
    for (size_t i = 0; i < t.count; i++) {
        assert_string_equal(t.concept[i].name, certain[i]);
        assert_int_equal(t.place[i], place[i]);
        t.view_id[i] = 10 + (int64_t)i;
    }
    a->matches = m;
    assert_int_equal(turn_settle(&t, m, &reply, a, &r.err), RAP_OK);
    assert_string_equal(a->dropped_names[0], "other");
    assert_string_equal(a->dropped_names[1], "double");
    assert_null(a->dropped_names[2]);
    assert_string_equal(a->without_picture[0], "third");
    assert_null(a->without_picture[1]);
    assert_int_equal(m->count, 4); /* in the prompt's order, with the pictures that were shown */
    assert_string_equal(m->match[1].name, "twin");
    assert_string_equal(m->match[2].name, "third");
    assert_string_equal(m->match[3].name, "edited");
    assert_int_equal(t.view_id[0], 10);
    assert_int_equal(t.view_id[1], 11);
    assert_int_equal(t.view_id[2], 0);
    assert_int_equal(t.view_id[3], 15);
    turn_release(&t);
    rap_answer_free(a);
}

static void nothing_to_show_is_fine(void **state)
{
    generator g = { &blind };
    rap r = { .generator = &g };
    rap_matches *m = NULL;
    const session_answer reply = { .dropped = 0 };
    rap_answer *a = calloc(1, sizeof *a);
    turn t;

    assert_int_equal(matches_new(&m, NULL, 0, &r.err), RAP_OK);
    assert_int_equal(turn_init(&t, &r, m, 0), RAP_OK);
    assert_int_equal(turn_settle(&t, m, &reply, a, &r.err), RAP_OK);
    assert_null(a->dropped_names[0]);
    assert_null(a->without_picture[0]);
    turn_release(&t);
    a->matches = m;
    rap_answer_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(look_alikes_go_first),
        cmocka_unit_test(nothing_to_show_is_fine),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

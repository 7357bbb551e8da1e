/* The table: measures, two baselines, and the traps in notes. */
#include "eval/published/made.h"
#include "eval/published/score.h"

static const score_row *row(const score_report *s, const char *measure)
{
    for (int i = 0; i < s->rows; i++)
        if (strcmp(s->row[i].measure, measure) == 0)
            return &s->row[i];
    fail_msg("no row \"%s\"", measure);
    return NULL;
}

static void assert_row(const score_report *s, const char *measure, double given, double no_memory,
                       double majority)
{
    const score_row *r = row(s, measure);

    assert_float_equal(r->value[SCORE_GIVEN], given, 1e-4);
    assert_float_equal(r->value[SCORE_NO_MEMORY], no_memory, 1e-4);
    assert_float_equal(r->value[SCORE_MAJORITY], majority, 1e-4);
}

static void score(score_report *out, const list *l, const char *answer)
{
    size_t count = list_count(l);
    const char **given = calloc(count, sizeof *given);

    for (size_t i = 0; i < count; i++)
        given[i] = answer;
    assert_int_equal(score_list(out, l, given, NULL, NULL, NULL), RAP_OK);
    free(given);
}

static void nothing_counts_as_a_in_the_official_measure_only(void **state)
{
    list l = made_list("[{\"answer\": \"\", \"correct_answer\": \"A\"},"
                       " {\"answer\": \"\", \"correct_answer\": \"A\"},"
                       " {\"answer\": \"\", \"correct_answer\": \"A\"},"
                       " {\"answer\": \"\", \"correct_answer\": \"B\"}]",
                       "made");
    score_report s;

    score(&s, &l, "The");
    assert_row(&s, "official exact match", 0.75, 0.75, 0.75);
    assert_row(&s, "strict", 0, 0, 0.75);
    assert_row(&s, "strict, mean over letters", 0, 0, 0.5);
    assert_string_equal(s.majority, "A");
    assert_non_null(strstr(s.note[0], "3 of the 4 right answers are A"));
    assert_non_null(strstr(s.note[1], "no memory"));
    list_release(&l);
}

static void always_a_is_right_in_390_of_the_400_official_questions(void **state)
{
    char *path = made_published("rap-official/yollava-text-only-qa.json");
    list l;
    score_report s;

    if (!path)
        return;
    assert_int_equal(list_read(&l, path, NULL, NULL), RAP_OK);
    score(&s, &l, "A");
    assert_row(&s, "official exact match", 0.975, 0.975, 0.975);
    assert_row(&s, "strict", 0.975, 0, 0.975);
    assert_row(&s, "strict, mean over letters", 0.5, 0, 0.5);
    score(&s, &l, "The");
    assert_row(&s, "official exact match", 0.975, 0.975, 0.975);
    assert_row(&s, "strict", 0, 0, 0.975);
    free(path);
    list_release(&l);
}

static void positives_listed_twice_are_in_the_notes(void **state)
{
    list l = made_list("[{\"question\": \"?\", \"type\": \"positive\", \"correct_answer\": true},"
                       " {\"question\": \"?\", \"type\": \"negative\", \"correct_answer\": true},"
                       " {\"question\": \"?\", \"type\": \"negative\", \"correct_answer\": false},"
                       " {\"question\": \"?\", \"type\": \"negative\", \"correct_answer\": false}]",
                       "made");
    score_report s;

    score(&s, &l, "No");
    assert_row(&s, "weighted", (0 + 2.0 / 3) / 2, 0, (1 + 1.0 / 3) / 2);
    assert_row(&s, "weighted, each once", 0.5, 0, 0.5);
    assert_non_null(strstr(s.note[0], "1 of the 3 negatives are positives listed a second time"));
    list_release(&l);
}

static void names_that_no_word_can_be_are_in_the_notes(void **state)
{
    list l = made_list(
        "[[\"1\", [\"<black widow>\", \"thor\", \"x.\"], \"Thor and the Black Widow\"]]", "made");
    const char **answer = list_answers(&l);
    score_report s;
    json_t *json;

    assert_int_equal(score_list(&s, &l, answer, answer, NULL, NULL), RAP_OK);
    assert_row(&s, "RePIC recall", 1.0 / 3, 1.0 / 3, 0);
    assert_row(&s, "RePIC, whole names: recall", 2.0 / 3, 2.0 / 3, 1.0 / 3);
    assert_row(&s, "RAP recall", 2.0 / 3, 2.0 / 3, 1.0 / 3);
    assert_int_equal(s.notes, 1);
    assert_non_null(strstr(s.note[0], "2 of the 3 names"));
    json = score_json(&s);
    assert_int_equal(json_array_size(json_object_get(json, "measures")), s.rows);
    json_decref(json);
    free(answer);
    list_release(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_counts_as_a_in_the_official_measure_only),
        cmocka_unit_test(always_a_is_right_in_390_of_the_400_official_questions),
        cmocka_unit_test(positives_listed_twice_are_in_the_notes),
        cmocka_unit_test(names_that_no_word_can_be_are_in_the_notes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

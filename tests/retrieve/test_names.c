/* test_names.c: names and aliases in a text (src/retrieve/names.c). */
#include "base/file.h"
#include "retrieve/names.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char work[64], path[128];
static store *s;
static names *n;
static int64_t bo, bo_peep, rex, mug, cafe, markup;

static int64_t add(const char *name, const char *const *aliases)
{
    static const float vector[2] = { 1, 2 };
    const char bytes[] = "picture";
    store_concept c = { name, "thing", "", aliases, 0 };
    store_view view = { bytes, sizeof bytes, 9, 9, { 0, 0, 0, 0 } };
    store_vector v = { "test-encoder", 2, vector };
    int64_t id = 0;

    assert_int_equal(store_add(s, &id, &c, &view, &v, NULL), RAP_OK);
    return id;
}

static int open_store(void **state)
{
    const char *const aliases[] = { "Sir Rex", "the old one", NULL };

    snprintf(work, sizeof work, "/tmp/rap-names-XXXXXX");
    if (!mkdtemp(work))
        return 1;
    snprintf(path, sizeof path, "%s/store.db", work);
    if (store_open(&s, path, 0, NULL) != RAP_OK)
        return 1;
    bo = add("bo", NULL);
    bo_peep = add("Bo Peep", NULL);
    rex = add("Rex", aliases);
    mug = add("red-mug", NULL);
    cafe = add("Café Ü", NULL);
    markup = add("<image>", NULL);
    return names_load(&n, s, NULL) != RAP_OK;
}

static int close_store(void **state)
{
    char side[160];

    names_free(n);
    store_close(s);
    unlink(path);
    snprintf(side, sizeof side, "%s-wal", path);
    unlink(side);
    snprintf(side, sizeof side, "%s-shm", path);
    unlink(side);
    return rmdir(work);
}

static void expect(rap_policy policy, const char *text, int count, const int64_t *want)
{
    int64_t *got = NULL;
    int got_count = -1;

    print_message("\"%s\"\n", text);
    assert_int_equal(names_find(n, text, policy, &got, &got_count, NULL), RAP_OK);
    assert_int_equal(got_count, count);
    for (int i = 0; i < count; i++)
        assert_int_equal(got[i], want[i]);
    free(got);
}

#define FOUND(policy, text, ...)                                                      \
    expect(policy, text, (int)(sizeof((int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t)), \
           (int64_t[]){ __VA_ARGS__ })
#define NOTHING(policy, text) expect(policy, text, 0, NULL)

static void names_without_case_and_brackets(void **state)
{
    FOUND(RAP_POLICY_DEFAULT, "Is bo here?", bo);
    FOUND(RAP_POLICY_DEFAULT, "Is <BO> here?", bo);
    FOUND(RAP_POLICY_DEFAULT, "RED-MUG, please", mug);
    FOUND(RAP_POLICY_DEFAULT, "see you at CAFÉ ü!", cafe);
    FOUND(RAP_POLICY_DEFAULT, "What is <image>?", markup);
}

static void whole_words_only(void **state)
{
    NOTHING(RAP_POLICY_DEFAULT, "A bowl of boats, says rexford.");
    NOTHING(RAP_POLICY_DEFAULT, "");
    FOUND(RAP_POLICY_DEFAULT, "boat, then bo.", bo);
}

static void names_as_people_type_them(void **state)
{
    FOUND(RAP_POLICY_DEFAULT, "see Cafe\u0301\u00A0\u00DC and Ｂｏ’s mug", cafe, bo);
    FOUND(RAP_POLICY_DEFAULT, "red–mug or red‑mug?", mug);
    FOUND(RAP_POLICY_DEFAULT, "the  old\none, ＜bo＞", rex, bo);
    NOTHING(RAP_POLICY_DEFAULT, "boo\u0308");
}

static void aliases_and_order_of_the_text(void **state)
{
    FOUND(RAP_POLICY_DEFAULT, "Does SIR REX know bo?", rex, bo);
    FOUND(RAP_POLICY_DEFAULT, "bo, Rex, bo and the old one", bo, rex);
}

static void the_longest_name_is_meant(void **state)
{
    FOUND(RAP_POLICY_DEFAULT, "Where is Bo Peep?", bo_peep);
    FOUND(RAP_POLICY_DEFAULT, "Where is Bo Peep, where bo?", bo_peep, bo);
}

static void paper_policy_is_the_official_rule(void **state)
{
    FOUND(RAP_POLICY_PAPER, "<Rex> met <bo>", bo, rex); /* in the order of storing */
    NOTHING(RAP_POLICY_PAPER, "bo and Rex");            /* only with brackets */
    NOTHING(RAP_POLICY_PAPER, "<BO> and <rex>");        /* only in the same case */
    NOTHING(RAP_POLICY_PAPER, "<Sir Rex>");             /* no aliases */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_without_case_and_brackets),
        cmocka_unit_test(whole_words_only),
        cmocka_unit_test(names_as_people_type_them),
        cmocka_unit_test(aliases_and_order_of_the_text),
        cmocka_unit_test(the_longest_name_is_meant),
        cmocka_unit_test(paper_policy_is_the_official_rule),
    };

    return cmocka_run_group_tests(tests, open_store, close_store);
}

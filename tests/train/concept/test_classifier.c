/* test_classifier.c: linear classifiers of features (src/train/concept/classifier.c). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "train/concept/classifier.h"
#include "train/linear.h"

#include <math.h>
#include <string.h>

enum { DIM = 16, COUNT = 60 };

typedef struct set {
    float feature[COUNT][DIM];
    uint8_t label[COUNT];
} set;

/* Directions with some of `axis` in them where the label is 1, and without it elsewhere; four of them are 1. */
static void make_set(set *s, uint64_t seed)
{
    for (int n = 0; n < COUNT; n++) {
        double length = 0;

        s->label[n] = n < 4;
        for (int i = 0; i < DIM; i++)
            s->feature[n][i] = (float)(2 * uniform_at(seed, (uint64_t)n, (uint64_t)i) - 1);
        s->feature[n][3] = s->label[n] ? 2.5f : -0.2f;
        for (int i = 0; i < DIM; i++)
            length += (double)s->feature[n][i] * (double)s->feature[n][i];
        for (int i = 0; i < DIM; i++)
            s->feature[n][i] /= (float)sqrt(length);
    }
}

static void it_sorts_new_features(void **state)
{
    float w[DIM];
    classifier c = { .w = w, .dim = DIM };
    set learnt, fresh;
    int right = 0;

    make_set(&learnt, 1);
    make_set(&fresh, 2);
    assert_int_equal(classifier_fit(&c, learnt.feature[0], learnt.label, COUNT, 1e-3, 400, NULL),
                     RAP_OK);
    for (int n = 0; n < COUNT; n++)
        right += (classifier_yes(&c, fresh.feature[n]) > 0.5) == fresh.label[n];
    assert_int_equal(right, COUNT); /* four of sixty: the rarer class counts as much */
}

static void the_same_features_give_the_same_numbers(void **state)
{
    float w[2][DIM];
    classifier a = { .w = w[0], .dim = DIM }, b = { .w = w[1], .dim = DIM };
    set s;

    make_set(&s, 7);
    assert_int_equal(classifier_fit(&a, s.feature[0], s.label, COUNT, 1e-3, 50, NULL), RAP_OK);
    assert_int_equal(classifier_fit(&b, s.feature[0], s.label, COUNT, 1e-3, 50, NULL), RAP_OK);
    assert_memory_equal(w[0], w[1], sizeof w[0]);
    assert_true(a.bias == b.bias);
}

static void both_classes_are_needed(void **state)
{
    float w[DIM];
    classifier c = { .w = w, .dim = DIM };
    rap_err err;
    set s;

    make_set(&s, 3);
    assert_int_equal(classifier_fit(&c, s.feature[0], s.label, 4, 1e-3, 10, &err), RAP_E_ARGUMENT);
    assert_non_null(strstr(err.text, "the latter are missing"));
    assert_int_equal(classifier_fit(&c, s.feature[4], s.label + 4, 10, 1e-3, 10, &err),
                     RAP_E_ARGUMENT);
    assert_non_null(strstr(err.text, "the former are missing"));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(it_sorts_new_features),
                                        cmocka_unit_test(the_same_features_give_the_same_numbers),
                                        cmocka_unit_test(both_classes_are_needed) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

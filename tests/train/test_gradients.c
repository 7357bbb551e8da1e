/* test_gradients.c: the gradient of every number of every LoRA equals finite differences of the loss, in f64, on a small
 * random decoder of each family. The sources of src/train are compiled into this program with f64 (RAP_TRAIN_DOUBLE). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "made.h"

_Static_assert(sizeof(real) == 8, "the test is built with RAP_TRAIN_DOUBLE");

enum { RANK = 3 };

static decoder *open_made(gguf_file *g, bool recompute, double dropout)
{
    decoder_options o = { .rank = RANK,
                          .alpha = 6,
                          .dropout = dropout,
                          .seed = 5,
                          .threads = 1,
                          .rows = MADE_ROWS,
                          .recompute = recompute,
                          .keep = recompute ? 0 : 1 << 24 };
    decoder *d = NULL;
    rap_err err = { 0 };

    if (decoder_open(&d, g, &o, &err))
        fail_msg("%s", err.text);
    /* B is zero at the start, and with it the gradient of A */
    for (size_t i = 0; i < decoder_params(d); i++)
        decoder_param(d)[i] = 0.3 * (2 * uniform_at(1, 2, i) - 1);
    return d;
}

static double loss_with(decoder *d, const rows *r, size_t i, double value, uint64_t key)
{
    double before = decoder_param(d)[i], loss = 0;

    decoder_param(d)[i] = value;
    assert_int_equal(decoder_loss(&loss, d, r, key, NULL), RAP_OK);
    decoder_param(d)[i] = before;
    return loss;
}

/* The largest difference, relative to the largest gradient; the fourth-order formula leaves about 1e-9. */
static double compare(decoder *d, const rows *r, uint64_t key)
{
    double step = 1e-3, loss = 0, scale = 0.25, worst = 0, largest = 0, again = 0;

    assert_int_equal(decoder_learn(&loss, d, r, scale, key, NULL), RAP_OK);
    assert_int_equal(decoder_loss(&again, d, r, key, NULL), RAP_OK);
    assert_true(loss == again);
    for (size_t i = 0; i < decoder_params(d); i++) {
        double at = decoder_param(d)[i], grad = decoder_grad(d)[i], wanted;

        wanted = (8 * (loss_with(d, r, i, at + step, key) - loss_with(d, r, i, at - step, key)) -
                  loss_with(d, r, i, at + 2 * step, key) + loss_with(d, r, i, at - 2 * step, key)) /
                 (12 * step) * scale;
        worst = fmax(worst, fabs(grad - wanted));
        largest = fmax(largest, fabs(grad));
    }
    assert_true(largest > 1e-3);
    return worst / largest;
}

static void check_family(const made *m, bool recompute, double dropout, bool weighted)
{
    gguf_file *g = made_open(m, NULL);
    decoder *d = open_made(g, recompute, dropout);
    real weight[MADE_ROWS];
    made_rows b;
    double worst;

    made_batch(&b);
    for (int t = 0; t < MADE_ROWS; t++)
        weight[t] = 1 / (real)(1 + t % 4);
    b.rows.weight = weighted ? weight : NULL;
    worst = compare(d, &b.rows, 77);
    printf("  %s, %d groups%s%s%s: %zu numbers, worst %.1e of the largest\n", m->architecture,
           m->groups, recompute ? ", recompute" : "", dropout > 0 ? ", dropout" : "",
           weighted ? ", weights" : "", decoder_params(d), worst);
    assert_true(worst < 1e-6);
    decoder_close(d);
    gguf_file_close(g);
}

static void gradients_equal_differences(void **state)
{
    for (int i = 0; i < MADE_FAMILIES; i++)
        check_family(&made_families[i], i % 2, 0, false);
}

static void also_with_dropout_and_weights(void **state)
{
    check_family(&made_families[1], false, 0.3, true);
    check_family(&made_families[4], true, 0.3, true);
}

static void all_targets_off_is_no_gradient(void **state)
{
    gguf_file *g = made_open(&made_families[0], NULL);
    decoder *d = open_made(g, false, 0);
    made_rows b;
    double loss = 1;

    made_batch(&b);
    for (int t = 0; t < MADE_ROWS; t++)
        b.target[t] = -1;
    assert_int_equal(decoder_learn(&loss, d, &b.rows, 1, 0, NULL), RAP_OK);
    assert_true(loss == 0);
    for (size_t i = 0; i < decoder_params(d); i++)
        assert_true(decoder_grad(d)[i] == 0);
    decoder_close(d);
    gguf_file_close(g);
}

/* Logits in blocks, and words behind them, give what they give in one piece. */
static void blocks_of_logits_change_nothing(void **state)
{
    enum { N = 3, V = 10, EXTRA = 2, ALL = V + EXTRA };
    const int32_t target[N] = { 0, 9, 11 };
    real whole[N * ALL], parts[N * ALL];
    const real weight[N] = { 1, 0.25, 2 };
    double loss[N], again[N];

    for (int i = 0; i < N * ALL; i++)
        *logit(parts, i / ALL, i % ALL, N, V, 4, EXTRA) = whole[i] = (real)made_number(3, 0);
    cross_entropy(loss, whole, target, weight, N, ALL, ALL, 0, 0.5, 1);
    cross_entropy(again, parts, target, weight, N, V, 4, EXTRA, 0.5, 1);
    for (int i = 0; i < N; i++)
        assert_true(fabs(loss[i] - again[i]) < 1e-12);
    for (int i = 0; i < N * ALL; i++)
        assert_true(fabs(whole[i] - *logit(parts, i / ALL, i % ALL, N, V, 4, EXTRA)) < 1e-12);
}

/* ---- rows that go in, and words that the vocabulary does not have ---- */

enum { WORDS = 2 };

static double loss_of(decoder *d, const rows *r)
{
    double loss = 0;

    assert_int_equal(decoder_loss(&loss, d, r, 0, NULL), RAP_OK);
    return loss;
}

/* Of a number of a row that goes in, or of a word. */
static double difference_of(decoder *d, const rows *r, double *x)
{
    const double step = 1e-3, at = *x;
    double loss[4];

    for (int i = 0; i < 4; i++) {
        *x = at + (i < 2 ? i - 2 : i - 1) * step;
        loss[i] = loss_of(d, r);
    }
    *x = at;
    return (8 * (loss[2] - loss[1]) - loss[3] + loss[0]) / (12 * step);
}

static void learnt_rows_have_right_gradients(const made *m)
{
    gguf_file *g = made_open(m, NULL);
    decoder *d = open_made(g, false, 0);
    double word[WORDS * MADE_WIDTH], grad[WORDS * MADE_WIDTH] = { 0 }, loss = 0, worst = 0,
                                                  largest = 0, dx[2][MADE_WIDTH];
    made_rows b;

    made_batch(&b);
    for (int i = 0; i < WORDS * MADE_WIDTH; i++)
        word[i] = uniform_at(3, 4, (uint64_t)i) - 0.5;
    b.target[4] = MADE_VOCAB;
    b.target[12] = MADE_VOCAB + 1;
    assert_int_equal(decoder_learn(&loss, d, &b.rows, 1, 0, NULL), RAP_E_ARGUMENT);
    decoder_words(d, word, grad, WORDS);
    assert_int_equal(decoder_learn(&loss, d, &b.rows, 1, 0, NULL), RAP_OK);
    for (int p = 0; p < 2; p++)
        memcpy(dx[p], decoder_input_gradient(d) + (2 + p) * MADE_WIDTH, sizeof dx[p]);
    for (int i = 0; i < 2 * MADE_WIDTH; i++) {
        double at = dx[i / MADE_WIDTH][i % MADE_WIDTH];

        worst = fmax(
            worst, fabs(at - difference_of(d, &b.rows, &b.pixels[i / MADE_WIDTH][i % MADE_WIDTH])));
        largest = fmax(largest, fabs(at));
    }
    for (int i = 0; i < WORDS * MADE_WIDTH; i++) {
        worst = fmax(worst, fabs(grad[i] - difference_of(d, &b.rows, &word[i])));
        largest = fmax(largest, fabs(grad[i]));
    }
    printf("  %s: rows and words, worst %.1e of the largest\n", m->architecture, worst / largest);
    assert_true(largest > 1e-2 && worst / largest < 1e-6);
    decoder_close(d);
    gguf_file_close(g);
}

static void rows_and_words_too(void **state)
{
    for (int i = 0; i < MADE_FAMILIES; i++)
        learnt_rows_have_right_gradients(&made_families[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(gradients_equal_differences),
                                        cmocka_unit_test(rows_and_words_too),
                                        cmocka_unit_test(also_with_dropout_and_weights),
                                        cmocka_unit_test(blocks_of_logits_change_nothing),
                                        cmocka_unit_test(all_targets_off_is_no_gradient) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

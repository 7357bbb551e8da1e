/* test_optimiser.c: the learning rate's curve, and that eight sequences are learnt by heart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "made.h"
#include "train/optimiser.h"

static void the_rate_rises_and_falls(void **state)
{
    assert_true(learning_rate(1, 0, 100, 0.03) > 0.33 && learning_rate(1, 0, 100, 0.03) < 0.34);
    assert_true(learning_rate(1, 2, 100, 0.03) == 1);
    assert_true(learning_rate(1, 3, 100, 0.03) == 1);
    assert_true(learning_rate(1, 50, 100, 0.03) < 0.55);
    assert_true(learning_rate(1, 99, 100, 0.03) < 0.001);
    assert_true(learning_rate(1, 0, 1, 0) == 1);
}

enum { EACH = 6, COUNT = 8, STEPS = 400 };

/* Sequence s begins with its own token and goes on with others that only that one tells. */
static void eight_sequences_are_learnt(void **state)
{
    /* The norm before the frozen head bounds the logits, and so how sure the decoder can be: a head of large weights. */
    const made sure = {
        .architecture = "llama", .heads = 4, .groups = 2, .rope_dims = 4, .head = 4
    };
    gguf_file *g = made_open(&sure, NULL);
    decoder_options o = {
        .rank = 8, .alpha = 16, .seed = 3, .threads = 1, .rows = EACH * COUNT, .keep = 1 << 24
    };
    decoder *d = NULL;
    int32_t token[EACH * COUNT], target[EACH * COUNT], begin[COUNT + 1];
    rows r = { .count = EACH * COUNT, .token = token, .target = target, .spans = { begin, COUNT } };
    real *m, *v;
    double first = 0, loss = 0;

    assert_int_equal(decoder_open(&d, g, &o, NULL), RAP_OK);
    m = calloc(decoder_params(d), sizeof *m);
    v = calloc(decoder_params(d), sizeof *v);
    for (int s = 0; s <= COUNT; s++)
        begin[s] = s * EACH;
    for (int t = 0; t < EACH * COUNT; t++) {
        token[t] = (t / EACH + 1 + (t % EACH) * (3 + t / EACH)) % MADE_VOCAB;
        target[t] = (t * 11 + t / EACH) % MADE_VOCAB;
    }
    for (int step = 0; step < STEPS; step++) {
        assert_int_equal(decoder_learn(&loss, d, &r, 1.0 / (EACH * COUNT), 0, NULL), RAP_OK);
        loss /= EACH * COUNT;
        first = step ? first : loss;
        adam_step(&(adam){ decoder_param(d), decoder_grad(d), m, v, decoder_params(d), step + 1,
                           learning_rate(1e-2, step, STEPS, 0.03), 1 },
                  1);
    }
    printf("  loss %.3f, then %.6f\n", first, loss);
    assert_true(first > 1);
    assert_true(loss < 0.01);
    free(m);
    free(v);
    decoder_close(d);
    gguf_file_close(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(the_rate_rises_and_falls),
                                        cmocka_unit_test(eight_sequences_are_learnt) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

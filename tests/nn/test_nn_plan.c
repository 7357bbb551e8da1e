/* test_nn_plan.c: steps that are not alive together share memory, those that are never do; graphs
 * share packed weights. */
#include "nn/nn_case.h"
#include "nn/nn_internal.h"

#define WIDE 1000

/* A chain of any length needs only two buffers. */
static void test_a_chain_needs_little_memory(void **state)
{
    reference r = reference_open(NN_F32);
    rap_err err = { 0 };
    size_t need[2];
    for (int i = 0; i < 2; i++) {
        nn_graph *g = NULL;
        must(nn_graph_new(&g, r.n, &err), &err);
        nn_tensor *x = nn_input(g, NN_SHAPE(8, WIDE));
        for (int k = 0; k < (i ? 40 : 4); k++)
            x = nn_softmax(g, x);
        nn_output(g, x);
        must(nn_graph_compile(g, &err), &err);
        need[i] = nn_graph_memory(g);
        nn_graph_free(g);
    }
    assert_int_equal(need[0], need[1]);
    assert_true(need[0] <= 2 * (8 * WIDE * 4 + 64));
    reference_close(&r);
}

/* Many values alive at once, joined late, in an order that tempts a planner. */
static void test_values_alive_together_stay_apart(void **state)
{
    reference r = reference_open(NN_F32);
    rap_err err = { 0 };
    nn_graph *g = NULL;
    float x[WIDE], *out = calloc(7 * WIDE, sizeof *out), again[WIDE];
    for (int i = 0; i < WIDE; i++)
        x[i] = (float)i - 500;
    must(nn_graph_new(&g, r.n, &err), &err);
    nn_tensor *in = nn_input(g, NN_SHAPE(1, WIDE)), *part[7];
    part[0] = nn_add(g, in, in);
    for (int i = 1; i < 7; i++)
        part[i] = nn_add(g, part[i - 1], i % 2 ? in : part[0]);
    nn_tensor *relu = nn_activate(g, nn_reshape(g, part[3], NN_SHAPE(WIDE)), NN_RELU);
    nn_output(g, nn_concat(g, part, 7, 0));
    nn_output(g, relu);
    must(nn_graph_compile(g, &err), &err);
    for (int run = 0; run < 2; run++)
        must(nn_graph_run(g, (const void *[]){ x }, (float *[]){ out, again }, &err), &err);
    static const float times[] = { 2, 3, 5, 6, 8, 9, 11 };
    for (int k = 0; k < 7; k++)
        for (int i = 0; i < WIDE; i++)
            assert_true(out[k * WIDE + i] == times[k] * x[i]);
    for (int i = 0; i < WIDE; i++)
        assert_true(again[i] == (x[i] > 0 ? 6 * x[i] : 0));
    nn_graph_free(g);
    free(out);
    reference_close(&r);
}

/* x + f(x): the residual is also the layer's input, so it must not be overwritten. */
static void test_a_residual_that_is_read_is_not_overwritten(void **state)
{
    reference r = reference_open(NN_F32);
    rap_err err = { 0 };
    nn_shape s;
    float *w = values(&r, "block.out.weight", &s), *b = values(&r, "block.out.bias", &s);
    float x[32], out[32];
    nn_graph *g = NULL;
    for (int i = 0; i < 32; i++)
        x[i] = sinf((float)i);
    must(nn_graph_new(&g, r.n, &err), &err);
    nn_tensor *h =
        nn_add(g, nn_input(g, NN_SHAPE(1, 32)), nn_weight(g, "block.class", NN_SHAPE(32)));
    nn_output(g, nn_linear(g, h, "block.out.weight", "block.out.bias",
                           (nn_linear_options){ .residual = h }));
    must(nn_graph_compile(g, &err), &err);
    must(nn_graph_run(g, (const void *[]){ x }, (float *[]){ out }, &err), &err);
    float *class = values(&r, "block.class", &s);
    for (int o = 0; o < 32; o++) {
        double sum = b[o] + x[o] + class[o];
        for (int i = 0; i < 32; i++)
            sum += (double)w[o * 32 + i] * (x[i] + class[i]);
        assert_true(fabs(sum - out[o]) < 1e-5);
    }
    nn_graph_free(g);
    free(w);
    free(b);
    free(class);
    reference_close(&r);
}

static int packed_count(const nn *n)
{
    int count = 0;
    for (const nn_packed *p = n->packed; p; p = p->next)
        count++;
    return count;
}

static void test_graphs_share_packed_weights(void **state)
{
    reference r = reference_open(NN_F32);
    rap_err err = { 0 };
    nn_graph *g[3] = { NULL };
    int count[3];
    for (int i = 0; i < 3; i++) {
        must(nn_graph_new(&g[i], r.n, &err), &err);
        nn_tensor *x = nn_input(g[i], NN_SHAPE(5, 24));
        nn_output(g[i], nn_linear(g[i], x, "linear.weight", "linear.bias",
                                  (nn_linear_options){ .act = i == 2 ? NN_SILU : NN_NONE }));
        must(nn_graph_compile(g[i], &err), &err);
        count[i] = packed_count(r.n);
    }
    assert_int_equal(count[0], 2); /* weight and bias */
    assert_int_equal(count[1], 2);
    assert_int_equal(count[2], 2);
    for (int i = 0; i < 3; i++)
        nn_graph_free(g[i]);
    reference_close(&r);
}

/* Outputs may be views, inputs or weights; the profile counts steps. */
static void test_outputs_of_every_kind_and_the_profile(void **state)
{
    reference r = reference_open(NN_F32);
    rap_err err = { 0 };
    nn_graph *g = NULL;
    float x[6] = { 1, 2, 3, 4, 5, 6 }, view[6], same[6], weight[32];
    char *report = NULL;
    must(nn_graph_new(&g, r.n, &err), &err);
    nn_tensor *in = nn_input(g, NN_SHAPE(2, 3));
    nn_output(g, nn_reshape(g, nn_transpose(g, in, (int[]){ 1, 0 }), NN_SHAPE(6)));
    nn_output(g, in);
    nn_output(g, nn_weight(g, "block.class", NN_SHAPE(32)));
    must(nn_graph_compile(g, &err), &err);
    nn_graph_profile(g, true);
    must(nn_graph_run(g, (const void *[]){ x }, (float *[]){ view, same, weight }, &err), &err);
    assert_true(view[1] == 4 && view[4] == 3 && same[4] == 5);
    must(nn_graph_report(g, 100, &report, &err), &err);
    assert_non_null(strstr(report, "transpose"));
    free(report);
    nn_graph_free(g);
    reference_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_chain_needs_little_memory),
        cmocka_unit_test(test_values_alive_together_stay_apart),
        cmocka_unit_test(test_a_residual_that_is_read_is_not_overwritten),
        cmocka_unit_test(test_graphs_share_packed_weights),
        cmocka_unit_test(test_outputs_of_every_kind_and_the_profile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

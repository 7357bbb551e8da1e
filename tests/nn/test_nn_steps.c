/* test_nn_steps.c: every step against PyTorch's results (make_reference.py), in f32 to within 1e-5
 * and in bf16 by cosine; includes residuals, shared memory and batches. */
#include "nn/nn_case.h"

typedef nn_tensor *build_fn(nn_graph *g, nn_tensor *x, const char *option);

typedef struct step_case {
    const char *input, *result;
    build_fn *build;
    const char *option;
} step_case;

static nn_tensor *input_like(nn_graph *g, const reference *r, const char *name)
{
    nn_shape s;
    free(values(r, name, &s));
    return nn_weight(g, name, s);
}

static const reference *current; /* of the current case */

static nn_tensor *conv(nn_graph *g, nn_tensor *x, const char *o)
{
    nn_conv_options options = { .stride = 1, .pad = 1 };
    if (!strcmp(o, "conv"))
        options = (nn_conv_options){ .stride = 2, .pad = 1, .act = NN_SILU };
    if (!strcmp(o, "grouped"))
        options.groups = 2;
    if (!strcmp(o, "point"))
        options = (nn_conv_options){ .act = NN_RELU };
    if (!strcmp(o, "patch"))
        options = (nn_conv_options){ .stride = 8 };
    return nn_conv(g, x, nn_name(g, "%s.weight", o), nn_name(g, "%s.bias", o), options);
}

/* A residual needed later is copied; one last read here is overwritten. */
static nn_tensor *summed_copy(nn_graph *g, nn_tensor *x, const char *o)
{
    nn_tensor *r = input_like(g, current, "summed.residual");
    return nn_conv(g, x, "summed.weight", "summed.bias",
                   (nn_conv_options){ .pad = 1, .act = NN_SILU, .residual = r });
}

static nn_tensor *summed_in_place(nn_graph *g, nn_tensor *x, const char *o)
{
    nn_tensor *r = nn_slice(g, input_like(g, current, "summed.residual"), 1, 0, 10);
    return nn_conv(g, x, "summed.weight", "summed.bias",
                   (nn_conv_options){ .pad = 1, .act = NN_SILU, .residual = r });
}

static nn_act act_of(const char *name)
{
    static const char *const names[] = { "none", "relu",      "sigmoid",   "silu",
                                         "gelu", "gelu_tanh", "quick_gelu" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(names[i], name))
            return (nn_act)i;
    fail_msg("no activation %s", name);
    return NN_NONE;
}

static nn_tensor *linear(nn_graph *g, nn_tensor *x, const char *o)
{
    return nn_linear(g, x, "linear.weight", "linear.bias", (nn_linear_options){ .act = act_of(o) });
}

static nn_tensor *linear_then_act(nn_graph *g, nn_tensor *x, const char *o)
{
    nn_linear_options options = { .in_out = true };
    return nn_activate(g, nn_linear(g, x, "linear.turned", "linear.bias", options), act_of(o));
}

static nn_tensor *norm(nn_graph *g, nn_tensor *x, const char *o)
{
    return nn_layer_norm(g, x, "norm.weight", "norm.bias", 1e-5f);
}

static nn_tensor *softmax(nn_graph *g, nn_tensor *x, const char *o)
{
    return nn_softmax(g, x);
}

static nn_tensor *mean(nn_graph *g, nn_tensor *x, const char *o)
{
    return nn_mean(g, x, 1);
}

static nn_tensor *turned(nn_graph *g, nn_tensor *x, const char *o)
{
    return nn_transpose(g, x, (int[]){ 2, 0, 1 });
}

static nn_tensor *attention_fused(nn_graph *g, nn_tensor *x, const char *o)
{
    return nn_attention_fused(g, x, 3, *o == 'c');
}

static nn_tensor *attention_split(nn_graph *g, nn_tensor *x, const char *o)
{
    return nn_attention(g, x, input_like(g, current, "attention.k"),
                        input_like(g, current, "attention.v"), 3, *o == 'c');
}

static nn_tensor *upsample(nn_graph *g, nn_tensor *x, const char *o)
{
    return nn_upsample_nearest(g, x, 2);
}

static nn_tensor *pool(nn_graph *g, nn_tensor *x, const char *o)
{
    return nn_max_pool(g, x, 5, 1, 2);
}

static nn_tensor *pool2(nn_graph *g, nn_tensor *x, const char *o)
{
    return nn_max_pool(g, x, 3, 2, 1);
}

/* Split into three and joined again, on the middle and the last axis. */
static nn_tensor *split_and_join(nn_graph *g, nn_tensor *x, const char *o)
{
    nn_tensor *wide[] = { nn_slice(g, x, 2, 0, 11), nn_slice(g, x, 2, 11, 30),
                          nn_slice(g, x, 2, 41, 9) };
    x = nn_concat(g, wide, 3, 2);
    nn_tensor *deep[] = { nn_slice(g, x, 1, 0, 3), nn_slice(g, x, 1, 3, 4) };
    return nn_concat(g, deep, 2, 1);
}

static nn_tensor *block(nn_graph *g, nn_tensor *unused, const char *o)
{
    nn_tensor *ids = nn_input_ids(g, NN_SHAPE(3, 6));
    nn_tensor *parts[] = { nn_repeat(g, nn_weight(g, "block.class", NN_SHAPE(1, 1, 32)), 3),
                           nn_embedding(g, ids, "block.table") };
    nn_tensor *x = nn_concat(g, parts, 2, 1);
    x = nn_add(g, x, nn_weight(g, "block.position", NN_SHAPE(7, 32)));
    nn_tensor *h = nn_layer_norm(g, x, "block.ln1.weight", "block.ln1.bias", 1e-5f);
    h = nn_linear(g, h, "block.qkv.weight", "block.qkv.bias", (nn_linear_options){ 0 });
    h = nn_attention_fused(g, h, 4, false);
    x = nn_linear(g, h, "block.out.weight", "block.out.bias", (nn_linear_options){ .residual = x });
    h = nn_layer_norm(g, x, "block.ln2.weight", "block.ln2.bias", 1e-5f);
    h = nn_linear(g, h, "block.up.weight", "block.up.bias", (nn_linear_options){ .act = NN_GELU });
    x = nn_linear(g, h, "block.down.weight", "block.down.bias",
                  (nn_linear_options){ .residual = x });
    return *o == 'g' ? nn_gather(g, x, nn_input_ids(g, NN_SHAPE(3))) : x;
}

static const step_case cases[] = {
    { "conv.x", "conv.y", conv, "conv" },
    { "grouped.x", "grouped.y", conv, "grouped" },
    { "point.x", "point.y", conv, "point" },
    { "patch.x", "patch.y", conv, "patch" },
    { "summed.x", "summed.y", summed_copy, "" },
    { "summed.x", "summed.y", summed_in_place, "" },
    { "linear.x", "linear.y.none", linear, "none" },
    { "linear.x", "linear.y.relu", linear, "relu" },
    { "linear.x", "linear.y.sigmoid", linear, "sigmoid" },
    { "linear.x", "linear.y.silu", linear, "silu" },
    { "linear.x", "linear.y.gelu", linear, "gelu" },
    { "linear.x", "linear.y.gelu_tanh", linear, "gelu_tanh" },
    { "linear.x", "linear.y.quick_gelu", linear, "quick_gelu" },
    { "linear.x", "linear.y.relu", linear_then_act, "relu" },
    { "linear.x", "linear.y.sigmoid", linear_then_act, "sigmoid" },
    { "linear.x", "linear.y.silu", linear_then_act, "silu" },
    { "linear.x", "linear.y.gelu", linear_then_act, "gelu" },
    { "linear.x", "linear.y.gelu_tanh", linear_then_act, "gelu_tanh" },
    { "linear.x", "linear.y.quick_gelu", linear_then_act, "quick_gelu" },
    { "norm.x", "norm.y", norm, "" },
    { "norm.x5", "norm.softmax", softmax, "" },
    { "norm.x", "norm.mean", mean, "" },
    { "norm.x", "norm.turned", turned, "" },
    { "norm.x", "norm.x", split_and_join, "" },
    { "attention.qkv", "attention.y", attention_fused, "" },
    { "attention.qkv", "attention.causal", attention_fused, "causal" },
    { "attention.q", "attention.y", attention_split, "" },
    { "attention.q", "attention.causal", attention_split, "causal" },
    { "picture.x", "picture.up", upsample, "" },
    { "picture.x", "picture.pool", pool, "" },
    { "picture.x", "picture.pool2", pool2, "" },
    { NULL, "block.y", block, "" },
    { NULL, "block.gathered", block, "gathered" },
};

static void run_case(const reference *r, const step_case *c, nn_precision p)
{
    static const int32_t ids[3][6] = { { 1, 5, 0, 19, 7, 7 },
                                       { 3, 2, 1, 0, 4, 18 },
                                       { 9, 9, 9, 8, 8, 8 } };
    static const int32_t rows[3] = { 2, 6, 4 };
    rap_err err = { 0 };
    nn_graph *g = NULL;
    nn_shape is = { 0 }, os;
    float *x = c->input ? values(r, c->input, &is) : NULL, *want = values(r, c->result, &os);
    int64_t count = 1;
    must(nn_graph_new(&g, r->n, &err), &err);
    current = r;
    nn_tensor *y = c->build(g, x ? nn_input(g, is) : NULL, c->option);
    nn_output(g, y);
    must(nn_graph_compile(g, &err), &err);
    nn_shape made = nn_shape_of(y);
    assert_int_equal(made.dims, os.dims);
    for (int i = 0; i < os.dims; i++) {
        assert_int_equal(made.d[i], os.d[i]);
        count *= os.d[i];
    }
    float *got = calloc((size_t)count, sizeof *got);
    for (int again = 0; again < 2; again++) /* runs are independent */
        must(nn_graph_run(g, x ? (const void *[]){ x } : (const void *[]){ ids, rows },
                          (float *[]){ got }, &err),
             &err);
    double d = difference(got, want, count), cos = cosine(got, want, count);
    if (p == NN_F32 ? !(d < 1e-5) : !(cos > 0.9995))
        fail_msg("%s (%s): difference %g, cosine %g", c->result, c->option, d, cos);
    free(got);
    free(x);
    free(want);
    nn_graph_free(g);
}

static void test_f32_equals_pytorch(void **state)
{
    reference r = reference_open(NN_F32);
    assert_int_equal(nn_precision_of(r.n), NN_F32);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        run_case(&r, &cases[i], NN_F32);
    reference_close(&r);
}

static void test_bf16_is_close(void **state)
{
    if (!nn_bf16_is_native())
        print_message("this CPU has no bf16 instructions: emulating\n");
    reference r = reference_open(NN_BF16);
    assert_int_equal(nn_precision_of(r.n), NN_BF16);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        run_case(&r, &cases[i], NN_BF16);
    reference_close(&r);
}

static rap_status count_up(float *out, const float *const *in, int threads, void *payload,
                           rap_err *err)
{
    int *calls = payload;
    for (int i = 0; i < 6; i++)
        out[i] = in[0][i] + in[1][i];
    return ++*calls < 3 ? RAP_OK : err_set(err, RAP_E_MODEL, "the third time");
}

static void test_custom_step_computes_and_fails(void **state)
{
    reference r = reference_open(NN_F32);
    rap_err err = { 0 };
    nn_graph *g = NULL;
    int calls = 0;
    float a[6] = { 1, 2, 3, 4, 5, 6 }, b[6] = { 10, 20, 30, 40, 50, 60 }, out[6];
    must(nn_graph_new(&g, r.n, &err), &err);
    nn_tensor *in[] = { nn_input(g, NN_SHAPE(2, 3)), nn_input(g, NN_SHAPE(6)) };
    nn_output(g, nn_custom(g, count_up, &calls, in, 2, NN_SHAPE(3, 2)));
    must(nn_graph_compile(g, &err), &err);
    for (int i = 0; i < 2; i++)
        must(nn_graph_run(g, (const void *[]){ a, b }, (float *[]){ out }, &err), &err);
    assert_true(out[5] == 66);
    assert_int_equal(nn_graph_run(g, (const void *[]){ a, b }, (float *[]){ out }, &err),
                     RAP_E_MODEL);
    assert_string_equal(err.text, "the third time");
    nn_graph_free(g);
    reference_close(&r);
}

static void test_ids_out_of_range_are_reported(void **state)
{
    reference r = reference_open(NN_F32);
    rap_err err = { 0 };
    nn_graph *g = NULL;
    float out[64];
    must(nn_graph_new(&g, r.n, &err), &err);
    nn_output(g, nn_embedding(g, nn_input_ids(g, NN_SHAPE(2)), "block.table"));
    must(nn_graph_compile(g, &err), &err);
    for (int bad = -1; bad <= 20; bad += 21) {
        int32_t ids[2] = { 0, bad };
        assert_int_equal(nn_graph_run(g, (const void *[]){ ids }, (float *[]){ out }, &err),
                         RAP_E_ARGUMENT);
    }
    nn_graph_free(g);
    reference_close(&r);
}

static void test_matmul(void **state)
{
    float a[6] = { 1, 2, 3, 4, 5, 6 }, b[6] = { 1, 0, 2, 0, 1, 1 }, out[4];
    must(nn_matmul(out, 2, a, 3, b, 3, true, 2, 2, 3), NULL);
    assert_true(out[0] == 7 && out[1] == 5 && out[2] == 16 && out[3] == 11);
    must(nn_matmul(out, 2, a, 3, b, 2, false, 2, 2, 3), NULL);
    assert_true(out[0] == 8 && out[1] == 3 && out[2] == 20 && out[3] == 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_f32_equals_pytorch),
        cmocka_unit_test(test_bf16_is_close),
        cmocka_unit_test(test_custom_step_computes_and_fails),
        cmocka_unit_test(test_ids_out_of_range_are_reported),
        cmocka_unit_test(test_matmul),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

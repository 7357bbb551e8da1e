/* test_nn_build.c: errors are recorded, name the file and the tensor, and never reach a kernel. */
#include "nn/nn_case.h"

typedef nn_tensor *wrong_fn(nn_graph *g);

static nn_tensor *missing(nn_graph *g)
{
    return nn_linear(g, nn_input(g, NN_SHAPE(2, 24)), "absent.weight", NULL,
                     (nn_linear_options){ 0 });
}

static nn_tensor *too_narrow(nn_graph *g)
{
    return nn_linear(g, nn_input(g, NN_SHAPE(2, 23)), "linear.weight", NULL,
                     (nn_linear_options){ 0 });
}

static nn_tensor *turned(nn_graph *g)
{
    return nn_linear(g, nn_input(g, NN_SHAPE(2, 24)), "linear.weight", NULL,
                     (nn_linear_options){ .in_out = true });
}

static nn_tensor *wrong_bias(nn_graph *g)
{
    return nn_linear(g, nn_input(g, NN_SHAPE(2, 24)), "linear.weight", "norm.bias",
                     (nn_linear_options){ 0 });
}

static nn_tensor *wrong_channels(nn_graph *g)
{
    return nn_conv(g, nn_input(g, NN_SHAPE(1, 9, 9, 4)), "conv.weight", "conv.bias",
                   (nn_conv_options){ .pad = 1 });
}

static nn_tensor *kernel_over_picture(nn_graph *g)
{
    return nn_conv(g, nn_input(g, NN_SHAPE(1, 2, 2, 3)), "conv.weight", "conv.bias",
                   (nn_conv_options){ 0 });
}

static nn_tensor *negative_stride(nn_graph *g)
{
    return nn_conv(g, nn_input(g, NN_SHAPE(1, 9, 9, 3)), "conv.weight", "conv.bias",
                   (nn_conv_options){ .stride = -1 });
}

static nn_tensor *odd_groups(nn_graph *g)
{
    return nn_conv(g, nn_input(g, NN_SHAPE(1, 9, 9, 9)), "conv.weight", "conv.bias",
                   (nn_conv_options){ .groups = 3 });
}

static nn_tensor *heads_that_do_not_divide(nn_graph *g)
{
    return nn_attention_fused(g, nn_input(g, NN_SHAPE(1, 5, 24)), 5, false);
}

static nn_tensor *short_table(nn_graph *g)
{
    return nn_weight(g, "block.position", NN_SHAPE(8, 32));
}

static nn_tensor *huge(nn_graph *g)
{
    return nn_input(g, NN_SHAPE(1 << 20, 1 << 20, 1 << 20));
}

static nn_tensor *nothing(nn_graph *g)
{
    return nn_input(g, NN_SHAPE(3, 0));
}

static nn_tensor *slice_beyond(nn_graph *g)
{
    return nn_slice(g, nn_input(g, NN_SHAPE(3, 4)), 1, 3, 2);
}

static nn_tensor *concat_misfit(nn_graph *g)
{
    nn_tensor *parts[] = { nn_input(g, NN_SHAPE(3, 4)), nn_input(g, NN_SHAPE(2, 4)) };
    return nn_concat(g, parts, 2, 1);
}

static nn_tensor *add_misfit(nn_graph *g)
{
    return nn_add(g, nn_input(g, NN_SHAPE(3, 4)), nn_input(g, NN_SHAPE(3, 1)));
}

static nn_tensor *twice_the_same_axis(nn_graph *g)
{
    return nn_transpose(g, nn_input(g, NN_SHAPE(3, 4)), (int[]){ 1, 1 });
}

static nn_tensor *wrong_residual(nn_graph *g)
{
    nn_tensor *x = nn_input(g, NN_SHAPE(2, 24));
    return nn_linear(g, x, "linear.weight", NULL, (nn_linear_options){ .residual = x });
}

/* ---- ids instead of floats */

static nn_tensor *linear_of_ids(nn_graph *g)
{
    return nn_linear(g, nn_input_ids(g, NN_SHAPE(2, 24)), "linear.weight", NULL,
                     (nn_linear_options){ 0 });
}

static nn_tensor *convolution_of_ids(nn_graph *g)
{
    return nn_conv(g, nn_input_ids(g, NN_SHAPE(1, 9, 9, 3)), "conv.weight", "conv.bias",
                   (nn_conv_options){ .pad = 1 });
}

static nn_tensor *residual_of_ids(nn_graph *g)
{
    return nn_linear(g, nn_input(g, NN_SHAPE(2, 24)), "linear.weight", NULL,
                     (nn_linear_options){ .residual = nn_input_ids(g, NN_SHAPE(2, 40)) });
}

static nn_tensor *norm_of_ids(nn_graph *g)
{
    return nn_layer_norm(g, nn_input_ids(g, NN_SHAPE(2, 24)), NULL, NULL, 1e-5f);
}

static nn_tensor *attention_of_ids(nn_graph *g)
{
    nn_tensor *q = nn_input(g, NN_SHAPE(1, 5, 24));
    return nn_attention(g, q, q, nn_input_ids(g, NN_SHAPE(1, 5, 24)), 2, false);
}

static nn_tensor *fused_attention_of_ids(nn_graph *g)
{
    return nn_attention_fused(g, nn_input_ids(g, NN_SHAPE(1, 5, 24)), 2, false);
}

static nn_tensor *activation_of_ids(nn_graph *g)
{
    return nn_activate(g, nn_input_ids(g, NN_SHAPE(2, 24)), NN_SILU);
}

static nn_tensor *softmax_of_ids(nn_graph *g)
{
    return nn_softmax(g, nn_reshape(g, nn_input_ids(g, NN_SHAPE(2, 24)), NN_SHAPE(48)));
}

static nn_tensor *mean_of_ids(nn_graph *g)
{
    return nn_mean(g, nn_input_ids(g, NN_SHAPE(2, 24)), 0);
}

static rap_status unused(float *out, const float *const *in, int threads, void *payload,
                         rap_err *err)
{
    return RAP_OK;
}

static nn_tensor *own_step_of_ids(nn_graph *g)
{
    nn_tensor *in[] = { nn_input_ids(g, NN_SHAPE(2, 24)) };
    return nn_custom(g, unused, NULL, in, 1, NN_SHAPE(2, 24));
}

static nn_tensor *many_parts(nn_graph *g)
{
    nn_tensor *parts[17];
    for (int i = 0; i < 17; i++)
        parts[i] = nn_input(g, NN_SHAPE(3, 4));
    return nn_concat(g, parts, 17, 1);
}

static nn_tensor *models_own(nn_graph *g)
{
    return nn_fail(g, RAP_E_FORMAT, "reference.gguf: the model says %d", 7);
}

static void test_errors_are_reported(void **state)
{
    static const struct {
        wrong_fn *build;
        const char *says;
    } wrong[] = {
        { missing, "'absent.weight' is missing" },
        { too_narrow, "'linear.weight' has shape [40, 24], expected [40, 23]" },
        { turned, "'linear.weight' has shape [40, 24], expected [24, 24]" },
        { wrong_bias, "'norm.bias' has shape [50], expected [40]" },
        { wrong_channels, "'conv.weight' of shape [8, 3, 3, 3] does not fit input [1, 9, 9, 4]" },
        { kernel_over_picture, "does not fit input [1, 2, 2, 3]" },
        { negative_stride, "does not fit" },
        { odd_groups, "does not fit" },
        { heads_that_do_not_divide, "an attention: shapes or types do not match" },
        { short_table, "'block.position' has shape [7, 32], expected [8, 32]" },
        { huge, "is empty or too large" },
        { nothing, "is empty or too large" },
        { slice_beyond, "a slice: shapes or types do not match" },
        { concat_misfit, "a concatenation: shapes or types do not match" },
        { add_misfit, "a sum: shapes or types do not match" },
        { twice_the_same_axis, "a transposition: shapes or types do not match" },
        { wrong_residual, "a residual's shape differs" },
        { many_parts, "a concatenation: shapes or types do not match" },
        { linear_of_ids, "a linear layer: shapes or types do not match" },
        { convolution_of_ids, "a convolution: shapes or types do not match" },
        { residual_of_ids, "a residual: shapes or types do not match" },
        { norm_of_ids, "a layer norm: shapes or types do not match" },
        { attention_of_ids, "an attention: shapes or types do not match" },
        { fused_attention_of_ids, "an attention: shapes or types do not match" },
        { activation_of_ids, "an activation: shapes or types do not match" },
        { softmax_of_ids, "a softmax: shapes or types do not match" },
        { mean_of_ids, "a mean: shapes or types do not match" },
        { own_step_of_ids, "a custom step: shapes or types do not match" },
        { models_own, "the model says 7" },
    };
    reference r = reference_open(NN_F32);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        rap_err err = { 0 };
        nn_graph *g = NULL;
        must(nn_graph_new(&g, r.n, &err), &err);
        nn_tensor *y = wrong[i].build(g);
        assert_null(y);
        assert_true(nn_failed(g));
        y = nn_layer_norm(g, nn_activate(g, y, NN_SILU), NULL, NULL, 1e-5f); /* has no effect */
        assert_null(y);
        nn_output(g, y);
        assert_int_not_equal(nn_graph_compile(g, &err), RAP_OK);
        if (!strstr(err.text, wrong[i].says) || !strstr(err.text, "reference.gguf"))
            fail_msg("\"%s\" where \"%s\" was expected", err.text, wrong[i].says);
        nn_graph_free(g);
    }
    reference_close(&r);
}

static void test_a_graph_runs_only_compiled_and_compiles_once(void **state)
{
    reference r = reference_open(NN_F32);
    rap_err err = { 0 };
    nn_graph *g = NULL;
    float x[4] = { 1, -2, 3, -4 }, out[4];
    must(nn_graph_new(&g, r.n, &err), &err);
    nn_output(g, nn_activate(g, nn_input(g, NN_SHAPE(4)), NN_RELU));
    assert_int_equal(nn_graph_run(g, (const void *[]){ x }, (float *[]){ out }, &err),
                     RAP_E_ARGUMENT);
    must(nn_graph_compile(g, &err), &err);
    assert_int_equal(nn_graph_compile(g, &err), RAP_E_ARGUMENT);
    must(nn_graph_run(g, (const void *[]){ x }, (float *[]){ out }, &err), &err);
    assert_true(out[0] == 1 && out[1] == 0 && out[2] == 3 && out[3] == 0);
    nn_graph_free(g);
    reference_close(&r);
}

static rap_status as_asked(float *out, const float *const *in, int threads, void *payload,
                           rap_err *err)
{
    *out = *in[0];
    return *(const bool *)payload ? RAP_OK : err_set(err, RAP_E_MODEL, "failed on purpose");
}

static void test_a_failed_run_was_no_run(void **state)
{
    reference r = reference_open(NN_F32);
    rap_err err = { 0 };
    nn_graph *g = NULL;
    bool well = false;
    float x = 2, out;
    must(nn_graph_new(&g, r.n, &err), &err);
    nn_tensor *in = nn_input(g, NN_SHAPE(1));
    nn_output(g, nn_custom(g, as_asked, &well, &in, 1, NN_SHAPE(1)));
    must(nn_graph_compile(g, &err), &err);
    nn_graph_profile(g, true);
    assert_int_equal(nn_graph_run(g, (const void *[]){ &x }, (float *[]){ &out }, &err),
                     RAP_E_MODEL);
    assert_false(nn_graph_was_run(g));
    well = true;
    must(nn_graph_run(g, (const void *[]){ &x }, (float *[]){ &out }, &err), &err);
    assert_true(nn_graph_was_run(g) && out == 2);
    nn_graph_free(g);
    reference_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_errors_are_reported),
        cmocka_unit_test(test_a_graph_runs_only_compiled_and_compiles_once),
        cmocka_unit_test(test_a_failed_run_was_no_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_nn_compile.c: which linear layers run in 8 bits. */
#include "nn/nn_case.h"
#include "nn/nn_internal.h"

#include <unistd.h>

enum { D = 64 };

static char path[] = "/tmp/rap-compile-XXXXXX";

static int set_up(void **state)
{
    static float zeros[D * D];
    close(mkstemp(path));
    gguf_writer *w = gguf_writer_new("vit");
    gguf_put_tensor(w, "patches", GGUF_F32, 4, (int64_t[]){ 2, 2, 16, D }, zeros);
    gguf_put_tensor(w, "square", GGUF_F32, 2, (int64_t[]){ D, D }, zeros);
    rap_status status = gguf_writer_save(w, path, NULL);
    gguf_writer_free(w);
    return status;
}

static int tear_down(void **state)
{
    return unlink(path);
}

static nn_tensor *square(nn_graph *g, nn_tensor *x, bool in_out)
{
    return nn_linear(g, x, "square", NULL, (nn_linear_options){ .in_out = in_out });
}

/* One letter per linear layer in order: b for bytes, f for f32. */
static void expect(const char *methods, nn_graph *g)
{
    rap_err err = { 0 };
    must(nn_graph_compile(g, &err), &err);
    for (const nn_node *nd = g->nodes; nd; nd = nd->next)
        if (nd->kind == NN_LINEAR) {
            assert_int_equal(nd->method == NN_METHOD_BYTES ? 'b' : 'f', *methods);
            methods++;
        }
    assert_int_equal(*methods, '\0');
    nn_graph_free(g);
}

static void test_which_layers_run_in_bytes(void **state)
{
    rap_err err = { 0 };
    gguf_file *file;
    nn *n;
    nn_graph *g;
    must(gguf_file_open(&file, path, &err), &err);
    must(nn_open(&n, file, 1, NN_INT8, &err), &err);

    must(nn_graph_new(&g, n, &err),
         &err); /* on patches, in between, on a reshaped tensor, [in, out], output */
    nn_tensor *x = nn_input(g, NN_SHAPE(1, 8, 8, 16));
    x = nn_conv(g, x, "patches", NULL, (nn_conv_options){ .stride = 2 });
    x = square(g, x, false);
    x = square(g, nn_reshape(g, x, NN_SHAPE(16, D)), false);
    x = square(g, x, true);
    nn_output(g, nn_reshape(g, square(g, x, false), NN_SHAPE(4, 4, D)));
    expect("fbbff", g);

    must(nn_graph_new(&g, n, &err), &err); /* on an input, reshaped or not */
    x = nn_input(g, NN_SHAPE(16, D));
    x = nn_add(g, square(g, x, false), square(g, nn_reshape(g, x, NN_SHAPE(16, D)), false));
    nn_output(g, nn_softmax(g, square(g, x, false)));
    expect("ffb", g);

    nn_close(n);
    gguf_file_close(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_which_layers_run_in_bytes) };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

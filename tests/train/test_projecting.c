/* test_projecting.c: the gradient of every number of a LLaVA projector equals finite differences of the decoder's loss, in
 * f64, through the decoder that its rows stand in. Sources compiled with RAP_TRAIN_DOUBLE, as for test_gradients.c.
 *
 *     test_projecting FOLDER     writes FOLDER/projector.json for tools/parity/projector.py */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "made.h"
#include "train/projector.h"

_Static_assert(sizeof(real) == 8, "the test is built with RAP_TRAIN_DOUBLE");

enum { IN = 5, INNER = 9, PICTURE_ROWS = 2 };

static gguf_file *made_mmproj(bool another)
{
    gguf_writer *w = gguf_writer_new("clip");
    char path[] = "/tmp/rap-projecting-XXXXXX";
    gguf_file *g = NULL;
    int fd = mkstemp(path);
    rap_err err = { 0 };

    assert_non_null(w);
    assert_true(fd >= 0);
    close(fd);
    made_tensor(w, "mm.0.weight", IN, INNER, 0.6f, 0);
    made_tensor(w, "mm.0.bias", INNER, 1, 0.3f, 0);
    made_tensor(w, "mm.2.weight", INNER, MADE_WIDTH, 0.6f, 0);
    made_tensor(w, "mm.2.bias", MADE_WIDTH, 1, 0.3f, 0);
    if (another)
        made_tensor(w, "mm.4.weight", MADE_WIDTH, MADE_WIDTH, 0.3f, 0);
    if (gguf_writer_save(w, path, &err) || gguf_file_open(&g, path, &err))
        fail_msg("%s", err.text);
    gguf_writer_free(w);
    unlink(path);
    return g;
}

static void draw_features(real *features)
{
    for (int i = 0; i < PICTURE_ROWS * IN; i++)
        features[i] = (real)made_number(1, 0);
}

/* The batch with the projector's rows as its picture. */
static void place(made_rows *b, projector *p, const real *features)
{
    projector_run(p, features, PICTURE_ROWS);
    for (int i = 0; i < PICTURE_ROWS; i++)
        b->picture[2 + i] = p->result + i * MADE_WIDTH;
}

static double loss_with(decoder *d, made_rows *b, projector *p, const real *features, size_t i,
                        double value)
{
    double before = p->param[i], loss = 0;

    p->param[i] = value;
    place(b, p, features);
    assert_int_equal(decoder_loss(&loss, d, &b->rows, 0, NULL), RAP_OK);
    p->param[i] = before;
    return loss;
}

static void check(const made *m, bool recompute)
{
    gguf_file *g = made_open(m, NULL), *mmproj = made_mmproj(false);
    decoder_options o = { .rank = 2,
                          .alpha = 4,
                          .seed = 5,
                          .threads = 1,
                          .rows = MADE_ROWS,
                          .recompute = recompute,
                          .keep = 1 << 24 };
    real features[PICTURE_ROWS * IN], dout[PICTURE_ROWS * MADE_WIDTH];
    double loss = 0, worst = 0, largest = 0, step = 1e-3, scale = 0.25;
    decoder *d = NULL;
    projector p;
    made_rows b;
    rap_err err = { 0 };

    if (decoder_open(&d, g, &o, &err) || projector_open(&p, mmproj, PICTURE_ROWS, 1, &err))
        fail_msg("%s", err.text);
    made_batch(&b);
    draw_features(features);
    place(&b, &p, features);
    assert_int_equal(decoder_learn(&loss, d, &b.rows, scale, 0, NULL), RAP_OK);
    memcpy(dout, decoder_input_gradient(d) + 2 * MADE_WIDTH, sizeof dout);
    projector_back(&p, features, dout, PICTURE_ROWS);
    for (size_t i = 0; i < p.params; i++) {
        double at = p.param[i], wanted;

        wanted = (8 * (loss_with(d, &b, &p, features, i, at + step) -
                       loss_with(d, &b, &p, features, i, at - step)) -
                  loss_with(d, &b, &p, features, i, at + 2 * step) +
                  loss_with(d, &b, &p, features, i, at - 2 * step)) /
                 (12 * step) * scale;
        worst = fmax(worst, fabs(p.grad[i] - wanted));
        largest = fmax(largest, fabs(wanted));
    }
    printf("  %s: %zu numbers, worst %.1e of the largest\n", m->architecture, p.params,
           worst / largest);
    assert_true(largest > 1e-3);
    assert_true(worst < 1e-6 * largest);
    projector_close(&p);
    decoder_close(d);
    gguf_file_close(mmproj);
    gguf_file_close(g);
}

static void gradients_equal_differences(void **state)
{
    for (int i = 0; i < MADE_FAMILIES; i++)
        check(&made_families[i], i % 2);
}

static void another_projector_is_refused(void **state)
{
    gguf_file *g = made_mmproj(true);
    projector p;
    rap_err err = { 0 };

    assert_int_equal(projector_width(g), 0);
    assert_int_equal(projector_open(&p, g, 2, 1, &err), RAP_E_UNSUPPORTED);
    assert_non_null(strstr(err.text, "--projector off"));
    gguf_file_close(g);
}

/* ---- for the parity recipe ---- */

static void put_numbers(FILE *f, const char *name, const real *x, size_t count, const char *end)
{
    fprintf(f, "\"%s\": [", name);
    for (size_t i = 0; i < count; i++)
        fprintf(f, "%s%.17g", i ? ", " : "", x[i]);
    fprintf(f, "]%s\n", end);
}

static int write_json(const char *folder)
{
    gguf_file *mmproj = made_mmproj(false);
    real features[PICTURE_ROWS * IN], dout[PICTURE_ROWS * MADE_WIDTH];
    char path[512];
    projector p;
    FILE *f;

    snprintf(path, sizeof path, "%s/projector.json", folder);
    if (projector_open(&p, mmproj, PICTURE_ROWS, 1, NULL) || !(f = fopen(path, "w")))
        return 1;
    draw_features(features);
    for (int i = 0; i < PICTURE_ROWS * MADE_WIDTH; i++)
        dout[i] = (real)made_number(1, 0);
    projector_run(&p, features, PICTURE_ROWS);
    projector_back(&p, features, dout, PICTURE_ROWS);
    fprintf(f, "{\"in\": %d, \"inner\": %d, \"out\": %d,\n", IN, INNER, MADE_WIDTH);
    put_numbers(f, "param", p.param, p.params, ",");
    put_numbers(f, "features", features, PICTURE_ROWS * IN, ",");
    put_numbers(f, "result", p.result, PICTURE_ROWS * MADE_WIDTH, ",");
    put_numbers(f, "dout", dout, PICTURE_ROWS * MADE_WIDTH, ",");
    put_numbers(f, "grad", p.grad, p.params, "}");
    projector_close(&p);
    gguf_file_close(mmproj);
    return fclose(f) != 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(gradients_equal_differences),
                                        cmocka_unit_test(another_projector_is_refused) };

    return argc > 1 ? write_json(argv[1]) : cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_module_tree.c: modules made by hand, honest and otherwise, walked or opened as a state dict. */
#include "convert/made_models.h"
#include "formats/module_tree.h"
#include "formats/state_dict.h"

#include <unistd.h>

static char path[] = "/tmp/rap-module-XXXXXX";

static int set_up(void **state)
{
    int f = mkstemp(path);
    return f < 0 ? 1 : close(f);
}

static int tear_down(void **state)
{
    return unlink(path);
}

/* ---- writing ------------------------------------------------------------------------------ */

/* An object whose attributes are given between open and close as key and value, one SETITEM each. */
static void layer_open(buf *b)
{
    pickle_global_name(b, "torch.nn.modules.container", "Sequential");
    buf_puts(b, ")\x81}");
}

static void layer_close(buf *b)
{
    buf_putc(b, 'b');
}

static void attribute(buf *b, const char *key, const char *opcodes)
{
    pickle_text(b, key);
    buf_puts(b, opcodes);
    buf_putc(b, 's');
}

/* A layer with one parameter of `elements` halves and nothing below. */
static void leaf(buf *b, int64_t elements)
{
    made_tensor t = { "w", "HalfStorage", "0", 64, 0, 1, { elements }, { 1 } };
    layer_open(b);
    attribute(b, "_modules", "}");
    pickle_text(b, "_parameters");
    buf_puts(b, "}");
    pickle_tensor_of(b, &t);
    buf_puts(b, "ss");
    layer_close(b);
}

static void save(buf *b)
{
    static const uint16_t zeros[64];
    buf_putc(b, '.');
    save_pickle(path, b, zeros, sizeof zeros);
    buf_release(b);
}

/* ---- reading ------------------------------------------------------------------------------ */

static state_dict *opened(void)
{
    state_dict *d;
    rap_err err = { 0 };
    if (state_dict_open(&d, path, &err) != RAP_OK)
        fail_msg("%s", err.text);
    return d;
}

static void refused(const char *reason)
{
    state_dict *d;
    rap_err err = { 0 };
    assert_int_not_equal(state_dict_open(&d, path, &err), RAP_OK);
    assert_null(d);
    if (!strstr(err.text, reason) || !strstr(err.text, path))
        fail_msg("'%s' does not say '%s'", err.text, reason);
}

/* ---- tests -------------------------------------------------------------------------------- */

static void reads_a_module(void **state)
{
    buf b = BUF_INIT;
    pickle_start(&b);
    layer_open(&b);
    attribute(&b, "_parameters", "}");
    attribute(&b, "_buffers", "}\x8c\1nNs"); /* an absent one */
    pickle_text(&b, "_modules");
    buf_puts(&b, "}");
    pickle_text(&b, "a");
    leaf(&b, 3);
    buf_puts(&b, "s");
    pickle_text(&b, "none");
    buf_puts(&b, "Ns");
    buf_puts(&b, "s");
    attribute(&b, "stride", "K\2");
    layer_close(&b);
    save(&b);
    state_dict *d = opened();
    assert_int_equal(state_dict_count(d), 1);
    assert_string_equal(state_dict_at(d, 0)->name, "a.w");
    assert_int_equal(state_dict_at(d, 0)->elements, 3);
    const pickle_value *m = state_dict_module(d);
    assert_true(pickle_is_a(m, "Sequential"));
    assert_int_equal(pickle_get(m, "stride")->as.integer, 2);
    assert_true(module_is(module_find(m, "a")));
    assert_null(module_find(m, "a.b"));
    assert_null(module_find(m, "none"));
    assert_null(module_find(NULL, "a"));
    state_dict_close(d);
}

/* A trainer saves the average of the last steps as "ema" when it is worth more than "model". */
static void prefers_the_average(void **state)
{
    for (int average = 0; average < 2; average++) {
        buf b = BUF_INIT;
        pickle_start(&b);
        buf_puts(&b, "}");
        pickle_text(&b, "model");
        leaf(&b, 5);
        buf_puts(&b, "s");
        pickle_text(&b, "ema");
        if (average)
            leaf(&b, 7);
        else
            buf_puts(&b, "N");
        buf_puts(&b, "s");
        save(&b);
        state_dict *d = opened();
        assert_int_equal(state_dict_at(d, 0)->elements, average ? 7 : 5);
        assert_non_null(pickle_get(state_dict_saved(d), "model"));
        state_dict_close(d);
    }
}

static void a_module_that_contains_itself(void **state)
{
    buf b = BUF_INIT;
    pickle_start(&b);
    pickle_global_name(&b, "torch.nn.modules.container", "Sequential");
    buf_puts(&b, ")\x81q\1}");
    attribute(&b, "_parameters", "}");
    attribute(&b, "_modules", "}\x8c\1ah\1s");
    layer_close(&b);
    save(&b);
    refused("nest too deeply");
}

/* Far deeper than any network, and no deeper than the pickle's own bound on nesting allows: values on
 * the stack are no nesting. */
static void absurd_depth(void **state)
{
    enum { DEPTH = 20000 };
    buf b = BUF_INIT;
    pickle_start(&b);
    for (int i = 0; i < DEPTH; i++) {
        layer_open(&b);
        attribute(&b, "_parameters", "}");
        pickle_text(&b, "_modules");
        buf_puts(&b, "}");
        pickle_text(&b, "a");
    }
    leaf(&b, 1);
    for (int i = 0; i < DEPTH; i++)
        buf_puts(&b, "ssb");
    save(&b);
    refused("nest too deeply");
}

/* Each layer holds the one before twice: 2³⁰ paths to the first. */
static void shared_layers(void **state)
{
    buf b = BUF_INIT;
    pickle_start(&b);
    buf_puts(&b, "}");
    for (char i = 1; i <= 31; i++) {
        char twice[] = "}\x8c\1ah?s\x8c\1bh?s";
        twice[5] = twice[11] = (char)(i - 1);
        buf_printf(&b, "\x8c\2%02d", i);
        if (i == 1) {
            leaf(&b, 1);
        } else {
            layer_open(&b);
            attribute(&b, "_parameters", "}");
            attribute(&b, "_modules", twice);
            layer_close(&b);
        }
        buf_putc(&b, 'q');
        buf_putc(&b, i);
        buf_putc(&b, 's');
    }
    attribute(&b, "model", "h\x1f");
    save(&b);
    refused("nest too deeply");
}

/* Not a module: a trainer's tensor beside the model's. */
static void the_dict_with_the_most_tensors(void **state)
{
    const made_tensor one = { "queue", "HalfStorage", "0", 64, 0, 1, { 4 }, { 1 } };
    made_tensor t = one;
    state_dict *d;
    buf b = BUF_INIT;
    pickle_start(&b);
    buf_puts(&b, "}(");
    pickle_tensor_of(&b, &one);
    pickle_text(&b, "state_dict");
    buf_puts(&b, "}(");
    t.name = "a";
    pickle_tensor_of(&b, &t);
    t.name = "b";
    pickle_tensor_of(&b, &t);
    buf_puts(&b, "uu");
    save(&b);
    assert_int_equal(state_dict_open(&d, path, NULL), RAP_OK);
    assert_int_equal(state_dict_count(d), 2);
    assert_non_null(state_dict_find(d, "b"));
    state_dict_close(d);
}

static void values_that_are_not_layers(void **state)
{
    static const struct {
        const char *parameters, *buffers, *modules, *reason;
    } wrong[] = {
        { "K\1", "}", "}", "tensors are not a dict" },
        { "}", "K\1", "}", "tensors are not a dict" },
        { "}\x8c\1wK\1s", "}", "}", "no valid name or is not a" },
        { "}", "}", "K\1", "layers are not a dict" },
        { "}", "}", "}\x8c\1aK\1s", "no valid name or is not a" },
        { "}", "}",
          "}\x8c\1a"
          "ccollections\nOrderedDict\n)Rs",
          "or is not a" },
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        buf b = BUF_INIT;
        pickle_start(&b);
        layer_open(&b);
        attribute(&b, "_parameters", wrong[i].parameters);
        attribute(&b, "_buffers", wrong[i].buffers);
        attribute(&b, "_modules", wrong[i].modules);
        layer_close(&b);
        save(&b);
        refused(wrong[i].reason);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_a_module),
        cmocka_unit_test(prefers_the_average),
        cmocka_unit_test(a_module_that_contains_itself),
        cmocka_unit_test(absurd_depth),
        cmocka_unit_test(shared_layers),
        cmocka_unit_test(the_dict_with_the_most_tensors),
        cmocka_unit_test(values_that_are_not_layers),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

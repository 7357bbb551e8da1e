/* test_script_tree.c: the tensors of a TorchScript archive, and archives that would keep us walking. */
#include "convert/made.h"
#include "formats/script_tree.h"

static void begin(buf *b, const char *name)
{
    pickle_global_name(b, "__torch__.some", name);
    buf_puts(b, ")\x81}(");
}

static rap_status collect(void *payload, const char *name, const pickle_tensor *tensor,
                          rap_err *err)
{
    buf_printf(payload, "%s[%d] ", name, (int)tensor->elements);
    return RAP_OK;
}

static unpickled *read_buf(const buf *b)
{
    unpickled *u;
    rap_err err = { 0 };
    if (unpickle(&u, (const uint8_t *)b->data, b->len, "net.pt", &err) != RAP_OK)
        fail_msg("%s", err.text);
    return u;
}

static void walks(void **state)
{
    const made_tensor w = { "weight", "HalfStorage", "0", 12, 2, 2, { 2, 3 }, { 3, 1 } };
    buf b = BUF_INIT, seen = BUF_INIT;
    pickle_start(&b);
    begin(&b, "Net");
    pickle_text(&b, "training");
    buf_putc(&b, (char)0x89);
    pickle_tensor_of(&b, &w);
    pickle_text(&b, "inner");
    begin(&b, "Inner");
    pickle_tensor_of(&b, &w);
    buf_puts(&b, "ubub.");
    unpickled *u = read_buf(&b);
    assert_true(script_is(unpickle_root(u)));
    assert_int_equal(script_walk(unpickle_root(u), "net.pt", collect, &seen, NULL), RAP_OK);
    assert_string_equal(buf_text(&seen), "weight[6] inner.weight[6] ");
    unpickle_free(u);
    buf_release(&seen);
    buf_release(&b);
}

static void refuses(buf *b, const char *reason)
{
    buf seen = BUF_INIT;
    rap_err err = { 0 };
    unpickled *u = read_buf(b);
    assert_int_not_equal(script_walk(unpickle_root(u), "net.pt", collect, &seen, &err), RAP_OK);
    if (!strstr(err.text, "net.pt") || !strstr(err.text, reason))
        fail_msg("'%s' does not say '%s'", err.text, reason);
    unpickle_free(u);
    buf_release(&seen);
    buf_release(b);
}

static void contains_itself(void **state)
{
    buf b = BUF_INIT;
    pickle_start(&b);
    pickle_global_name(&b, "__torch__", "Net");
    buf_puts(&b, ")\x81q\1}(");
    pickle_text(&b, "me");
    buf_puts(&b, "h\1ub.");
    refuses(&b, "no valid name"); /* longer than any name */
}

/* Objects inside one another, each of which has the next one twice, up to the beginning of the last one. */
static void begin_nested(buf *b, int depth)
{
    pickle_start(b);
    for (int i = 0; i < depth; i++) {
        begin(b, "Net");
        pickle_text(b, "a");
    }
    begin(b, "Last");
}

static void end_nested(buf *b, int depth)
{
    for (int i = 0; i < depth; i++) {
        buf_putc(b, 'q');
        buf_putc(b, (char)i);
        pickle_text(b, "b");
        buf_putc(b, 'h');
        buf_putc(b, (char)i);
        buf_puts(b, "ub");
    }
    buf_putc(b, '.');
}

/* 40 objects inside one another, each of which has the next one twice: 2^40 names. */
static void shares_too_much(void **state)
{
    enum { DEPTH = 40 };
    buf b = BUF_INIT;
    begin_nested(&b, DEPTH);
    buf_puts(&b, "ub");
    end_nested(&b, DEPTH);
    refuses(&b, "more parts than a checkpoint needs");
}

/* 10 objects inside one another, each with the next one twice, and a last one of 10,000 numbers. */
static void shares_much_that_is_no_tensor(void **state)
{
    enum { DEPTH = 10, NUMBERS = 10000 };
    buf b = BUF_INIT;
    begin_nested(&b, DEPTH);
    pickle_text(&b, "n");
    buf_puts(&b, "q\xff\x89");
    for (int i = 1; i < NUMBERS; i++)
        buf_puts(&b, "h\xff\x89");
    buf_puts(&b, "ub");
    end_nested(&b, DEPTH);
    refuses(&b, "more parts than a checkpoint needs");
}

static void other_roots(void **state)
{
    buf b = BUF_INIT;
    pickle_start(&b);
    buf_puts(&b, "}.");
    unpickled *u = read_buf(&b);
    assert_false(script_is(unpickle_root(u)));
    assert_false(script_is(NULL));
    assert_int_equal(script_walk(unpickle_root(u), "net.pt", collect, NULL, NULL), RAP_OK);
    unpickle_free(u);
    buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(walks),           cmocka_unit_test(contains_itself),
        cmocka_unit_test(shares_too_much), cmocka_unit_test(shares_much_that_is_no_tensor),
        cmocka_unit_test(other_roots),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

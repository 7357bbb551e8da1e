/* test_state_legacy.c: files of torch.save from before version 1.6. */
#include "convert/made_legacy.h"
#include "formats/state_dict.h"

#include <unistd.h>

static char path[64];

static int set_up(void **state)
{
    snprintf(path, sizeof path, "/tmp/rap-legacy-XXXXXX");
    int fd = mkstemp(path);
    return fd < 0 ? 1 : close(fd);
}

static int tear_down(void **state)
{
    return unlink(path);
}

static const float numbers[] = { 1, 2, 3, 4, 5 };
static const char *const keys[] = { "94", "95" };

/* {"state_dict": {"a": 3 of storage 94, "b": 5 of storage 95}, "epoch": 7}, and the keys. */
static buf head(void)
{
    buf b = BUF_INIT;
    legacy_head(&b, 1001, true);
    pickle_start(&b);
    buf_puts(&b, "}(");
    pickle_text(&b, "state_dict");
    buf_puts(&b, "}(");
    legacy_tensor(&b, "a", "94", 3, 3, NULL, 0);
    legacy_tensor(&b, "b", "95", 5, 5, NULL, 0);
    buf_putc(&b, 'u');
    pickle_text(&b, "epoch");
    buf_puts(&b, "K\7u.");
    legacy_keys(&b, keys, 2);
    return b;
}

static state_dict *opened(buf *b)
{
    state_dict *d;
    rap_err err = { 0 };
    save_as(path, b);
    buf_release(b);
    if (state_dict_open(&d, path, &err) != RAP_OK)
        fail_msg("%s", err.text);
    return d;
}

static void refused(buf *b, const char *reason)
{
    state_dict *d;
    rap_err err = { 0 };
    save_as(path, b);
    buf_release(b);
    assert_int_not_equal(state_dict_open(&d, path, &err), RAP_OK);
    assert_null(d);
    if (!strstr(err.text, reason) || !strstr(err.text, path))
        fail_msg("'%s' does not say '%s'", err.text, reason);
}

static void has(const state_dict *d, const char *name, const float *wanted, int count)
{
    float *values = NULL;
    const state_tensor *t = state_dict_find(d, name);
    assert_non_null(t);
    assert_int_equal(t->elements, count);
    assert_int_equal(state_tensor_floats(t, &values, NULL), RAP_OK);
    assert_memory_equal(values, wanted, (size_t)count * sizeof *values);
    free(values);
}

static void is_read(void **state)
{
    buf b = head();
    legacy_storage(&b, numbers, 3, 3);
    legacy_storage(&b, numbers, 5, 5);
    state_dict *d = opened(&b);
    assert_int_equal(state_dict_count(d), 2);
    has(d, "a", numbers, 3);
    has(d, "b", numbers, 5);
    state_dict_close(d);
}

/* Two storages that are parts of one. */
static void views_are_read(void **state)
{
    buf b = BUF_INIT;
    legacy_head(&b, 1001, true);
    pickle_start(&b);
    buf_puts(&b, "}(");
    legacy_tensor(&b, "a", "94", 5, 2, "U\1vK\1K\2\x87", 8);
    legacy_tensor(&b, "b", "94", 5, 2, "U\1wK\3K\2\x87", 8);
    buf_puts(&b, "u.");
    legacy_keys(&b, keys, 1);
    legacy_storage(&b, numbers, 5, 5);
    state_dict *d = opened(&b);
    has(d, "a", numbers + 1, 2);
    has(d, "b", numbers + 3, 2);
    state_dict_close(d);
}

static void damage_is_named(void **state)
{
    buf b = head();
    refused(&b, "cut short");
    b = head(), legacy_storage(&b, numbers, 4, 4), refused(&b, "the wrong number of elements");
    b = head(), legacy_storage(&b, numbers, UINT64_MAX, 3);
    refused(&b, "the wrong number of elements");
    b = head(), legacy_storage(&b, numbers, 3, 3), legacy_storage(&b, numbers, 5, 4);
    refused(&b, "cut short");
    b = (buf)BUF_INIT;
    legacy_head(&b, 1000, true);
    refused(&b, "unknown format");
    legacy_head(&b, 1001, false);
    refused(&b, "not little-endian");
    legacy_head(&b, 1001, true);
    refused(&b, "cut short");
}

static buf one_tensor(const char *const *listed, int count)
{
    buf b = BUF_INIT;
    legacy_head(&b, 1001, true);
    pickle_start(&b);
    buf_puts(&b, "}(");
    legacy_tensor(&b, "a", "94", 3, 3, NULL, 0);
    buf_puts(&b, "u.");
    legacy_keys(&b, listed, count);
    return b;
}

static void wrong_keys_are_named(void **state)
{
    static const char *const twice[] = { "94", "94" };
    buf b = one_tensor(keys, 0);
    refused(&b, "a storage is missing");
    b = one_tensor(keys, 2), legacy_storage(&b, numbers, 3, 3);
    refused(&b, "an unsupported data type");
    b = one_tensor(twice, 2), legacy_storage(&b, numbers, 3, 3), legacy_storage(&b, numbers, 3, 3);
    refused(&b, "the wrong number of elements");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_read),
        cmocka_unit_test(views_are_read),
        cmocka_unit_test(damage_is_named),
        cmocka_unit_test(wrong_keys_are_named),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

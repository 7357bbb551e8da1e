/* test_torch_zip.c: the archive reader: honest archives, lying ones, seeded mutations. */
#include "convert/made.h"
#include "formats/torch_zip.h"

#include <unistd.h>

static char path[64];

static int set_up(void **state)
{
    snprintf(path, sizeof path, "/tmp/rap-zip-XXXXXX");
    int fd = mkstemp(path);
    return fd < 0 ? 1 : close(fd);
}

static int tear_down(void **state)
{
    return unlink(path);
}

static const char hello[] = "hello hello hello hello hello hello hello";
static const made_entry first = { .name = "x/data.pkl", .bytes = hello, .size = 41 };
static const made_entry second = { .name = "x/data/0", .bytes = "12345678", .size = 8 };

static void save_two(made_entry a, made_entry b)
{
    made_zip z = { 0 };
    zip_add(&z, &a);
    zip_add(&z, &b);
    zip_end(&z);
    save_as(path, &z.file);
    zip_release(&z);
}

static void opens_both(made_entry a)
{
    torch_zip *z = NULL;
    rap_err err = { 0 };
    const uint8_t *bytes = NULL;
    size_t size = 0;
    save_two(a, second);
    if (torch_zip_open(&z, path, &err) != RAP_OK ||
        torch_zip_read(z, "data.pkl", SIZE_MAX, &bytes, &size, &err) != RAP_OK)
        fail_msg("%s", err.text);
    assert_int_equal(size, 41);
    assert_memory_equal(bytes, hello, 41);
    assert_int_equal(torch_zip_read(z, "data/0", SIZE_MAX, &bytes, &size, &err), RAP_OK);
    assert_memory_equal(bytes, "12345678", 8);
    assert_true(torch_zip_has(z, "data/0"));
    assert_false(torch_zip_has(z, "data/1"));
    assert_int_equal(torch_zip_read(z, "data/1", SIZE_MAX, &bytes, &size, &err), RAP_E_FORMAT);
    torch_zip_close(z);
}

static void reads_stored_and_deflated(void **state)
{
    made_entry a = first;
    opens_both(a);
    a.deflate = true;
    opens_both(a);
}

/* Fails to open, or to read data.pkl. */
static void fails(const char *reason)
{
    torch_zip *z;
    rap_err err = { 0 };
    const uint8_t *bytes;
    size_t size;
    rap_status status = torch_zip_open(&z, path, &err);
    if (status == RAP_OK)
        status = torch_zip_read(z, "data.pkl", SIZE_MAX, &bytes, &size, &err);
    else
        assert_null(z);
    assert_int_not_equal(status, RAP_OK);
    assert_non_null(strstr(err.text, path));
    if (!strstr(err.text, reason))
        fail_msg("'%s' does not say '%s'", err.text, reason);
    if (z)
        torch_zip_close(z);
}

static void two_fail(made_entry a, made_entry b, const char *reason)
{
    save_two(a, b);
    fails(reason);
}

static void refuses_lies(void **state)
{
    made_entry a = first;
    a.claim_size = 40, two_fail(a, second, "contradict");
    a = first, a.claim_packed = 1000, a.claim_size = 1000, two_fail(a, second, "outside");
    a = first, a.claim_packed = 45, a.claim_size = 45, two_fail(a, second, "overlap");
    a = first, a.claim_packed = a.claim_size = 0xfffffff0, two_fail(a, second, "outside");
    a = first, a.claim_crc = 1, two_fail(a, second, "checksum");
    a = first, a.claim_offset = 0xffffff00, two_fail(a, second, "outside");
    a = first, a.claim_offset = 5, two_fail(a, second, "not where");
    a = first, a.claim_method = 99, two_fail(a, second, "method 99");
    two_fail(first, first, "the same name");
    a = first, a.name = "y/data.pkl", two_fail(first, a, "the same name");
    made_entry b = second; /* two names for the same bytes */
    b.name = "x/data/1", b.claim_offset = 1, two_fail(first, b, "not where");
    a = first, a.name = "x/other", two_fail(a, second, "no entry 'data.pkl'");
}

static void refuses_wrong_deflate(void **state)
{
    made_entry a = first;
    a.deflate = true;
    made_entry b = a;
    b.claim_size = 30, two_fail(b, second, "inflate");
    b = a, b.claim_size = 50, two_fail(b, second, "inflate");
    b = a, b.claim_size = 0x7fffffff, two_fail(b, second, "contradict"); /* a bomb's claim */
    b = a, b.deflate = false, b.claim_method = 8, two_fail(b, second, "inflate");
}

static void read_fails(const char *name, size_t most, const char *reason)
{
    torch_zip *z = NULL;
    rap_err err = { 0 };
    const uint8_t *bytes;
    size_t size;
    assert_int_equal(torch_zip_open(&z, path, NULL), RAP_OK);
    assert_int_equal(torch_zip_read(z, name, most, &bytes, &size, &err), RAP_E_LIMIT);
    if (!strstr(err.text, path) || !strstr(err.text, reason))
        fail_msg("'%s' does not say '%s'", err.text, reason);
    torch_zip_close(z);
}

/* A few bytes must not fill the memory: an entry has a most size, and all together, too. */
static void refuses_to_inflate_without_end(void **state)
{
    enum { MANY = 40 << 20, ENTRIES = 8 };
    char names[ENTRIES][16];
    made_zip z = { 0 };
    torch_zip *zip;
    const uint8_t *bytes;
    size_t size;
    rap_status status = RAP_OK;
    made_entry a = first;
    save_two(a, second);
    read_fails("data.pkl", 40, "'data.pkl' has more than 40 bytes");
    a.deflate = true;
    save_two(a, second);
    read_fails("data.pkl", 40, "'data.pkl' has more than 40 bytes");
    a.size = MANY;
    a.bytes = calloc(1, MANY);
    for (int i = 0; i < ENTRIES; i++) {
        snprintf(names[i], sizeof names[i], "x/%d", i);
        a.name = names[i];
        zip_add(&z, &a);
    }
    free((void *)a.bytes);
    zip_end(&z);
    save_as(path, &z.file);
    zip_release(&z);
    assert_int_equal(torch_zip_open(&zip, path, NULL), RAP_OK);
    for (int i = 0; i < ENTRIES; i++)
        status = torch_zip_read(zip, names[i] + 2, SIZE_MAX, &bytes, &size, NULL);
    assert_int_equal(status, RAP_E_LIMIT);
    torch_zip_close(zip);
}

static void refuses_other_files(void **state)
{
    made_zip z = { 0 };
    rap_err err = { 0 };
    torch_zip *zip;
    buf_puts(&z.file, "not an archive");
    save_as(path, &z.file);
    fails("torch.save");
    zip_release(&z);
    z = (made_zip){ 0 };
    zip_end(&z);
    save_as(path, &z.file);
    fails("impossible number");
    zip_release(&z);
    assert_int_not_equal(torch_zip_open(&zip, "/tmp", &err), RAP_OK);
}

static void refuses_every_truncation(void **state)
{
    made_zip z = { 0 };
    zip_add(&z, &first);
    zip_add(&z, &second);
    zip_end(&z);
    size_t whole = z.file.len;
    for (size_t n = 0; n < whole; n++) {
        torch_zip *zip;
        z.file.len = n;
        save_as(path, &z.file);
        assert_int_not_equal(torch_zip_open(&zip, path, NULL), RAP_OK);
    }
    zip_release(&z);
}

static void mutations(void **state)
{
    made_zip z = { 0 };
    made_entry packed = first;
    uint64_t seed = 11;
    int opened = 0;
    packed.deflate = true;
    zip_add(&z, &packed);
    zip_add(&z, &second);
    zip_end(&z);
    char *good = malloc(z.file.len);
    memcpy(good, z.file.data, z.file.len);
    for (int round = 0; round < 6000; round++) {
        torch_zip *zip;
        memcpy(z.file.data, good, z.file.len);
        for (int i = 0; i < 1 + round % 4; i++) {
            uint32_t r = next_random(&seed);
            z.file.data[next_random(&seed) % z.file.len] =
                r & 1 ? (char)(r >> 8) : (r & 2 ? -1 : 0);
        }
        save_as(path, &z.file);
        if (torch_zip_open(&zip, path, NULL) == RAP_OK) {
            const uint8_t *bytes;
            size_t size;
            unsigned sum = 0;
            if (torch_zip_read(zip, "data.pkl", SIZE_MAX, &bytes, &size, NULL) == RAP_OK)
                for (size_t i = 0; i < size; i++)
                    sum += bytes[i];
            assert_true(sum < 1u << 30);
            torch_zip_close(zip);
            opened++;
        }
    }
    assert_true(opened > 100 && opened < 5900); /* the loop does both */
    free(good);
    zip_release(&z);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_stored_and_deflated),
        cmocka_unit_test(refuses_lies),
        cmocka_unit_test(refuses_wrong_deflate),
        cmocka_unit_test(refuses_other_files),
        cmocka_unit_test(refuses_to_inflate_without_end),
        cmocka_unit_test(refuses_every_truncation),
        cmocka_unit_test(mutations),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

/* test_safetensors.c: what a safetensors file may say, and every way in which it may lie. */
#include "convert/made_safetensors.h"
#include "formats/state_dict.h"

#include <unistd.h>

static char work[64], file[128];

static int set_up(void **state)
{
    snprintf(work, sizeof work, "/tmp/rap-safetensors-XXXXXX");
    if (!mkdtemp(work))
        return 1;
    snprintf(file, sizeof file, "%s/some.safetensors", work);
    return 0;
}

static int tear_down(void **state)
{
    unlink(file);
    return rmdir(work);
}

static void refused(const char *reason)
{
    state_dict *d;
    rap_err err = { 0 };
    assert_int_not_equal(state_dict_open(&d, file, &err), RAP_OK);
    assert_null(d);
    if (!strstr(err.text, "some.safetensors") || !strstr(err.text, reason))
        fail_msg("'%s' does not say '%s'", err.text, reason);
}

static void refuses(const char *header, size_t size, const char *reason)
{
    save_safetensors(file, header, 0, size);
    refused(reason);
}

static void reads(void **state)
{
    static const char header[] =
        "{\"__metadata__\":{\"format\":\"pt\"},"
        "\"b\":{\"dtype\":\"F16\",\"shape\":[2,3],\"data_offsets\":[4,16]},"
        "\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},"
        "\"scalar\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[16,20]},"
        "\"none\":{\"dtype\":\"F32\",\"shape\":[0,5],\"data_offsets\":[16,16]}}   ";
    state_dict *d;
    rap_err err = { 0 };
    void *bytes;
    size_t size;
    save_safetensors(file, header, 0, 20);
    if (state_dict_open(&d, file, &err) != RAP_OK)
        fail_msg("%s", err.text);
    assert_int_equal(state_dict_count(d), 4);
    assert_string_equal(state_dict_at(d, 0)->name, "a");
    const state_tensor *b = state_dict_find(d, "b");
    assert_int_equal(b->type, DTYPE_F16);
    assert_int_equal(b->dims, 2);
    assert_int_equal(b->size[1], 3);
    assert_int_equal(state_tensor_read(b, &bytes, &size, NULL), RAP_OK);
    assert_int_equal(size, 12);
    assert_int_equal(((uint8_t *)bytes)[0], 4);
    free(bytes);
    assert_int_equal(state_dict_find(d, "scalar")->elements, 1);
    assert_int_equal(state_dict_find(d, "none")->elements, 0);
    assert_null(state_dict_find(d, "__metadata__"));
    assert_null(state_dict_config(d));
    state_dict_close(d);
}

static void bad_lengths(void **state)
{
    save_safetensors(file, "{}", UINT64_MAX, 0);
    refused("header would have 18446744073709551615 bytes");
    save_safetensors(file, "{}", 3, 0);
    refused("header would have 3 bytes");
    save_safetensors(file, "{}", 1ull << 40, 64);
    refused("header would have");
    save_text(file, "short");
    refused("it is a plain text");
    save_text(file, "");
    refused("it is empty");
    refuses("{", 0, "not valid JSON");
    refuses("[]", 0, "not an object");
    refuses("{}", 0, "holds no tensors");
    refuses("{\"__metadata__\":{}}", 0, "holds no tensors");
    refuses("{\"a\":1,\"a\":2}", 0, "not valid JSON");
}

#define ONE(dtype, shape, place) \
    "{\"w\":{\"dtype\":" dtype ",\"shape\":" shape ",\"data_offsets\":" place "}}"

static void bad_tensors(void **state)
{
    refuses("{\"w\":[]}", 4, "'w' has no dtype");
    refuses("{\"w\":{}}", 4, "'w' has no dtype");
    refuses(ONE("7", "[1]", "[0,4]"), 4, "has no dtype");
    refuses(ONE("\"F8_E4M3\"", "[4]", "[0,4]"), 4, "type 'F8_E4M3', which is not supported");
    refuses(ONE("\"F32\"", "{}", "[0,4]"), 4, "impossible shape");
    refuses(ONE("\"F32\"", "[-1]", "[0,4]"), 4, "impossible shape");
    refuses(ONE("\"F32\"", "[1.0]", "[0,4]"), 4, "impossible shape");
    refuses(ONE("\"F32\"", "[null]", "[0,4]"), 4, "impossible shape");
    refuses(ONE("\"F32\"", "[4611686018427387904,4]", "[0,4]"), 4, "impossible shape");
    refuses(ONE("\"F32\"", "[1,1,1,1,1,1,1,1,1]", "[0,4]"), 4, "impossible shape");
    refuses(ONE("\"F32\"", "[NaN]", "[0,4]"), 4, "not valid JSON");
    refuses(ONE("\"F32\"", "[1e999]", "[0,4]"), 4, "not valid JSON");
    refuses(ONE("\"F32\"", "[99999999999999999999]", "[0,4]"), 4, "not valid JSON");
    refuses(ONE("\"F32\"", "[1]", "[0]"), 4, "data_offsets");
    refuses(ONE("\"F32\"", "[1]", "[0,4,8]"), 4, "data_offsets");
    refuses(ONE("\"F32\"", "[1]", "[0,4.5]"), 4, "data_offsets");
    refuses(ONE("\"F32\"", "[1]", "[-4,0]"), 4, "is outside the file");
    refuses(ONE("\"F32\"", "[1]", "[4,0]"), 4, "is outside the file");
    refuses(ONE("\"F32\"", "[2]", "[0,8]"), 4, "is outside the file, which may be truncated");
    refuses(ONE("\"F32\"", "[2]", "[0,4]"), 4, "contradicts its data_offsets");
    refuses(ONE("\"F16\"", "[1]", "[0,4]"), 4, "contradicts its data_offsets");
    refuses("{\"\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "no valid name");
}

#define TWO(first, second)                                                \
    "{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":" first "}," \
    "\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":" second "}}"

static void bad_places(void **state)
{
    refuses(TWO("[0,4]", "[2,6]"), 8, "'b' overlaps another");
    refuses(TWO("[0,4]", "[0,4]"), 8, "overlaps another");
    refuses(TWO("[0,4]", "[6,10]"), 10, "'b' starts after a gap");
    refuses(TWO("[4,8]", "[8,12]"), 12, "'a' starts after a gap");
    refuses(TWO("[0,4]", "[4,8]"), 11, "3 bytes belong to no tensor");
}

/* Any damage is an error or a checkpoint that reads; the sanitizers watch. */
static void mutations(void **state)
{
    static const char header[] = TWO("[0,4]", "[4,8]");
    char text[sizeof header];
    uint64_t seed = 5;
    int opened = 0;
    for (int i = 0; i < 2000; i++) {
        state_dict *d;
        memcpy(text, header, sizeof text);
        for (int j = 0; j < 1 + i % 3; j++)
            text[next_random(&seed) % (sizeof text - 1)] = (char)(32 + next_random(&seed) % 95);
        save_safetensors(file, text, 0, 8);
        if (state_dict_open(&d, file, NULL) == RAP_OK)
            opened++;
        state_dict_close(d);
    }
    printf("%d of 2000 mutations opened\n", opened);
    assert_true(opened > 0 && opened < 2000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads),      cmocka_unit_test(bad_lengths), cmocka_unit_test(bad_tensors),
        cmocka_unit_test(bad_places), cmocka_unit_test(mutations),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

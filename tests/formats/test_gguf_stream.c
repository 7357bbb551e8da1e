/* test_gguf_stream.c: a GGUF written tensor by tensor equals the one that is built in memory, and appears whole or not at
 * all. */
#include "convert/made.h"

#include "base/file.h"
#include "formats/gguf_file.h"

#include <fcntl.h>
#include <unistd.h>

static char folder[64], whole[96], streamed[96];

static const int64_t shape[] = { 5, 3 };
static float numbers[15];

static int set_up(void **state)
{
    snprintf(folder, sizeof folder, "/tmp/rap-stream-XXXXXX");
    if (!mkdtemp(folder))
        return 1;
    snprintf(whole, sizeof whole, "%s/whole.gguf", folder);
    snprintf(streamed, sizeof streamed, "%s/streamed.gguf", folder);
    for (int i = 0; i < 15; i++)
        numbers[i] = (float)i;
    return 0;
}

static int tear_down(void **state)
{
    unlink(whole);
    unlink(streamed);
    return rmdir(folder); /* fails when anything else is left */
}

static gguf_writer *writer(void)
{
    gguf_writer *w = gguf_writer_new("test");
    gguf_put_signed_ints(w, "test.list", (const int32_t[]){ -1, 2 }, 2);
    return w;
}

static gguf_stream *opened(gguf_writer *w)
{
    gguf_stream *s = NULL;
    rap_err err = { 0 };
    gguf_declare_tensor(w, "a", GGUF_F32, 2, shape);
    gguf_declare_tensor(w, "b", GGUF_F32, 1, shape);
    if (gguf_stream_open(&s, w, streamed, &err))
        fail_msg("%s", err.text);
    return s;
}

static void equals_the_one_in_memory(void **state)
{
    gguf_writer *w = writer();
    char *a, *b;
    size_t a_size, b_size;
    gguf_put_tensor(w, "a", GGUF_F32, 2, shape, numbers);
    gguf_put_tensor(w, "b", GGUF_F32, 1, shape, numbers);
    assert_int_equal(gguf_writer_save(w, whole, NULL), RAP_OK);
    gguf_writer_free(w);

    w = writer();
    gguf_stream *s = opened(w);
    assert_false(file_exists(streamed));
    assert_int_equal(gguf_stream_write(s, numbers, 20, NULL), RAP_OK);
    assert_int_equal(gguf_stream_write(s, numbers + 5, 40, NULL), RAP_OK);
    assert_int_equal(gguf_stream_end_tensor(s, NULL), RAP_OK);
    assert_int_equal(gguf_stream_write(s, numbers, 20, NULL), RAP_OK);
    assert_int_equal(gguf_stream_end_tensor(s, NULL), RAP_OK);
    assert_int_equal(gguf_stream_publish(s, NULL), RAP_OK);
    gguf_stream_close(s);
    gguf_writer_free(w);

    assert_int_equal(file_read(&a, &a_size, whole, 1 << 20, NULL), RAP_OK);
    assert_int_equal(file_read(&b, &b_size, streamed, 1 << 20, NULL), RAP_OK);
    assert_int_equal(a_size, b_size);
    assert_memory_equal(a, b, a_size);
    free(a);
    free(b);
}

static void too_few_and_too_many_bytes(void **state)
{
    gguf_writer *w = writer();
    gguf_stream *s = opened(w);
    rap_err err = { 0 };
    assert_int_equal(gguf_stream_write(s, numbers, sizeof numbers, NULL), RAP_OK);
    assert_int_equal(gguf_stream_end_tensor(s, NULL), RAP_OK);
    assert_int_equal(gguf_stream_publish(s, &err), RAP_E_ARGUMENT);
    assert_non_null(strstr(err.text, "fewer bytes"));
    assert_int_equal(gguf_stream_write(s, numbers, 40, &err), RAP_E_ARGUMENT);
    assert_non_null(strstr(err.text, "more bytes"));
    gguf_stream_close(s);
    assert_false(file_exists(streamed));
    gguf_writer_free(w);
}

static void stays_temporary(void **state)
{
    gguf_writer *w = writer();
    gguf_stream *s = opened(w);
    temp kept = TEMP_INIT;
    gguf_file *g;
    rap_err err = { 0 };
    assert_int_equal(gguf_stream_keep(s, &kept, &err), RAP_E_ARGUMENT); /* nothing is in it yet */
    assert_int_equal(gguf_stream_write(s, numbers, sizeof numbers, NULL), RAP_OK);
    assert_int_equal(gguf_stream_end_tensor(s, NULL), RAP_OK);
    assert_int_equal(gguf_stream_write(s, numbers, 20, NULL), RAP_OK);
    assert_int_equal(gguf_stream_end_tensor(s, NULL), RAP_OK);
    assert_int_equal(gguf_stream_keep(s, &kept, NULL), RAP_OK);
    gguf_stream_close(s);
    gguf_writer_free(w);
    assert_false(file_exists(streamed));
    assert_int_equal(gguf_file_open(&g, kept.path, NULL), RAP_OK);
    assert_int_equal(gguf_tensor_count(g), 2);
    gguf_file_close(g);
    temp_remove(&kept);
}

static void misuse(void **state)
{
    gguf_writer *w = writer();
    gguf_stream *s = NULL;
    rap_err err = { 0 };
    gguf_declare_tensor(w, "a", GGUF_F32, 2, shape);
    assert_int_equal(gguf_writer_save(w, whole, &err), RAP_E_ARGUMENT);
    gguf_put_tensor(w, "b", GGUF_F32, 1, shape, numbers); /* both kinds in one file */
    assert_int_equal(gguf_stream_open(&s, w, streamed, &err), RAP_E_ARGUMENT);
    gguf_writer_free(w);
    w = writer();
    gguf_declare_tensor(w, "a", GGUF_Q8_0, 2, shape); /* rows of 5 */
    assert_int_equal(gguf_stream_open(&s, w, streamed, &err), RAP_E_ARGUMENT);
    gguf_writer_free(w);
    w = writer();
    assert_int_equal(gguf_stream_open(&s, w, folder, &err), RAP_E_ARGUMENT);
    gguf_writer_free(w);
}

static void no_room(void **state)
{
    const int64_t huge[] = { (int64_t)1 << 30, 1 << 20 }; /* 4 PB */
    gguf_writer *w = writer();
    gguf_stream *s = NULL;
    rap_err err = { 0 };
    gguf_declare_tensor(w, "a", GGUF_F32, 2, huge);
    assert_int_equal(gguf_stream_open(&s, w, streamed, &err), RAP_E_IO);
    assert_non_null(strstr(err.text, "streamed.gguf: needs 4503599.6 GB of disk"));
    assert_null(s);
    gguf_writer_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(equals_the_one_in_memory, set_up, tear_down),
        cmocka_unit_test_setup_teardown(too_few_and_too_many_bytes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(stays_temporary, set_up, tear_down),
        cmocka_unit_test_setup_teardown(misuse, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_room, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

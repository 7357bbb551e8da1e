/* test_sample.c: the RAP format in and out (src/dataset/sample.c). */
#include "dataset/layouts.h"
#include "dataset/sample.h"

/* In the form of the official data page: a sample with a picture and one concept. */
static const char official[] = "[{\"id\": 17, \"image\": \"train/bo/1.png\", \"conversations\": "
                               "[{\"from\": \"human\", \"value\": \"<image>\\nWhat is <bo> "
                               "doing?\"}, {\"from\": \"gpt\", \"value\": \"<bo> sits.\"}], "
                               "\"extra\": {\"crops/bo.png\": {\"name\": \"bo\", \"info\": \"<bo> "
                               "is a dog.\", \"category\": \"dog\"}}, \"type\": \"qa\"},\n"
                               "{\"id\": \"t\", \"conversations\": [{\"from\": \"human\", "
                               "\"value\": \"Who is <bo>?\"}, {\"from\": \"gpt\", \"value\": "
                               "\"A dog.\"}], \"extra\": {}}]";

static void published_samples_read(void **state)
{
    sample_file *f = NULL;
    sample s;
    bool more = false;

    write_text("a.json", official);
    assert_int_equal(sample_file_open(&f, in("a.json"), NULL), RAP_OK);
    assert_int_equal(sample_file_next(&s, &more, f, NULL), RAP_OK);
    assert_true(more);
    assert_string_equal(s.id, "17");
    assert_string_equal(s.image, "train/bo/1.png");
    assert_string_equal(s.turn[0].human, "What is <bo> doing?");
    assert_int_equal(s.concepts, 1);
    assert_string_equal(s.concept[0].picture, "crops/bo.png");
    sample_release(&s);
    assert_int_equal(sample_file_next(&s, &more, f, NULL), RAP_OK);
    assert_null(s.image);
    assert_int_equal(s.concepts, 0);
    sample_release(&s);
    assert_int_equal(sample_file_next(&s, &more, f, NULL), RAP_OK);
    assert_false(more);
    sample_file_close(f);
}

static void what_is_written_reads_the_same(void **state)
{
    sample in_sample = {
        .id = "x/\"1\"", .image = "a \\ b.jpg", .type = "qa", .turns = 2, .concepts = 1
    };
    sample out;
    json_t *json;
    buf line = BUF_INIT;

    in_sample.concept[0] = (sample_concept){ "c.jpg", "bo", "<bo> is\na dog", "dog" };
    in_sample.turn[0] = (sample_turn){ "who?", "<bo>" };
    in_sample.turn[1] = (sample_turn){ "and\t\xC3\xA9?", "no" };
    assert_int_equal(sample_write(&line, &in_sample, NULL), RAP_OK);
    assert_null(strchr(buf_text(&line), '\n'));
    json = json_loads(buf_text(&line), 0, NULL);
    assert_non_null(json);
    assert_int_equal(sample_read(&out, json, "x", NULL), RAP_OK);
    json_decref(json);
    assert_string_equal(out.image, "a \\ b.jpg");
    assert_string_equal(out.turn[0].human, "who?");
    assert_string_equal(out.turn[1].human, "and\t\xC3\xA9?");
    assert_string_equal(out.concept[0].info, "<bo> is\na dog");
    sample_release(&out);
    buf_release(&line);
}

static void what_is_no_sample_is_named(void **state)
{
    static const char *const texts[] = {
        "[{\"id\": \"a\"}]",
        "[{\"conversations\": [{\"from\": \"human\", \"value\": \"x\"}]}]",
        "[{\"conversations\": [{\"from\": \"gpt\", \"value\": \"x\"}, {\"from\": \"human\", "
        "\"value\": \"x\"}]}]",
        "[{\"conversations\": [{\"from\": \"human\", \"value\": 1}, {\"from\": \"gpt\", \"value\": "
        "\"x\"}]}]",
        "[{\"conversations\": [{\"from\": \"human\", \"value\": \"x\"}, {\"from\": \"gpt\", "
        "\"value\": \"x\"}], \"extra\": [1]}]",
        "[7]",
    };

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        sample_file *f = NULL;
        sample s;
        bool more = true;
        rap_err err = { 0 };

        write_text("b.json", texts[i]);
        assert_int_equal(sample_file_open(&f, in("b.json"), NULL), RAP_OK);
        assert_int_equal(sample_file_next(&s, &more, f, &err), RAP_E_FORMAT);
        assert_false(more);
        assert_non_null(strstr(err.text, "b.json:1: not a sample of the RAP format"));
        sample_file_close(f);
    }
}

static void text_that_is_no_utf8_is_refused(void **state)
{
    sample s = { .id = "x", .type = "qa", .turns = 1 };
    buf line = BUF_INIT;
    rap_err err = { 0 };

    s.turn[0] = (sample_turn){ "a", "\xFF" };
    assert_int_equal(sample_write(&line, &s, &err), RAP_E_FORMAT);
    assert_string_equal(err.text, "sample x: a text that is not valid UTF-8");
    buf_release(&line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(published_samples_read, make_work, remove_work),
        cmocka_unit_test(what_is_written_reads_the_same),
        cmocka_unit_test_setup_teardown(what_is_no_sample_is_named, make_work, remove_work),
        cmocka_unit_test(text_that_is_no_utf8_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

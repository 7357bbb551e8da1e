/* test_export.c: the forms of other trainers, read back (src/dataset/export*.c). */
#include "dataset/export.h"
#include "dataset/layouts.h"
#include "formats/json.h"

#include <archive.h>
#include <archive_entry.h>

/* A photo with two concepts, a text-only sample with one, a plain one, and one that says "<image>" itself. */
static const char data[] = "[{\"id\": \"a\", \"image\": \"s/photo.jpg\", \"conversations\": "
                           "[{\"from\": \"human\", \"value\": "
                           "\"<image>\\nWho is here?\"}, {\"from\": \"gpt\", \"value\": \"<bo> and "
                           "<my cat>.\"}, {\"from\": \"human\", "
                           "\"value\": \"Where?\"}, {\"from\": \"gpt\", \"value\": \"Left.\"}], "
                           "\"extra\": {\"c/bo.jpg\": {\"name\": \"bo\", "
                           "\"info\": \"<bo> is a dog.\", \"category\": \"dog\"}, \"c/cat.jpg\": "
                           "{\"name\": \"my cat\", \"info\": \"grey\", "
                           "\"category\": \"cat\"}}, \"type\": \"caption\"},\n"
                           "{\"id\": \"b\", \"conversations\": [{\"from\": \"human\", \"value\": "
                           "\"Who is <bo>?\"}, {\"from\": \"gpt\", "
                           "\"value\": \"A dog.\"}], \"extra\": {\"c/bo.jpg\": {\"name\": \"bo\", "
                           "\"info\": \"x\", \"category\": \"dog\"}}, "
                           "\"type\": \"qa\"},\n"
                           "{\"id\": \"c\", \"conversations\": [{\"from\": \"human\", \"value\": "
                           "\"Hi\"}, {\"from\": \"gpt\", \"value\": "
                           "\"Hello\"}], \"extra\": {}, \"type\": \"instruction\"},\n"
                           "{\"id\": \"d\", \"conversations\": [{\"from\": \"human\", \"value\": "
                           "\"What is <image>?\"}, {\"from\": \"gpt\", "
                           "\"value\": \"A word.\"}], \"extra\": {}, \"type\": \"qa\"}]";

#define PROMPT                                                                                   \
    "<image>\n[1.<image>\n Name: <bo>, Info: <bo> is a dog.\n2.<image>\n Name: <my cat>, Info: " \
    "grey\n]Who is here?"

static void make_set(void)
{
    write_text("set/train.json", data);
    write_picture("set/images/s/photo.jpg", 0xFF0000);
    write_picture("set/images/c/bo.jpg", 0x00FF00);
    write_picture("set/images/c/cat.jpg", 0x0000FF);
}

static void export_as(const char *format, const char *to, int shard)
{
    const dataset_export_options o = {
        .data = in("set"), .format = format, .folder = in(to), .shard = shard
    };
    dataset_export_result r;
    rap_err err;

    if (dataset_export(&r, &o, &err))
        fail_msg("%s", err.text);
    assert_int_equal(r.train, 3);
    assert_int_equal(r.validation, 0);
    assert_int_equal(r.marked, 1);
    assert_int_equal(r.pictures, shard ? 4 : 3);
}

static const char *text_at(const json_t *item, size_t turn, const char *list, const char *field)
{
    return json_string_value(
        json_object_get(json_array_get(json_object_get(item, list), turn), field));
}

static void same_file(const char *a, const char *b)
{
    char sum[2][65];

    assert_int_equal(file_sha256(sum[0], in(a), NULL), RAP_OK);
    assert_int_equal(file_sha256(sum[1], in(b), NULL), RAP_OK);
    assert_string_equal(sum[0], sum[1]);
}

static void llava_has_pictures_in_the_order_of_placeholders(void **state)
{
    json_t *list = NULL;
    const json_t *one;

    make_set();
    export_as("llava", "llava", 0);
    assert_int_equal(json_read_any(&list, in("llava/train.json"), 1 << 20, NULL), RAP_OK);
    assert_int_equal(json_array_size(list), 3);
    one = json_array_get(list, 0);
    assert_string_equal(json_string_value(json_object_get(one, "id")), "a");
    assert_string_equal(text_at(one, 0, "conversations", "from"), "human");
    assert_string_equal(text_at(one, 0, "conversations", "value"), PROMPT);
    assert_string_equal(text_at(one, 2, "conversations", "value"), "Where?");
    assert_string_equal(text_at(one, 3, "conversations", "value"), "Left.");
    one = json_object_get(one, "image");
    assert_int_equal(json_array_size(one), 3);
    assert_string_equal(json_string_value(json_array_get(one, 0)), "s/photo.jpg");
    assert_string_equal(json_string_value(json_array_get(one, 1)), "c/bo.jpg");
    assert_string_equal(json_string_value(json_array_get(one, 2)), "c/cat.jpg");
    assert_true(json_is_string(json_object_get(json_array_get(list, 1), "image")));
    assert_null(json_object_get(json_array_get(list, 2), "image"));
    same_file("llava/images/c/cat.jpg", "set/images/c/cat.jpg");
    json_decref(list);
}

static void llama_factory_finds_its_columns(void **state)
{
    json_t *list = NULL, *info = NULL;
    const json_t *one;

    make_set();
    write_text("set/validation.jsonl", "");
    export_as("sharegpt", "factory", 0);
    assert_int_equal(json_read_any(&list, in("factory/rap.json"), 1 << 20, NULL), RAP_OK);
    assert_int_equal(json_read_any(&info, in("factory/dataset_info.json"), 1 << 20, NULL), RAP_OK);
    assert_string_equal(json_string_value(json_at(info, "rap.file_name")), "rap.json");
    assert_string_equal(json_string_value(json_at(info, "rap.columns.images")), "images");
    assert_string_equal(json_string_value(json_at(info, "rap_validation.file_name")),
                        "rap_validation.json");
    one = json_array_get(list, 0);
    assert_string_equal(text_at(one, 0, "messages", "role"), "user");
    assert_string_equal(text_at(one, 0, "messages", "content"), PROMPT);
    assert_string_equal(text_at(one, 1, "messages", "role"), "assistant");
    one = json_object_get(one, "images");
    assert_string_equal(json_string_value(json_array_get(one, 2)), "images/c/cat.jpg");
    assert_int_equal(json_array_size(json_object_get(json_array_get(list, 2), "images")), 0);
    json_decref(list);
    json_decref(info);
}

/* The names of a tar file, in order, and the bytes of one of them. */
static int read_tar(const char *path, char names[16][64], const char *wanted, char **out,
                    size_t *out_size)
{
    struct archive *a = archive_read_new();
    struct archive_entry *e;
    int count = 0;

    archive_read_support_format_tar(a);
    assert_int_equal(archive_read_open_filename(a, path, 65536), ARCHIVE_OK);
    while (archive_read_next_header(a, &e) == ARCHIVE_OK) {
        snprintf(names[count], 64, "%s", archive_entry_pathname(e));
        if (strcmp(names[count++], wanted) != 0)
            continue;
        *out_size = (size_t)archive_entry_size(e);
        *out = calloc(1, *out_size + 1);
        assert_int_equal(archive_read_data(a, *out, *out_size), *out_size);
    }
    archive_read_free(a);
    return count;
}

static void tar_files_hold_a_sample_together(void **state)
{
    char names[16][64], *bytes = NULL, *picture = NULL;
    size_t size = 0, picture_size = 0;
    json_t *json;

    make_set();
    export_as("webdataset", "tars", 2);
    assert_int_equal(read_tar(in("tars/train-000000.tar"), names, "0000000.2.jpg", &bytes, &size),
                     6);
    assert_string_equal(names[0], "0000000.json");
    assert_string_equal(names[1], "0000000.jpg");
    assert_string_equal(names[2], "0000000.1.jpg");
    assert_string_equal(names[3], "0000000.2.jpg");
    assert_string_equal(names[4], "0000001.json");
    assert_string_equal(names[5], "0000001.1.jpg"); /* a concept without a photo */
    assert_int_equal(file_read(&picture, &picture_size, in("set/images/c/cat.jpg"), 1 << 20, NULL),
                     RAP_OK);
    assert_int_equal(size, picture_size);
    assert_memory_equal(bytes, picture, size);
    free(bytes);
    free(picture);
    read_tar(in("tars/train-000000.tar"), names, "0000000.json", &bytes, &size);
    json = json_loads(bytes, 0, NULL);
    assert_string_equal(text_at(json, 0, "conversations", "value"), PROMPT);
    assert_string_equal(json_string_value(json_array_get(json_object_get(json, "images"), 1)),
                        "1.jpg");
    json_decref(json);
    free(bytes);
    assert_int_equal(read_tar(in("tars/train-000001.tar"), names, "", NULL, NULL), 1);
    assert_string_equal(names[0], "0000002.json");
}

static void fails(const char *data_folder, const char *format, const char *to, rap_status status,
                  const char *line)
{
    const dataset_export_options o = { .data = data_folder, .format = format, .folder = in(to) };
    dataset_export_result r;
    rap_err err;

    assert_int_equal(dataset_export(&r, &o, &err), status);
    if (!strstr(err.text, line))
        fail_msg("%s", err.text);
}

static void mistakes_are_one_line(void **state)
{
    make_set();
    fails(in("set"), "parquet", "x", RAP_E_ARGUMENT, "unknown format 'parquet'");
    fails(in("nothing"), "llava", "x", RAP_E_NOT_FOUND, "not a folder");
    fails(in("set/images"), "llava", "x", RAP_E_NOT_FOUND, "no train.json");
    fails(in("set"), "llava", "set", RAP_E_EXISTS, "holds train.json already");
    assert_int_equal(unlink(in("set/images/c/bo.jpg")), 0);
    fails(in("set"), "llava", "y", RAP_E_NOT_FOUND, "sample a: ");
    assert_false(file_exists(in("y/train.json"))); /* nothing half done has the name */
    fails(in("set"), "webdataset", "z", RAP_E_NOT_FOUND, "sample a: ");
    assert_false(file_exists(in("z/train-000000.tar")));
    write_text(
        "set/train.json",
        "[{\"id\": \"e\", \"image\": \"../secret.jpg\", \"conversations\": [{\"from\": \"human\", "
        "\"value\": \"<image>\\nHi\"}, {\"from\": \"gpt\", \"value\": \"x\"}], \"extra\": {}}]");
    fails(in("set"), "llava", "w", RAP_E_FORMAT, "leads out of");
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, make_work, remove_work)
    const struct CMUnitTest tests[] = { CASE(llava_has_pictures_in_the_order_of_placeholders),
                                        CASE(llama_factory_finds_its_columns),
                                        CASE(tar_files_hold_a_sample_together),
                                        CASE(mistakes_are_one_line) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_state_folder.c: folders and shards: what is found, what is missing, and what climbs out. */
#include "convert/made_safetensors.h"
#include "convert/work_folder.h"
#include "formats/state_dict.h"

#include <unistd.h>

static const char *const made[] = { "model.safetensors", "model.safetensors.index.json",
                                    "config.json",       "a.safetensors",
                                    "b.safetensors",     "pytorch_model.bin",
                                    "some.safetensors",  "pytorch_model.bin.index.json" };

static int empty(void **state)
{
    for (size_t i = 0; i < sizeof made / sizeof *made; i++)
        unlink(in(made[i]));
    return 0;
}

static int set_up(void **state)
{
    snprintf(work, sizeof work, "/tmp/rap-folder-XXXXXX");
    return mkdtemp(work) ? 0 : 1;
}

static int tear_down(void **state)
{
    empty(state);
    return rmdir(work);
}

static void save_one(const char *name, const char *tensor)
{
    char header[256];
    snprintf(header, sizeof header,
             "{\"%s\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}", tensor);
    save_safetensors(in(name), header, 0, 4);
}

static state_dict *opened(const char *path)
{
    state_dict *d;
    rap_err err = { 0 };
    if (state_dict_open(&d, path, &err) != RAP_OK)
        fail_msg("%s", err.text);
    return d;
}

static void refuses(const char *path, const char *file, const char *reason)
{
    state_dict *d;
    rap_err err = { 0 };
    assert_int_not_equal(state_dict_open(&d, path, &err), RAP_OK);
    assert_null(d);
    if (!strstr(err.text, file) || !strstr(err.text, reason))
        fail_msg("'%s' does not say '%s' and '%s'", err.text, file, reason);
}

static void index_says(const char *map)
{
    char text[512];
    snprintf(text, sizeof text, "{\"metadata\":{},\"weight_map\":%s}", map);
    save_text(in("model.safetensors.index.json"), text);
}

/* ---- tests -------------------------------------------------------------------------------- */

static void single_file(void **state)
{
    json_t *beside;
    char *path;
    save_one("model.safetensors", "w");
    save_text(in("config.json"), "{\"model_type\":\"x\"}");
    state_dict *d = opened(work);
    assert_int_equal(state_dict_count(d), 1);
    assert_string_equal(state_dict_path(d), work);
    assert_non_null(json_object_get(state_dict_config(d), "model_type"));
    assert_int_equal(state_dict_beside_json(d, "config.json", &beside, NULL), RAP_OK);
    json_decref(beside);
    assert_int_equal(state_dict_beside(d, "merges.txt", &path, NULL), RAP_OK);
    assert_null(path);
    state_dict_close(d);
    d = opened(in("model.safetensors"));
    assert_non_null(state_dict_config(d));
    state_dict_close(d);
    save_text(in("config.json"), "{");
    refuses(work, "config.json", "not valid JSON");
}

static void shards(void **state)
{
    save_one("a.safetensors", "one");
    save_one("b.safetensors", "two");
    index_says("{\"one\":\"a.safetensors\",\"two\":\"b.safetensors\"}");
    state_dict *d = opened(work);
    assert_int_equal(state_dict_count(d), 2);
    assert_non_null(state_dict_find(d, "two"));
    state_dict_close(d);
    d = opened(in("model.safetensors.index.json"));
    assert_int_equal(state_dict_count(d), 2);
    state_dict_close(d);
}

static void nothing_there(void **state)
{
    refuses(work, work, "neither model.safetensors nor pytorch_model.bin");
    refuses(in("none"), "none", "no such file");
    refuses(in("none.index.json"), "none", "no such file");
}

static void bad_index(void **state)
{
    static const char name[] = "model.safetensors.index.json";
    save_one("a.safetensors", "one");
    save_text(in(name), "{}");
    refuses(work, name, "weight_map");
    save_text(in(name), "[1]");
    refuses(work, name, "not an object");
    index_says("{}");
    refuses(work, name, "weight_map");
    index_says("{\"one\":7}");
    refuses(work, name, "'one' has no shard");
    index_says("{\"one\":\"a.safetensors\",\"two\":\"b.safetensors\"}");
    refuses(work, name, "the shard 'b.safetensors' is missing");
    index_says("{\"one\":\"a.safetensors\",\"two\":\"a.safetensors\"}");
    refuses(work, work, "shard 'a.safetensors' holds tensor 'two', which it does not");
    save_one("b.safetensors", "one");
    index_says("{\"one\":\"a.safetensors\",\"two\":\"b.safetensors\"}");
    refuses(work, work, "'one' occurs twice");
    save_text(in("b.safetensors"), "not a shard at all");
    refuses(work, "b.safetensors", "not a safetensors file");
}

static void climbing_names(void **state)
{
    static const char *const names[] = { "../a.safetensors",
                                         "/etc/passwd",
                                         "x/../a.safetensors",
                                         "..",
                                         ".hidden",
                                         "a\\\\b.safetensors",
                                         "" };
    save_one("a.safetensors", "one");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char map[128];
        snprintf(map, sizeof map, "{\"one\":\"%s\"}", names[i]);
        index_says(map);
        refuses(work, "model.safetensors.index.json",
                "is not the name of a shard in the same folder");
    }
}

/* A zip archive under a safetensors name and the other way round are read for what they are. */
static void wrong_extension(void **state)
{
    save_one("pytorch_model.bin", "one");
    state_dict *d = opened(work);
    assert_int_equal(state_dict_count(d), 1);
    state_dict_close(d);
    save_text(in("some.safetensors"), "PK\3\4 no archive");
    refuses(in("some.safetensors"), "some.safetensors", "the archive has no end");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(single_file, empty),
        cmocka_unit_test_teardown(shards, empty),
        cmocka_unit_test_teardown(nothing_there, empty),
        cmocka_unit_test_teardown(bad_index, empty),
        cmocka_unit_test_teardown(climbing_names, empty),
        cmocka_unit_test_teardown(wrong_extension, empty),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

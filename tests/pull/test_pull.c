/* test_pull.c: a whole profile: the shared cache, the folder, doing nothing twice, two at once. */
#include "convert/made_llava.h"
#include "pull/fixture.h"

#include <dirent.h>
#include <sys/stat.h>
#include <sys/wait.h>

static void test_cache_is_the_hubs_own(void **state)
{
    fixture *f = *state;
    char link[200] = "", *ref;
    size_t size;
    ssize_t len;

    assert_int_equal(pull_toy(f), RAP_OK);
    assert_string_equal(state_of(f), "made");
    assert_int_equal(size_at(blob_path(f, "")), (long)f->size);
    len = readlink(path_of("%s/hf/hub/models--toy--models/snapshots/" SERVER_COMMIT
                           "/gguf/encoder.gguf",
                           f->folder),
                   link, sizeof link - 1);
    assert_true(len > 0);
    assert_string_equal(link, path_of("../../../blobs/%s", f->sha256));
    assert_int_equal(file_read(&ref, &size,
                               path_of("%s/hf/hub/models--toy--models/refs/main", f->folder), 100,
                               NULL),
                     RAP_OK);
    assert_string_equal(ref, SERVER_COMMIT);
    free(ref);
    assert_int_equal(
        size_at(path_of("%s/hf/hub/models--toy--models/snapshots/" SERVER_COMMIT "/config.json",
                        f->folder)),
        11);
}

static void test_profile_says_what_it_is(void **state)
{
    fixture *f = *state;
    json_t *json;

    assert_int_equal(pull_toy(f), RAP_OK);
    assert_int_equal(json_read(&json, profile_path(f, "profile.json"), 1 << 20, NULL), RAP_OK);
    assert_string_equal(json_string_value(json_at(json, "name")), "toy");
    assert_string_equal(json_string_value(json_at(json, "files.encoder.path")), "encoder.gguf");
    assert_string_equal(json_string_value(json_at(json, "files.encoder.sha256")), f->sha256);
    assert_int_equal(json_integer_value(json_at(json, "retrieval.k")), 2);
    json_decref(json);
}

static void test_second_pull_does_nothing(void **state)
{
    fixture *f = *state;
    int heads;

    assert_int_equal(pull_toy(f), RAP_OK);
    heads = server_count(f->hub, "HEAD", MODEL);
    assert_int_equal(pull_again(f), RAP_OK);
    assert_string_equal(state_of(f), "done");
    assert_int_equal(server_count(f->hub, "HEAD", MODEL), heads);
    assert_int_equal(server_count(f->hub, "GET", MODEL), 1);
    f->options.force = true;
    assert_pulls(f);
    assert_string_equal(state_of(f), "made");
    assert_int_equal(server_count(f->hub, "GET", MODEL), 1);
}

static void test_dry_run_asks_nobody(void **state)
{
    fixture *f = *state;

    recipe_with(f, "main", ", \"bytes\": 99");
    assert_int_equal(pull_run(&f->result, &f->options, true, &f->err), RAP_OK);
    assert_string_equal(state_of(f), "to do");
    assert_int_equal(json_integer_value(json_object_get(f->result, "download")), 99);
    assert_int_equal(json_array_size(json_object_get(f->result, "files")), 2);
    assert_int_equal(server_count(f->hub, "HEAD", MODEL), 0);
    assert_false(file_exists(path_of("%s/data", f->folder)));
}

/* What another tool has downloaded: blobs of its own naming, links, a ref. */
static void test_files_of_other_tools_are_used(void **state)
{
    fixture *f = *state;
    const char *root = path_of("%s/hf/hub/models--toy--models", f->folder);

    assert_int_equal(file_make_folders(path_of("%s/blobs", root), NULL), RAP_OK);
    assert_int_equal(file_make_folders(path_of("%s/refs", root), NULL), RAP_OK);
    assert_int_equal(file_make_folders(path_of("%s/snapshots/" SERVER_COMMIT "/gguf", root), NULL),
                     RAP_OK);
    file_write(path_of("%s/blobs/%s", root, f->sha256), f->model, f->size, NULL);
    file_write(path_of("%s/blobs/small", root), "{\"size\": 3}", 11, NULL);
    file_write(path_of("%s/refs/main", root), SERVER_COMMIT, 40, NULL);
    assert_int_equal(
        symlink("../../blobs/small", path_of("%s/snapshots/" SERVER_COMMIT "/config.json", root)),
        0);
    assert_int_equal(symlink(path_of("../../../blobs/%s", f->sha256),
                             path_of("%s/snapshots/" SERVER_COMMIT "/gguf/encoder.gguf", root)),
                     0);
    f->options.offline = true;
    assert_int_equal(pull_toy(f), RAP_OK);
    assert_whole(f);
    assert_int_equal(server_count(f->hub, "HEAD", MODEL), 0);
}

static const char *blob_of(const fixture *f, const char *file)
{
    static char real[4096];

    assert_non_null(realpath(
        path_of("%s/hf/hub/models--toy--models/snapshots/" SERVER_COMMIT "/%s", f->folder, file),
        real));
    return real;
}

/* The recipe, with `about` beside config.json. */
static void recipe_about_config(fixture *f, const char *about)
{
    char *text = NULL, *at;
    size_t size;
    buf out = BUF_INIT;

    recipe_with(f, "main", "");
    assert_int_equal(file_read(&text, &size, f->options.recipe, 1 << 16, NULL), RAP_OK);
    at = strstr(text, "\"config.json\"") + strlen("\"config.json\"");
    buf_add(&out, text, (size_t)(at - text));
    buf_puts(&out, about);
    buf_puts(&out, at);
    assert_int_equal(file_write(f->options.recipe, out.data, out.len, NULL), RAP_OK);
    buf_release(&out);
    free(text);
}

static void assert_config_is_right(const fixture *f)
{
    char *text = NULL;
    size_t size;

    assert_int_equal(file_read(&text, &size, blob_of(f, "config.json"), 1 << 10, NULL), RAP_OK);
    assert_int_equal(size, 11);
    assert_memory_equal(text, "{\"size\": 3}", 11);
    free(text);
}

/* A blob of git's naming, with the right size and wrong bytes: the recipe's checksum or, where there is
 * none, the name tells. */
static void test_a_spoiled_blob_is_not_used(void **state)
{
    static const char *const abouts[] = { ", \"sha256\": \"%s\"", "" };
    fixture *f = *state;
    char sum[65];

    sha256_hex(sum, "{\"size\": 3}", 11);
    recipe_with(f, "main", "");
    for (int i = 0; i < 2; i++) {
        assert_pulls(f);
        file_write(blob_of(f, "config.json"), "{\"size\": 4}", 11, NULL);
        unlink(profile_path(f, "encoder.gguf")); /* so that it is made again */
        recipe_about_config(f, i ? abouts[i] : path_of(abouts[0], sum));
        assert_pulls(f);
        assert_config_is_right(f);
    }
    file_write(blob_of(f, "config.json"), "", 0, NULL);
    f->options.force = true;
    assert_pulls(f);
    assert_config_is_right(f);
}

/* The branch has moved on since one of the files was fetched. */
static void test_files_are_of_one_commit(void **state)
{
    static const char old[] = "1111111111111111111111111111111111111111";
    fixture *f = *state;
    const char *root = path_of("%s/hf/hub/models--toy--models", f->folder);
    const char *link = path_of("%s/snapshots/%s/config.json", root, old);
    char *folder = path_folder(link);

    assert_int_equal(file_make_folders(folder, NULL), RAP_OK);
    assert_int_equal(file_make_folders(path_of("%s/refs", root), NULL), RAP_OK);
    assert_int_equal(file_make_folders(path_of("%s/blobs", root), NULL), RAP_OK);
    file_write(path_of("%s/refs/main", root), old, 40, NULL);
    file_write(path_of("%s/blobs/small", root), "{\"size\": 2}", 11, NULL);
    assert_int_equal(symlink("../../blobs/small", link), 0);
    free(folder);
    assert_int_equal(pull_toy(f), RAP_OK);
    assert_whole(f);
    assert_config_is_right(f);
    assert_int_equal(server_count(f->hub, "GET", SMALL), 1);
}

static void test_offline(void **state)
{
    fixture *f = *state;

    f->options.offline = true;
    assert_int_equal(pull_toy(f), RAP_E_NOT_FOUND);
    assert_says(f, "config.json");
    f->options.offline = false;
    assert_pulls(f);
    f->options.offline = f->options.force = true;
    setenv("HF_ENDPOINT", "http://127.0.0.1:1", 1);
    assert_pulls(f);
    assert_whole(f);
}

/* ---- the folder ---- */

static void test_foreign_folder_is_left_alone(void **state)
{
    fixture *f = *state;

    assert_int_equal(file_make_folders(profile_path(f, ""), NULL), RAP_OK);
    file_write(profile_path(f, "profile.json"), "{\"name\": \"mine\"}", 16, NULL);
    assert_int_equal(pull_toy(f), RAP_E_EXISTS);
    assert_int_equal(size_at(profile_path(f, "profile.json")), 16);
    assert_int_equal(server_count(f->hub, "HEAD", MODEL), 0);
}

static void test_damaged_profile_is_made_again(void **state)
{
    fixture *f = *state;

    assert_int_equal(pull_toy(f), RAP_OK);
    assert_int_equal(unlink(profile_path(f, "encoder.gguf")), 0);
    assert_pulls(f);
    assert_string_equal(state_of(f), "made");
    assert_whole(f);
    assert_int_equal(server_count(f->hub, "GET", MODEL), 1);
}

/* What lies beside the profiles under a hidden name. */
static int count_hidden(const fixture *f)
{
    DIR *folder = opendir(path_of("%s/data/rap/profiles", f->folder));
    int count = 0;

    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder));)
        count +=
            entry->d_name[0] == '.' && strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..");
    closedir(folder);
    return count;
}

static void test_failure_keeps_the_old_profile(void **state)
{
    fixture *f = *state;

    assert_int_equal(pull_toy(f), RAP_OK);
    server_add(f->hub, MODEL, "no model at all", 15);
    recipe_with(f, "main", ", \"bytes\": 15");
    assert_int_equal(pull_again(f), RAP_E_FORMAT);
    assert_says(f, "encoder.gguf");
    assert_whole(f);
    assert_int_equal(count_hidden(f), 1); /* the lock */
}

static void test_a_recipe_in_the_profile_is_kept(void **state)
{
    fixture *f = *state;
    const char *inside = path_of("%s/data/rap/profiles/toy/toy.json", f->folder);

    assert_int_equal(pull_toy(f), RAP_OK);
    assert_int_equal(rename(f->options.recipe, inside), 0);
    f->options.recipe = inside;
    assert_int_equal(pull_again(f), RAP_E_ARGUMENT);
    assert_says(f, "move it elsewhere");
    assert_true(file_exists(inside));
}

static void test_leftovers_of_a_killed_run_go(void **state)
{
    fixture *f = *state;
    const char *left = path_of("%s/data/rap/profiles/.toy.rap-tmp-abcdefgh0123", f->folder);

    assert_int_equal(file_make_folders(left, NULL), RAP_OK);
    file_write(path_of("%s/encoder.gguf", left), "half", 4, NULL);
    assert_int_equal(pull_toy(f), RAP_OK);
    assert_whole(f);
    assert_false(file_exists(left));
}

/* ---- several parts ---- */

static void serve_file(fixture *f, const char *url, const char *path)
{
    char *bytes;
    size_t size;
    rap_err err = { 0 };

    if (file_read(&bytes, &size, path, (size_t)1 << 26, &err) != RAP_OK)
        fail_msg("%s", err.text);
    server_add(f->hub, url, bytes, size);
    free(bytes);
}

static void write_recipe(fixture *f, const char *files, const char *make)
{
    const char *path = path_of("%s/whole.json", f->folder);
    char text[3000];

    snprintf(text, sizeof text,
             "{\"recipe\": 1, \"name\": \"toy\", \"sources\": {\"m\": {\"hub\": \"toy/models\", "
             "\"files\": [%s]}}, \"make\": {%s}}",
             files, make);
    assert_int_equal(file_write(path, text, strlen(text), NULL), RAP_OK);
    f->options.recipe = path;
}

static void test_checkpoint_is_converted(void **state)
{
    fixture *f = *state;
    made_model m;
    gguf_file *g;
    const char *path = path_of("%s/vit.pt", f->folder);

    make_vit(&m);
    save_model(path, &m, 0);
    serve_file(f, "/toy/models/resolve/main/vit.pt", path);
    write_recipe(f, "{\"path\": \"vit.pt\"}",
                 "\"encoder\": {\"file\": \"vit.gguf\", \"convert\": \"m/vit.pt\"}");
    assert_pulls(f);
    assert_int_equal(gguf_file_open(&g, profile_path(f, "vit.gguf"), NULL), RAP_OK);
    assert_string_equal(gguf_file_architecture(g), "vit");
    gguf_file_close(g);
}

/* A LLaVA in two shards, with its index, configuration and vocabulary. */
static void serve_llava(fixture *f, const char *second)
{
    static const char hub[] = "/toy/models/resolve/main";
    lv_model m;
    buf b = BUF_INIT;
    const char *path = path_of("%s/part", f->folder);

    lv_make(&m, LV_OLD, false, true);
    buf_puts(&b, "{\"weight_map\": {");
    for (int i = 0; i < m.count; i++)
        buf_printf(&b, "%s\"%s\": \"%s\"", i ? ", " : "", m.tensor[i].name,
                   i < 5 ? "model-1.safetensors" : second);
    buf_puts(&b, "}}");
    server_add(f->hub, path_of("%s/model.safetensors.index.json", hub), b.data, b.len);
    buf_clear(&b);
    spm_make(&b, 2);
    server_add(f->hub, path_of("%s/tokenizer.model", hub), b.data, b.len);
    buf_release(&b);
    server_add(f->hub, path_of("%s/config.json", hub), lv_config(LV_OLD, false),
               strlen(lv_config(LV_OLD, false)));
    lv_save_part(&m, 0, 5, path);
    serve_file(f, path_of("%s/model-1.safetensors", hub), path);
    lv_save_part(&m, 5, m.count, path);
    serve_file(f, path_of("%s/model-2.safetensors", hub), path);
}

static void recipe_of_llava(fixture *f)
{
    write_recipe(f,
                 "{\"path\": \"gguf/encoder.gguf\"}, {\"path\": \"config.json\"}, "
                 "{\"path\": \"model.safetensors.index.json\", \"shards\": true}, "
                 "{\"path\": \"tokenizer.model\"}",
                 "\"encoder\": {\"file\": \"e.gguf\", \"take\": \"m/gguf/encoder.gguf\"}, "
                 "\"mmproj\": {\"file\": \"mmproj.gguf\", \"convert\": \"m\", \"type\": \"q8_0\"}, "
                 "\"llm\": {\"file\": \"model.gguf\", \"convert\": \"m\", \"type\": \"q4_k_m\"}");
}

static void test_shards_are_found_and_converted(void **state)
{
    fixture *f = *state;
    gguf_file *g;

    serve_llava(f, "model-2.safetensors");
    recipe_of_llava(f);
    assert_pulls(f);
    assert_string_equal(state_of(f), "made");
    assert_int_equal(json_array_size(json_object_get(f->result, "files")), 6);
    assert_int_equal(gguf_file_open(&g, profile_path(f, "model.gguf"), NULL), RAP_OK);
    assert_string_equal(gguf_file_architecture(g), "llama");
    assert_int_not_equal(gguf_find(g, "blk.0.ffn_up.weight")->type, GGUF_F16);
    gguf_file_close(g);
    assert_int_equal(gguf_file_open(&g, profile_path(f, "mmproj.gguf"), NULL), RAP_OK);
    assert_int_equal(gguf_find(g, "mm.0.weight")->type, GGUF_Q8_0);
    gguf_file_close(g);
    assert_int_equal(pull_again(f), RAP_OK);
    assert_string_equal(state_of(f), "done");
    f->options.force = f->options.offline = true; /* all shards are known from the cache */
    assert_pulls(f);
    assert_string_equal(state_of(f), "made");
}

static void test_an_index_lists_plain_names(void **state)
{
    fixture *f = *state;

    serve_llava(f, "../../model-2.safetensors");
    recipe_of_llava(f);
    assert_int_not_equal(pull_run(&f->result, &f->options, false, &f->err), RAP_OK);
    assert_non_null(strstr(f->err.text, "does not list proper names of shards"));
    assert_false(file_exists(profile_path(f, "model.gguf")));
}

static void serve_tiny(fixture *f)
{
    static const char *const names[] = { "clip.gguf", "model.gguf", "mmproj-model.gguf" };
    const char *root = getenv("RAP_SOURCE");

    for (size_t i = 0; i < 3; i++)
        serve_file(f, path_of("/toy/models/resolve/main/%s", names[i]),
                   path_of("%s/models/tiny/%s", root ? root : ".", names[i]));
}

#define TINY_FILES \
    "{\"path\": \"clip.gguf\"}, {\"path\": \"model.gguf\"}, {\"path\": \"mmproj-model.gguf\"}"
#define ENCODER "\"encoder\": {\"file\": \"clip.gguf\", \"take\": \"m/clip.gguf\"}, "

static void test_pair_is_checked(void **state)
{
    fixture *f = *state;

    serve_tiny(f);
    write_recipe(f, TINY_FILES,
                 ENCODER "\"mmproj\": {\"file\": \"p.gguf\", \"take\": \"m/model.gguf\"}, "
                         "\"llm\": {\"file\": \"m.gguf\", \"take\": \"m/model.gguf\"}");
    assert_int_equal(pull_again(f), RAP_E_FORMAT);
    assert_says(f, "model.gguf: is not an image projector");
    assert_false(file_exists(profile_path(f, "")));
    write_recipe(f, TINY_FILES,
                 ENCODER "\"mmproj\": {\"file\": \"p.gguf\", \"take\": \"m/mmproj-model.gguf\"}, "
                         "\"llm\": {\"file\": \"m.gguf\", \"take\": \"m/model.gguf\"}");
    assert_pulls(f);
}

/* ---- stopping, and two at once ---- */

typedef struct stopper {
    int64_t after;
    bool stop;
} stopper;

static int stop_after(pull_event event, const char *file, const char *text, int64_t done,
                      int64_t total, void *payload)
{
    stopper *s = payload;

    (void)file, (void)text, (void)total;
    s->stop = s->stop || (event == PULL_BYTES && done > s->after);
    return 0;
}

static int is_stopped(void *payload)
{
    return ((stopper *)payload)->stop;
}

static void test_stopped_goes_on_later(void **state)
{
    fixture *f = *state;
    stopper s = { (int64_t)f->size / 2, false };

    f->options.on_event = stop_after;
    f->options.cancelled = is_stopped;
    f->options.payload = &s;
    assert_int_equal(pull_toy(f), RAP_E_CANCELLED);
    assert_true(size_at(blob_path(f, ".incomplete")) > 0);
    assert_false(file_exists(blob_path(f, "")));
    f->options.on_event = NULL;
    f->options.cancelled = NULL;
    assert_pulls(f);
    assert_whole(f);
}

static void test_stopped_while_nothing_comes(void **state)
{
    fixture *f = *state;
    stopper s = { 1000, false };

    f->options.stall_seconds = 60;
    f->options.on_event = stop_after;
    f->options.cancelled = is_stopped;
    f->options.payload = &s;
    server_trick(f->hub, "GET", MODEL, "stall");
    assert_int_equal(pull_toy(f), RAP_E_CANCELLED);
}

static void test_two_at_once(void **state)
{
    fixture *f = *state;
    pid_t child[3];

    recipe_with(f, "main", "");
    server_trick(f->hub, "GET", MODEL, "truncate truncate");
    fflush(NULL);
    for (int i = 0; i < 3; i++) {
        child[i] = fork();
        assert_true(child[i] >= 0);
        if (child[i] == 0) {
            json_t *result;
            rap_status status = pull_run(&result, &f->options, false, NULL);

            _exit(status == RAP_OK ? 0 : 1);
        }
    }
    for (int i = 0; i < 3; i++) {
        int code = -1;

        assert_int_equal(waitpid(child[i], &code, 0), child[i]);
        assert_int_equal(code, 0);
    }
    assert_whole(f);
    assert_int_equal(server_count(f->hub, "GET", MODEL), 3); /* two of them truncated */
}

/* The same blob wanted by two profiles at once: one downloads, the other waits. */
static void test_two_profiles_share_a_download(void **state)
{
    fixture *f = *state;
    pid_t child[2];

    recipe_with(f, "main", "");
    for (int i = 0; i < 2; i++) {
        const char *data = path_of("%s/data%d", f->folder, i);

        child[i] = fork();
        if (child[i] == 0) {
            json_t *result;

            setenv("XDG_DATA_HOME", data, 1);
            _exit(pull_run(&result, &f->options, false, NULL) == RAP_OK ? 0 : 1);
        }
    }
    for (int i = 0; i < 2; i++) {
        int code = -1;

        assert_int_equal(waitpid(child[i], &code, 0), child[i]);
        assert_int_equal(code, 0);
    }
    assert_int_equal(server_count(f->hub, "GET", MODEL), 1);
}

static int broken;

static void count_broken(const char *why)
{
    assert_non_null(strstr(why, "broken.json"));
    broken++;
}

static void test_list(void **state)
{
    fixture *f = *state;
    json_t *list, *row;
    size_t i;
    bool found = false;

    setenv("RAP_RECIPES", f->folder, 1);
    assert_int_equal(pull_toy(f), RAP_OK);
    assert_int_equal(file_write(path_of("%s/broken.json", f->folder), "{\"recipe\": 1}", 13, NULL),
                     RAP_OK);
    assert_int_equal(pull_list(&list, count_broken, &f->err), RAP_OK);
    assert_int_equal(broken, 1);
    json_array_foreach(list, i,
                       row) if (strcmp(json_string_value(json_object_get(row, "name")), "toy") == 0)
        found = json_is_string(json_object_get(row, "profile"));
    assert_true(found);
    assert_true(json_array_size(list) >= 5);
    json_decref(list);
    f->options.recipe = "toy";
    assert_pulls(f);
    f->options.recipe = "no-such-profile";
    assert_int_equal(pull_again(f), RAP_E_NOT_FOUND);
    assert_says(f, "rap pull --list");
    unsetenv("RAP_RECIPES");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_cache_is_the_hubs_own),
        TEST(test_profile_says_what_it_is),
        TEST(test_second_pull_does_nothing),
        TEST(test_dry_run_asks_nobody),
        TEST(test_files_of_other_tools_are_used),
        TEST(test_a_spoiled_blob_is_not_used),
        TEST(test_files_are_of_one_commit),
        TEST(test_offline),
        TEST(test_foreign_folder_is_left_alone),
        TEST(test_damaged_profile_is_made_again),
        TEST(test_failure_keeps_the_old_profile),
        TEST(test_leftovers_of_a_killed_run_go),
        TEST(test_a_recipe_in_the_profile_is_kept),
        TEST(test_checkpoint_is_converted),
        TEST(test_shards_are_found_and_converted),
        TEST(test_an_index_lists_plain_names),
        TEST(test_pair_is_checked),
        TEST(test_stopped_goes_on_later),
        TEST(test_stopped_while_nothing_comes),
        TEST(test_two_at_once),
        TEST(test_two_profiles_share_a_download),
        TEST(test_list),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_fetch.c: one file from a hub that behaves, and from one that does not. */
#include "pull/fixture.h"

#include <sys/statvfs.h>

/* What a download is told of the disk; 0: the truth. */
static fsblkcnt_t pretended_free;

int fstatvfs(int fd, struct statvfs *out)
{
    char path[32];
    int result;

    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    result = statvfs(path, out);
    if (pretended_free > 0) {
        out->f_frsize = 1;
        out->f_bavail = pretended_free;
    }
    return result;
}

/* ---- trouble that passes ---- */

static void survives(void **state, const char *method, const char *words)
{
    fixture *f = *state;

    server_trick(f->hub, method, MODEL, words);
    recipe_with(f, "main", "");
    assert_pulls(f);
    assert_whole(f);
}

static void test_head_troubles_pass(void **state)
{
    survives(state, "HEAD", "503 close 500");
}

static void test_head_too_many_requests(void **state)
{
    survives(state, "HEAD", "429");
}

static void test_get_errors_pass(void **state)
{
    survives(state, "GET", "500 close 503");
}

static void test_a_stalled_reply_is_asked_again(void **state)
{
    survives(state, "GET", "stall");
}

static void test_truncated_goes_on(void **state)
{
    fixture *f = *state;

    survives(state, "GET", "truncate truncate truncate");
    assert_int_equal(server_count(f->hub, "GET", MODEL), 4);
    assert_true(server_sent(f->hub) < (long)f->size + 100); /* nothing came twice */
}

static void test_ranges_ignored_start_anew(void **state)
{
    survives(state, "GET", "truncate ignore-range");
}

static void test_no_such_range_starts_anew(void **state)
{
    fixture *f = *state;

    survives(state, "GET", "truncate 416");
    assert_int_equal(server_count(f->hub, "GET", MODEL), 3);
    assert_true(server_sent(f->hub) > (long)f->size); /* all of it after the half */
}

static void test_changed_meanwhile(void **state)
{
    fixture *f = *state;

    survives(state, "GET", "truncate changed");
    assert_int_equal(server_count(f->hub, "GET", MODEL), 2);
    assert_true(server_sent(f->hub) > (long)f->size); /* all of the new version */
}

static void test_renamed_repository(void **state)
{
    survives(state, "HEAD", "rename");
}

static void test_gives_up(void **state)
{
    fixture *f = *state;

    f->options.retries = 2;
    server_trick(f->hub, "HEAD", MODEL, "500 500 500 500");
    assert_int_equal(pull_toy(f), RAP_E_IO);
    assert_says(f, "answered 500");
    assert_int_equal(server_count(f->hub, "HEAD", MODEL), 3);
}

/* ---- trouble that does not ---- */

static void fails(void **state, const char *method, const char *words, rap_status status,
                  const char *what)
{
    fixture *f = *state;

    server_trick(f->hub, method, MODEL, words);
    assert_int_equal(pull_toy(f), status);
    assert_says(f, what);
    assert_says(f, "encoder.gguf");
    assert_false(file_exists(blob_path(f, "")));
    assert_false(file_exists(profile_path(f, "")));
    assert_int_equal(server_count(f->hub, method, MODEL), 1); /* it was not asked again */
    assert_true(size_at(blob_path(f, ".incomplete")) <= (long)f->size);
    server_trick(f->hub, method, MODEL, "");
    assert_pulls(f); /* and nothing is spoiled for the next time */
    assert_whole(f);
}

static void test_not_found(void **state)
{
    fails(state, "HEAD", "404", RAP_E_NOT_FOUND, "404: no such file");
}

static void test_needs_a_token(void **state)
{
    fails(state, "HEAD", "401", RAP_E_NOT_FOUND, "HF_TOKEN");
}

static void test_wrong_bytes(void **state)
{
    fails(state, "GET", "wrong", RAP_E_FORMAT, "discarded");
}

static void test_announces_another_size(void **state)
{
    fails(state, "GET", "more", RAP_E_FORMAT, "announces");
}

static void test_announces_too_little(void **state)
{
    fails(state, "GET", "short", RAP_E_FORMAT, "announces");
}

static void test_sends_more_unannounced(void **state)
{
    fails(state, "GET", "bare-more", RAP_E_FORMAT, "sends more");
}

static void test_redirected_in_a_circle(void **state)
{
    fixture *f = *state;

    server_trick(f->hub, "HEAD", MODEL,
                 "loop loop loop loop loop loop loop loop loop loop loop loop");
    assert_int_equal(pull_toy(f), RAP_E_IO);
    assert_says(f, "redirected more than");
    /* the first and ten redirects; libcurl repeats one whose kept connection the server had closed */
    assert_in_range(server_count(f->hub, "HEAD", MODEL), 11, 12);
}

static void test_redirected_to_a_local_file(void **state)
{
    fails(state, "GET", "file", RAP_E_IO, "redirects to a URL that is not allowed");
}

static void test_lies_about_size(void **state)
{
    fails(state, "HEAD", "lie-size", RAP_E_FORMAT, "announces");
}

static void test_no_checksum_anywhere(void **state)
{
    fails(state, "HEAD", "no-etag", RAP_E_FORMAT, "checksum");
}

static void test_no_commit(void **state)
{
    fixture *f = *state;

    server_trick(f->hub, "HEAD", SMALL, "no-commit");
    assert_int_equal(pull_toy(f), RAP_E_FORMAT);
    assert_says(f, "config.json: the reply has no commit (X-Repo-Commit)");
    assert_pulls(f);
    assert_whole(f);
}

static void test_get_redirected_in_a_circle(void **state)
{
    fixture *f = *state;

    server_trick(f->hub, "GET", MODEL,
                 "loop loop loop loop loop loop loop loop loop loop loop loop");
    assert_int_equal(pull_toy(f), RAP_E_IO);
    assert_says(f, "redirected more than");
}

static void test_bad_range(void **state)
{
    fixture *f = *state;

    server_trick(f->hub, "GET", MODEL, "truncate bad-range");
    assert_int_equal(pull_toy(f), RAP_E_FORMAT);
    assert_says(f, "another range");
    assert_pulls(f);
    assert_whole(f);
}

static void test_no_room_on_the_disk(void **state)
{
    fixture *f = *state;
    struct statvfs space;

    server_trick(f->hub, "HEAD", MODEL, "huge");
    assert_int_equal(statvfs(f->folder, &space), 0);
    if ((double)space.f_bavail * (double)space.f_frsize > 0x1p40) {
        print_message("skipped: this disk has a terabyte to spare\n");
        return;
    }
    assert_int_equal(pull_toy(f), RAP_E_IO);
    assert_says(f, "free some space");
    assert_false(file_exists(blob_path(f, "")));
}

/* ---- replies without an end ---- */

static void test_errors_without_end(void **state)
{
    fails(state, "GET", "endless-error", RAP_E_NOT_FOUND, "404: no such file");
}

static void test_redirections_without_end(void **state)
{
    fixture *f = *state;

    server_trick(f->hub, "GET", MODEL, "endless-redirect");
    assert_int_equal(pull_toy(f), RAP_E_NOT_FOUND); /* of what it led to */
    assert_says(f, "404");
}

static void test_heads_without_end(void **state)
{
    fails(state, "GET", "endless-line", RAP_E_IO, "a header line of the reply is too long");
}

static void test_heads_of_answers_without_end(void **state)
{
    fails(state, "HEAD", "endless-line", RAP_E_IO, "a header line of the reply is too long");
}

static void test_more_than_was_announced_without_end(void **state)
{
    fails(state, "GET", "endless-body", RAP_E_FORMAT, "sends more");
}

/* Nobody said how large the file is: it gets what the disk can spare. */
static void test_unannounced_without_end(void **state)
{
    fixture *f = *state;

    server_trick(f->hub, "HEAD", SMALL, "no-length");
    server_trick(f->hub, "GET", SMALL, "endless-body");
    pretended_free = ((fsblkcnt_t)1 << 30) + 3000000;
    assert_int_equal(pull_toy(f), RAP_E_LIMIT);
    pretended_free = 0;
    assert_says(f, "does not announce a size");
    assert_says(f, "3000000 bytes");
    server_trick(f->hub, "GET", SMALL, "");
    assert_pulls(f);
    assert_whole(f);
}

/* ---- what the recipe knows ---- */

static void test_recipe_knows_the_size(void **state)
{
    fixture *f = *state;

    recipe_with(f, "main", ", \"bytes\": 12345");
    assert_int_equal(pull_again(f), RAP_E_FORMAT);
    assert_says(f, "the recipe says 12345");
    assert_int_equal(server_count(f->hub, "GET", MODEL), 0);
}

static void test_recipe_knows_the_checksum(void **state)
{
    fixture *f = *state;
    char about[128];

    snprintf(about, sizeof about, ", \"sha256\": \"%s\"", f->sha256);
    server_trick(f->hub, "HEAD", MODEL, "lie-etag");
    recipe_with(f, "main", about);
    assert_int_equal(pull_again(f), RAP_E_FORMAT);
    assert_says(f, "another file");
    assert_int_equal(server_count(f->hub, "GET", MODEL), 0);
}

/* A plain mirror knows no commit and no checksum; a recipe that pins both needs neither. */
static void test_plain_mirror(void **state)
{
    fixture *f = *state;
    char about[160];

    server_add(f->hub, "/toy/models/resolve/" SERVER_COMMIT "/gguf/encoder.gguf", f->model,
               f->size);
    server_add(f->hub, "/toy/models/resolve/" SERVER_COMMIT "/config.json", "{\"size\": 3}", 11);
    server_trick(f->hub, "HEAD", "/toy/models/resolve/" SERVER_COMMIT "/gguf/encoder.gguf",
                 "no-etag");
    snprintf(about, sizeof about, ", \"sha256\": \"%s\"", f->sha256);
    setenv("RAP_MIRROR", getenv("HF_ENDPOINT"), 1);
    setenv("HF_ENDPOINT", "http://127.0.0.1:1", 1);
    recipe_with(f, SERVER_COMMIT, about);
    assert_pulls(f);
    assert_whole(f);
}

/* A mirror may name its files by anything of 40 digits: only a hub's answer, with a commit, is git's. */
static void test_plain_mirror_with_names_of_its_own(void **state)
{
    fixture *f = *state;
    char about[128];

    server_add(f->hub, "/toy/models/resolve/" SERVER_COMMIT "/gguf/encoder.gguf", f->model,
               f->size);
    server_trick(f->hub, "HEAD", "/toy/models/resolve/" SERVER_COMMIT "/gguf/encoder.gguf",
                 "mirror");
    snprintf(about, sizeof about, ", \"sha256\": \"%s\"", f->sha256);
    recipe_with(f, SERVER_COMMIT, about);
    assert_pulls(f);
    assert_whole(f);
}

/* ---- resuming ---- */

static void leave_part(fixture *f, size_t size, char wrong)
{
    const char *part = blob_path(f, ".incomplete");
    char *bytes = malloc(size + 1), *folder = path_folder(part);

    for (size_t i = 0; i < size; i++)
        bytes[i] = (char)(i < f->size ? f->model[i] ^ wrong : 'x');
    assert_int_equal(file_make_folders(folder, NULL), RAP_OK);
    assert_int_equal(file_write(part, bytes, size, NULL), RAP_OK);
    free(folder);
    free(bytes);
}

static void test_goes_on_after_an_earlier_run(void **state)
{
    fixture *f = *state;

    leave_part(f, f->size - 1000, 0);
    assert_int_equal(pull_toy(f), RAP_OK);
    assert_whole(f);
    assert_true(server_sent(f->hub) < 2000);
}

static void test_part_was_whole(void **state)
{
    fixture *f = *state;

    leave_part(f, f->size, 0);
    assert_int_equal(pull_toy(f), RAP_OK);
    assert_whole(f);
    assert_int_equal(server_count(f->hub, "GET", MODEL), 0);
}

static void test_part_was_wrong(void **state)
{
    fixture *f = *state;

    leave_part(f, f->size / 2, 1);
    assert_int_equal(pull_toy(f), RAP_OK);
    assert_whole(f);
    assert_int_equal(server_count(f->hub, "GET", MODEL), 2);
}

static void test_part_was_too_long(void **state)
{
    fixture *f = *state;

    leave_part(f, f->size + 10, 0);
    assert_int_equal(pull_toy(f), RAP_OK);
    assert_whole(f);
}

/* ---- the token ---- */

static void test_token_stays_with_the_hub(void **state)
{
    fixture *f = *state;

    setenv("HF_TOKEN", "hf_secret", 1);
    server_trick(f->hub, "GET", MODEL, "truncate");
    assert_int_equal(pull_toy(f), RAP_OK);
    assert_true(server_tokens(f->hub) > 0);
    assert_int_equal(server_token_leaks(f->hub), 0);
}

static void test_token_from_its_file(void **state)
{
    fixture *f = *state;

    assert_int_equal(file_make_folders(path_of("%s/hf", f->folder), NULL), RAP_OK);
    assert_int_equal(file_write(path_of("%s/hf/token", f->folder), "hf_secret\n", 10, NULL),
                     RAP_OK);
    assert_int_equal(pull_toy(f), RAP_OK);
    assert_true(server_tokens(f->hub) > 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_head_troubles_pass),
        TEST(test_head_too_many_requests),
        TEST(test_get_errors_pass),
        TEST(test_a_stalled_reply_is_asked_again),
        TEST(test_truncated_goes_on),
        TEST(test_ranges_ignored_start_anew),
        TEST(test_no_such_range_starts_anew),
        TEST(test_changed_meanwhile),
        TEST(test_renamed_repository),
        TEST(test_gives_up),
        TEST(test_errors_without_end),
        TEST(test_redirections_without_end),
        TEST(test_heads_without_end),
        TEST(test_heads_of_answers_without_end),
        TEST(test_more_than_was_announced_without_end),
        TEST(test_unannounced_without_end),
        TEST(test_not_found),
        TEST(test_needs_a_token),
        TEST(test_wrong_bytes),
        TEST(test_announces_another_size),
        TEST(test_announces_too_little),
        TEST(test_sends_more_unannounced),
        TEST(test_redirected_in_a_circle),
        TEST(test_redirected_to_a_local_file),
        TEST(test_lies_about_size),
        TEST(test_no_checksum_anywhere),
        TEST(test_no_commit),
        TEST(test_get_redirected_in_a_circle),
        TEST(test_bad_range),
        TEST(test_no_room_on_the_disk),
        TEST(test_recipe_knows_the_size),
        TEST(test_recipe_knows_the_checksum),
        TEST(test_plain_mirror),
        TEST(test_plain_mirror_with_names_of_its_own),
        TEST(test_goes_on_after_an_earlier_run),
        TEST(test_part_was_whole),
        TEST(test_part_was_wrong),
        TEST(test_part_was_too_long),
        TEST(test_token_stays_with_the_hub),
        TEST(test_token_from_its_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

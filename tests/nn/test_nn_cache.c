/* test_nn_cache.c: packed weights are cached and mapped again, even if a context needs only some
 * of them. Damaged or foreign caches, and those of an older state of the file, are replaced;
 * results stay the same. */
#include "base/file.h"
#include "nn/nn_case.h"
#include "nn/nn_internal.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

enum { C = 32, SIDE = 16, RESULTS = SIDE * SIDE * 48 };

static char work[64], model[96], folder[96], kept[512];

static float *made(size_t count, unsigned seed)
{
    float *x = malloc(count * sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < count; i++)
        x[i] = (float)((i * 2654435761u + seed) >> 7 & 255) / 256.0f - 0.5f;
    return x;
}

static void write_model(unsigned seed)
{
    gguf_writer *w = gguf_writer_new("vit");
    float *conv = made(C * C * 9, seed), *linear = made(48 * C, seed);
    gguf_put_tensor(w, "conv", GGUF_F32, 4, (int64_t[]){ 3, 3, C, C }, conv);
    gguf_put_tensor(w, "linear", GGUF_F32, 2, (int64_t[]){ C, 48 }, linear);
    assert_int_equal(gguf_writer_save(w, model, NULL), RAP_OK);
    gguf_writer_free(w);
    free(conv);
    free(linear);
}

static int set_up(void **state)
{
    snprintf(work, sizeof work, "/tmp/rap-cache-XXXXXX");
    if (!mkdtemp(work))
        return 1;
    snprintf(model, sizeof model, "%s/made.gguf", work);
    snprintf(folder, sizeof folder, "%s/packed", work);
    setenv("RAP_PACK_CACHE", folder, 1);
    write_model(1);
    return 0;
}

/* Counts the files in the folder and copies the last name to `kept`. */
static int files(void)
{
    int count = 0;
    struct dirent *found;
    DIR *d = opendir(folder);
    while (d && (found = readdir(d)))
        if (found->d_name[0] != '.') {
            snprintf(kept, sizeof kept, "%s/%s", folder, found->d_name);
            count++;
        }
    if (d)
        closedir(d);
    return count;
}

static int tear_down(void **state)
{
    while (files())
        unlink(kept);
    rmdir(folder);
    unlink(model);
    unsetenv("RAP_PACK_CACHE");
    return rmdir(work);
}

enum { CONV = 1, LINEAR = 2 };

/* Runs these layers once; returns how many of their weights were mapped, and the file's sum. */
static int run_some(int layers, float *out, char sum[65], nn_precision p)
{
    rap_err err = { 0 };
    gguf_file *file;
    nn *n;
    nn_graph *g;
    float *x = made(SIDE * SIDE * C, 9);
    int mapped = 0;
    must(gguf_file_open(&file, model, &err), &err);
    must(nn_open(&n, file, 1, p, &err), &err);
    nn_weights_sum(n, sum);
    must(nn_graph_new(&g, n, &err), &err);
    nn_tensor *t = nn_input(g, NN_SHAPE(1, SIDE, SIDE, C));
    if (layers & CONV)
        t = nn_conv(g, t, "conv", NULL, (nn_conv_options){ .pad = 1 });
    if (layers & LINEAR)
        t = nn_linear(g, t, "linear", NULL, (nn_linear_options){ 0 });
    nn_output(g, t);
    must(nn_graph_compile(g, &err), &err);
    must(nn_graph_run(g, (const void *[]){ x }, (float *[]){ out }, &err), &err);
    for (const nn_packed *k = n->packed; k; k = k->next)
        mapped += k->mapped;
    nn_graph_free(g);
    nn_close(n);
    gguf_file_close(file);
    free(x);
    return mapped;
}

static int run(float *out, char sum[65], nn_precision p)
{
    return run_some(CONV | LINEAR, out, sum, p);
}

/* Runs it and expects the same results and sum as before. */
static int run_again(const float *want, const char *sum)
{
    static float got[RESULTS];
    char now[65];
    int mapped = run(got, now, NN_F32);
    assert_string_equal(now, sum);
    assert_memory_equal(got, want, sizeof got);
    return mapped;
}

static float first[RESULTS];
static char first_sum[65];

static void start(void)
{
    while (files())
        unlink(kept);
    assert_int_equal(run(first, first_sum, NN_F32), 0);
    assert_int_equal(files(), 1);
    assert_int_equal(run_again(first, first_sum), 2);
}

static void test_kept_and_mapped(void **state)
{
    char sum[65];
    start();
    assert_int_equal(file_sha256(sum, model, NULL), RAP_OK);
    assert_string_equal(sum, first_sum);
    assert_int_equal(files(), 1);
}

/* Flips one byte. */
static void flip(long at)
{
    FILE *f = fopen(kept, "r+b");
    assert_non_null(f);
    fseek(f, at, at < 0 ? SEEK_END : SEEK_SET);
    int c = fgetc(f);
    fseek(f, -1, SEEK_CUR);
    fputc(c ^ 0x41, f);
    fclose(f);
}

static void test_damaged(void **state)
{
    start();
    for (long at = 0; at < 208; at++) { /* all of head and entries */
        flip(at);
        assert_int_equal(run_again(first, first_sum), 0);
        assert_int_equal(run_again(first, first_sum), 2); /* replaced */
    }
    flip(-100); /* one of the two weights */
    assert_int_equal(run_again(first, first_sum), 1);
    assert_int_equal(run_again(first, first_sum), 2);
}

static void test_truncated(void **state)
{
    start();
    struct stat info;
    assert_int_equal(stat(kept, &info), 0);
    const long sizes[] = { 0, 1, 100, 140, 224, 4096, info.st_size - 1 };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        assert_int_equal(truncate(kept, sizes[i]), 0);
        assert_in_range(run_again(first, first_sum), 0, 1);
        assert_int_equal(run_again(first, first_sum), 2);
    }
}

static void test_another_state_of_the_file(void **state)
{
    static float got[RESULTS];
    char sum[65];
    start();
    write_model(2);
    assert_int_equal(run(got, sum, NN_F32), 0);
    assert_string_not_equal(sum, first_sum);
    assert_memory_not_equal(got, first, sizeof got);
    assert_int_equal(files(), 1);
    write_model(1);
    assert_int_equal(run_again(first, first_sum), 0);
}

static void test_nothing_kept(void **state)
{
    start();
    unlink(kept);
    setenv("RAP_PACK_CACHE", "0", 1);
    assert_int_equal(run_again(first, first_sum), 0);
    setenv("RAP_PACK_CACHE", "/proc/no/such/folder", 1);
    assert_int_equal(run_again(first, first_sum), 0);
    setenv("RAP_PACK_CACHE", folder, 1);
    assert_int_equal(files(), 0);
}

static void test_each_precision_by_itself(void **state)
{
    static float got[RESULTS], again[RESULTS];
    char sum[65];
    start();
    assert_int_equal(run(got, sum, NN_INT8), 0);
    assert_int_equal(run(got, sum, NN_BF16), 0);
    assert_int_equal(files(), 3);
    assert_int_equal(run_again(first, first_sum), 2);
    assert_int_equal(run(again, sum, NN_BF16), 2); /* in oneDNN's layouts where bf16 is native */
    assert_memory_equal(again, got, sizeof got);
    assert_int_equal(run(got, sum, NN_INT8), 2);
}

static void test_contexts_that_need_different_weights(void **state)
{
    static float got[RESULTS];
    char sum[65];
    start();
    unlink(kept);
    assert_int_equal(run_some(CONV, got, sum, NN_F32), 0);
    assert_int_equal(run_some(LINEAR, got, sum, NN_F32), 0);
    assert_int_equal(run_some(CONV, got, sum, NN_F32), 1);
    assert_int_equal(run_some(LINEAR, got, sum, NN_F32), 1);
    assert_int_equal(run_again(first, first_sum), 2);
    assert_int_equal(files(), 1);
}

/* The file may be replaced between opening it and asking for its sum. */
static void test_sum_is_of_what_was_opened(void **state)
{
    rap_err err = { 0 };
    gguf_file *file;
    nn *n;
    char sum[65];
    start();
    unlink(kept);
    must(gguf_file_open(&file, model, &err), &err);
    write_model(2);
    must(nn_open(&n, file, 1, NN_F32, &err), &err);
    nn_weights_sum(n, sum);
    assert_string_equal(sum, first_sum);
    nn_close(n);
    gguf_file_close(file);
    write_model(1);
}

/* Damage in a carried-over entry is detected when the entry is used. */
static void test_damage_is_not_carried_over(void **state)
{
    static float got[RESULTS];
    char sum[65];
    start();
    unlink(kept);
    assert_int_equal(run_some(CONV, got, sum, NN_F32), 0);
    assert_int_equal(files(), 1);
    flip(-100);
    assert_int_equal(run_some(LINEAR, got, sum, NN_F32), 0);
    assert_int_equal(run_again(first, first_sum), 1);
    assert_int_equal(run_again(first, first_sum), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kept_and_mapped),
        cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_another_state_of_the_file),
        cmocka_unit_test(test_nothing_kept),
        cmocka_unit_test(test_each_precision_by_itself),
        cmocka_unit_test(test_contexts_that_need_different_weights),
        cmocka_unit_test(test_damage_is_not_carried_over),
        cmocka_unit_test(test_sum_is_of_what_was_opened),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

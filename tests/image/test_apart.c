/* test_apart.c: pictures that a process of its own decodes (src/image/decode_apart.c, heif.c, src/decode): nothing that is
 * in one, or that befalls that process, reaches this one, and nothing of it is left. */
#include "image/made.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vips/vips.h>

/* ---- files ---- */

static buf saved(int width, int height, const char *suffix)
{
    VipsImage *noise = NULL, *byte = NULL, *colour = NULL;
    VipsImage *three[3];
    buf out = BUF_INIT;
    void *data = NULL;
    size_t size = 0;

    assert_int_equal(vips_gaussnoise(&noise, width, height, "mean", 128.0, "sigma", 30.0, NULL), 0);
    assert_int_equal(vips_cast(noise, &byte, VIPS_FORMAT_UCHAR, NULL), 0);
    three[0] = three[1] = three[2] = byte;
    assert_int_equal(vips_bandjoin(three, &colour, 3, NULL), 0);
    colour->Type = VIPS_INTERPRETATION_sRGB;
    if (vips_image_write_to_buffer(colour, suffix, &data, &size, NULL) == 0)
        buf_add(&out, data, size);
    else
        vips_error_clear();
    g_free(data);
    g_object_unref(noise);
    g_object_unref(byte);
    g_object_unref(colour);
    return out;
}

static void add_item(buf *items, int id, const char *type)
{
    buf item = BUF_INIT;

    made_number(&item, 2u << 24, 4);
    made_number(&item, (uint32_t)id, 2);
    made_number(&item, 0, 2);
    buf_add(&item, type, 5);
    buf_putc(&item, 0);
    made_box(items, "infe", &item);
}

static void add_reference(buf *to, const char *type, int from, int target)
{
    buf body = BUF_INIT;

    made_number(&body, (uint32_t)from, 2);
    made_number(&body, 1, 2);
    made_number(&body, (uint32_t)target, 2);
    made_box(to, type, &body);
}

/* A HEIC of two items of this type that refer to each other, 64 × 64. */
static buf circle(const char *item, const char *reference)
{
    buf file = BUF_INIT, body = BUF_INIT, meta = BUF_INIT, items = BUF_INIT, links = BUF_INIT;
    buf properties = BUF_INIT, inner = BUF_INIT;

    buf_add(&body, "heic\0\0\0\0mif1heic", 16);
    made_box(&file, "ftyp", &body);
    made_number(&meta, 0, 4);
    buf_add(&body, "\0\0\0\0\0\1", 6);
    made_box(&meta, "pitm", &body);
    made_number(&items, 0, 4);
    made_number(&items, 2, 2);
    add_item(&items, 1, item);
    add_item(&items, 2, item);
    made_box(&meta, "iinf", &items);
    made_number(&links, 0, 4);
    add_reference(&links, reference, 1, 2);
    add_reference(&links, reference, 2, 1);
    made_box(&meta, "iref", &links);
    buf_add(&body, "\0\0\0\0\0\0\0\100\0\0\0\100", 12);
    made_box(&inner, "ispe", &body);
    made_box(&properties, "ipco", &inner);
    buf_add(&body, "\0\0\0\0\0\0\0\2\0\1\1\1\0\2\1\1", 16);
    made_box(&properties, "ipma", &body);
    made_box(&meta, "iprp", &properties);
    made_box(&file, "meta", &meta);
    return file;
}

static void refuses_items_that_name_each_other(void **state)
{
    buf grids = circle("grid", "dimg"), views = circle("iden", "dimg");
    buf alphas = circle("hvc1", "auxl");

    assert_true(grids.len < 400);
    made_refused(&grids, RAP_E_FORMAT, "made of one that is not a coded picture");
    made_refused(&views, RAP_E_FORMAT, "made of one that is not a coded picture");
    made_refused(&alphas, RAP_E_FORMAT, "items refer to each other");
}

/* Boxes of every length, cut anywhere and with any byte changed: an answer, whatever it is. */
static void survives_changed_boxes(void **state)
{
    buf file = saved(48, 32, ".avif[Q=60]");
    size_t stop = file.len < 400 ? file.len : 400;

    if (!file.len)
        skip();
    for (size_t i = 0; i < stop; i += 9) {
        char before = file.data[i];
        image out;
        file.data[i] = (char)(before ^ (1 << i % 8));
        image_decode(&out, file.data, file.len, "it", NULL);
        image_release(&out);
        file.data[i] = before;
        if (i > 12)
            assert_int_not_equal(image_decode(&out, file.data, i, "it", NULL), RAP_OK);
    }
    buf_release(&file);
}

/* ---- the process ---- */

/* A program of one line in its place. */
static void put_decoder(char path[32], const char *line)
{
    int fd;

    snprintf(path, 32, "/tmp/rap-decoder-XXXXXX");
    fd = mkstemp(path);
    assert_true(fd >= 0 && dprintf(fd, "#!/bin/sh\n%s\n", line) > 0 && fchmod(fd, 0700) == 0);
    close(fd);
    setenv("RAP_DECODER", path, 1);
}

static void says_when_there_is_no_decoder(void **state)
{
    char path[32];
    buf file = saved(16, 16, ".webp[lossless]"), again = BUF_INIT, third = BUF_INIT;

    buf_add(&again, file.data, file.len);
    buf_add(&third, file.data, file.len);
    setenv("RAP_DECODER", "/nowhere/rap-decode", 1);
    made_refused(&file, RAP_E_UNSUPPORTED,
                 "need the program rap-decode, which is not at /nowhere/");
    put_decoder(path, "kill -SEGV $$");
    made_refused(&again, RAP_E_FORMAT, "its decoder was ended by signal 11");
    unlink(path);
    put_decoder(path, "exec cat >&0"); /* answers what it was asked: it is not believed */
    made_refused(&third, RAP_E_FORMAT, "its size differs from the one in its header");
    unlink(path);
    unsetenv("RAP_DECODER");
}

static int open_files(void)
{
    DIR *folder = opendir("/proc/self/fd");
    int count = 0;

    assert_non_null(folder);
    while (readdir(folder))
        count++;
    closedir(folder);
    return count;
}

static int entries_of(const char *path)
{
    DIR *folder = opendir(path);
    int count = -2;

    assert_non_null(folder);
    while (readdir(folder))
        count++;
    closedir(folder);
    return count;
}

static void leaves_nothing(void **state)
{
    static const char *const suffixes[] = { ".webp[Q=80]", ".avif[Q=50]", ".heic[Q=50]", ".png",
                                            ".png[interlace]" };
    image warm = { 0 };
    buf first = saved(64, 64, ".webp");
    int before;

    image_decode(&warm, first.data, first.len, "it", NULL);
    image_release(&warm);
    buf_release(&first);
    before = open_files();
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        buf file = saved(300, 200, suffixes[i]);
        image im;
        if (!file.len)
            continue;
        assert_int_not_equal(image_decode(&im, file.data, file.len / 2, "it", NULL), RAP_OK);
        im = made_decode(&file);
        assert_int_equal(im.width, 300);
        image_release(&im);
        assert_int_equal(open_files(), before);
        assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no child is left */
        assert_int_equal(errno, ECHILD);
    }
}

/* Looks into the folder for temporary files, and at what is open, as long as a picture is decoded. */
static char temporary[] = "/tmp/rap-watched-XXXXXX";

typedef struct watch {
    const char *folder;
    atomic_bool stop;
    atomic_int seen;
} watch;

static void *look(void *payload)
{
    watch *w = payload;

    while (!w->stop) {
        char path[64], target[4096];
        DIR *folder = opendir("/proc/self/fd");
        w->seen += entries_of(w->folder);
        for (struct dirent *e = folder ? readdir(folder) : NULL; e; e = readdir(folder)) {
            snprintf(path, sizeof path, "/proc/self/fd/%.20s", e->d_name);
            ssize_t len = readlink(path, target, sizeof target - 1);
            target[len > 0 ? len : 0] = '\0';
            w->seen += strncmp(target, w->folder, strlen(w->folder)) == 0 ||
                       strstr(target, "(deleted)") != NULL;
        }
        if (folder)
            closedir(folder);
        usleep(2000);
    }
    return NULL;
}

/* All pixels of a file by libvips alone, wherever it puts them. */
static void by_libvips(buf *file)
{
    VipsImage *im = vips_image_new_from_buffer(file->data, file->len, "", NULL);
    double mean;

    assert_non_null(im);
    assert_int_equal(vips_avg(im, &mean, NULL), 0);
    g_object_unref(im);
    buf_release(file);
}

static int files_seen(buf *file, bool by_us)
{
    watch w = { .folder = temporary };
    pthread_t thread;
    image im = { 0 };

    assert_int_equal(pthread_create(&thread, NULL, look, &w), 0);
    if (by_us)
        im = made_decode(file);
    else
        by_libvips(file);
    w.stop = true;
    pthread_join(thread, NULL);
    image_release(&im);
    return w.seen;
}

/* More than 100 MiB of pixels: there libvips goes to the disk when it is let, which the watch sees. */
static void writes_no_photo_to_a_disk(void **state)
{
    static const char *const suffixes[] = { ".webp[Q=1,effort=0]", ".png[interlace,compression=1]",
                                            ".jpg[interlace]", ".gif" };

    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        VipsImage *black = NULL;
        void *data = NULL;
        size_t size = 0;
        buf file = BUF_INIT, again = BUF_INIT;
        assert_int_equal(vips_black(&black, 6400, 6000, "bands", 3, NULL), 0);
        black->Type = VIPS_INTERPRETATION_sRGB;
        if (vips_image_write_to_buffer(black, suffixes[i], &data, &size, NULL) != 0)
            vips_error_clear();
        g_object_unref(black);
        buf_add(&file, data, size);
        buf_add(&again, data, size);
        g_free(data);
        if (size > 0) {
            assert_int_equal(files_seen(&file, true), 0);
            if (i == 0)
                assert_int_not_equal(files_seen(&again, false), 0);
        }
        buf_release(&file);
        buf_release(&again);
    }
}

/* A program that collects its children itself, or ignores them, or has all signals blocked, or no standard input. */
static void works_in_any_program(void **state)
{
    buf file = saved(40, 30, ".webp[lossless]");
    sigset_t all, before;
    int input = dup(0);
    image im;

    signal(SIGCHLD, SIG_IGN);
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    close(0);
    for (int i = 0; i < 2; i++) {
        rap_err err = { 0 };
        if (image_decode(&im, file.data, file.len, "it", &err) != RAP_OK)
            fail_msg("%s", err.text);
        assert_int_equal(im.width, 40);
        image_release(&im);
    }
    buf_release(&file);
    if (input >= 0) {
        dup2(input, 0);
        close(input);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    signal(SIGCHLD, SIG_DFL);
}

static void *decode_some(void *payload)
{
    const buf *file = payload;
    void *failed = NULL;

    for (int i = 0; i < 6; i++) {
        image out;
        if (image_decode(&out, file->data, file->len, "it", NULL) != RAP_OK)
            failed = payload;
        image_release(&out);
    }
    return failed;
}

static void works_on_many_threads(void **state)
{
    buf file = saved(200, 200, ".webp");
    pthread_t thread[4];
    void *failed;

    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, decode_some, &file), 0);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(thread[i], &failed), 0);
        assert_null(failed);
    }
    buf_release(&file);
}

/* ---- what comes out ---- */

/* The canvas of the largest WebP there can be, from a file of a few kilobytes. */
static void shrinks_a_large_webp(void **state)
{
    VipsImage *black = NULL;
    void *data = NULL;
    size_t size = 0;
    buf file = BUF_INIT;
    image im;

    assert_int_equal(vips_black(&black, 12000, 9000, "bands", 3, NULL), 0);
    black->Type = VIPS_INTERPRETATION_sRGB;
    assert_int_equal(vips_webpsave_buffer(black, &data, &size, "Q", 10, "effort", 0, NULL), 0);
    buf_add(&file, data, size);
    g_free(data);
    g_object_unref(black);
    im = made_decode(&file);
    assert_int_equal(im.width, 6000);
    assert_int_equal(im.full_width, 12000);
    assert_int_equal(im.height, 4500);
    assert_int_equal(im.full_height, 9000);
    image_release(&im);
}

static void names_other_files(void **state)
{
    static const struct {
        const char *bytes, *words;
    } other[] = { { "", "is empty" },
                  { "version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS" },
                  { "\n<!DOCTYPE html><html>", "a web page" },
                  { "<svg/>", "an SVG drawing" },
                  { "%PDF-1.4", "is a PDF" },
                  { "BM123456", "a BMP picture" },
                  { "abcdftypisom", "a video" },
                  { "hello, world", "not a JPEG" } };

    for (size_t i = 0; i < sizeof other / sizeof *other; i++) {
        buf file = BUF_INIT;
        buf_add(&file, other[i].bytes, strlen(other[i].bytes));
        made_refused(&file, RAP_E_FORMAT, other[i].words);
    }
}

static int start(void **state)
{
    if (!mkdtemp(temporary))
        return 1;
    setenv("TMPDIR", temporary, 1);
    return VIPS_INIT("test");
}

static int stop(void **state)
{
    return rmdir(temporary);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_items_that_name_each_other),
        cmocka_unit_test(survives_changed_boxes),
        cmocka_unit_test(says_when_there_is_no_decoder),
        cmocka_unit_test(leaves_nothing),
        cmocka_unit_test(writes_no_photo_to_a_disk),
        cmocka_unit_test(works_in_any_program),
        cmocka_unit_test(works_on_many_threads),
        cmocka_unit_test(shrinks_a_large_webp),
        cmocka_unit_test(names_other_files),
    };

    return cmocka_run_group_tests(tests, start, stop);
}

/* fixture.h: a folder of its own, a hub on this machine, and recipes for it. */
#ifndef RAP_TESTS_PULL_FIXTURE_H
#define RAP_TESTS_PULL_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/file.h"
#include "formats/gguf_file.h"
#include "formats/json.h"
#include "pull/pull.h"
#include "pull/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MODEL "/toy/models/resolve/main/gguf/encoder.gguf"
#define SMALL "/toy/models/resolve/main/config.json"

typedef struct fixture {
    char folder[64];
    server *hub;
    char *model; /* a GGUF */
    size_t size;
    char sha256[65];
    pull_options options;
    rap_err err;
    json_t *result;
} fixture;

static const char *path_of(const char *format, ...) __attribute__((format(printf, 1, 2)));
static const char *path_of(const char *format, ...)
{
    static char paths[32][600];
    static int next;
    char *path = paths[next++ % 32];
    va_list list;

    va_start(list, format);
    vsnprintf(path, sizeof paths[0], format, list);
    va_end(list);
    return path;
}

/* A GGUF of about 400 kB, not the same for different seeds. */
static void make_gguf(const char *path, unsigned seed)
{
    enum { COUNT = 100000 };
    float *data = malloc(COUNT * sizeof *data);
    int64_t ne[4] = { COUNT, 1, 1, 1 };
    gguf_writer *w = gguf_writer_new("clip");

    for (unsigned i = 0; i < COUNT; i++)
        data[i] = (float)((i * 2654435761u + seed) >> 8);
    gguf_put_tensor(w, "weight", GGUF_F32, 1, ne, data);
    assert_int_equal(gguf_writer_save(w, path, NULL), RAP_OK);
    gguf_writer_free(w);
    free(data);
}

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    rap_err err = { 0 };

    snprintf(f->folder, sizeof f->folder, "/tmp/rap-pull-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    f->hub = server_start();
    assert_non_null(f->hub);
    make_gguf(path_of("%s/model.gguf", f->folder), 1);
    assert_int_equal(file_read(&f->model, &f->size, path_of("%s/model.gguf", f->folder),
                               (size_t)1 << 24, &err),
                     RAP_OK);
    sha256_hex(f->sha256, f->model, f->size);
    server_add(f->hub, MODEL, f->model, f->size);
    server_add(f->hub, SMALL, "{\"size\": 3}", 11);
    setenv("HF_HOME", path_of("%s/hf", f->folder), 1);
    setenv("XDG_DATA_HOME", path_of("%s/data", f->folder), 1);
    setenv("HF_ENDPOINT", path_of("http://127.0.0.1:%d", server_port(f->hub)), 1);
    setenv("no_proxy", "127.0.0.1,localhost", 1);
    unsetenv("HF_HUB_CACHE");
    unsetenv("HF_HUB_OFFLINE");
    unsetenv("HF_TOKEN");
    unsetenv("RAP_MIRROR");
    f->options = (pull_options)PULL_OPTIONS_INIT;
    f->options.retry_ms = 1;
    f->options.stall_seconds = 1;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    char command[128];

    server_stop(f->hub);
    json_decref(f->result);
    free(f->model);
    snprintf(command, sizeof command, "rm -rf %s", f->folder);
    assert_int_equal(system(command), 0);
    free(f);
    return 0;
}

/* A recipe of name toy with the encoder taken from toy/models; `about` goes beside the file's path. */
static const char *recipe_with(fixture *f, const char *revision, const char *about)
{
    const char *path = path_of("%s/toy.json", f->folder);
    char text[2000];

    snprintf(text, sizeof text,
             "{\"recipe\": 1, \"name\": \"toy\", \"sources\": {\"m\": {\"hub\": \"toy/models\", "
             "\"revision\": \"%s\", \"files\": [{\"path\": \"config.json\"}, "
             "{\"path\": \"gguf/encoder.gguf\"%s}]}}, \"make\": {\"encoder\": {\"file\": "
             "\"encoder.gguf\", \"take\": \"m/gguf/encoder.gguf\"}}, "
             "\"profile\": {\"retrieval\": {\"k\": 2}}}",
             revision, about);
    assert_int_equal(file_write(path, text, strlen(text), NULL), RAP_OK);
    f->options.recipe = path;
    return path;
}

static rap_status pull_again(fixture *f)
{
    json_decref(f->result);
    f->result = NULL;
    f->err = (rap_err){ RAP_OK, "" };
    return pull_run(&f->result, &f->options, false, &f->err);
}

__attribute__((unused)) static rap_status pull_toy(fixture *f)
{
    recipe_with(f, "main", "");
    return pull_again(f);
}

__attribute__((unused)) static void assert_pulls(fixture *f)
{
    rap_status status = pull_again(f);

    if (status != RAP_OK)
        fail_msg("%s", f->err.text);
}

__attribute__((unused)) static const char *state_of(const fixture *f)
{
    return json_string_value(json_object_get(f->result, "state"));
}

/* The failure's line names what it is about and says `what`. */
static void assert_says(const fixture *f, const char *what)
{
    if (!strstr(f->err.text, what))
        fail_msg("'%s' does not say '%s'", f->err.text, what);
}

static const char *blob_path(const fixture *f, const char *end)
{
    return path_of("%s/hf/hub/models--toy--models/blobs/%s%s", f->folder, f->sha256, end);
}

static const char *profile_path(const fixture *f, const char *name)
{
    return path_of("%s/data/rap/profiles/toy/%s", f->folder, name);
}

__attribute__((unused)) static long size_at(const char *path)
{
    file_map map;
    long size;

    if (file_map_open(&map, path, NULL) != RAP_OK)
        return -1;
    size = (long)map.size;
    file_map_close(&map);
    return size;
}

__attribute__((unused)) static void assert_whole(const fixture *f)
{
    char digest[65];

    assert_int_equal(file_sha256(digest, profile_path(f, "encoder.gguf"), NULL), RAP_OK);
    assert_string_equal(digest, f->sha256);
    assert_false(file_exists(blob_path(f, ".incomplete")));
}

#endif

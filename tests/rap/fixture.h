/* fixture.h: what the facade's tests share: a folder of their own with a profile made from the published
 * checkpoints in $RAP_SHARED (default ../shared), a store, pictures. */
#ifndef RAP_TESTS_FACADE_FIXTURE_H
#define RAP_TESTS_FACADE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "image/image.h"
#include "rap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct fixture {
    char folder[64]; /* removed at the end */
    rap *r;          /* what the test opened last */
} fixture;

/* A path, valid until 32 more were made. */
__attribute__((unused, format(printf, 1, 2))) static const char *path_of(const char *format, ...)
{
    static char paths[32][512];
    static int next;
    char *path = paths[next++ % 32];
    va_list list;

    va_start(list, format);
    vsnprintf(path, sizeof paths[0], format, list);
    va_end(list);
    return path;
}

__attribute__((unused)) static const char *shared(const char *name)
{
    const char *folder = getenv("RAP_SHARED");

    return path_of("%s/%s", folder && *folder ? folder : "../shared", name);
}

/* Use as: if (!have("fixtures/vit")) skip(); */
__attribute__((unused)) static int have(const char *name)
{
    if (file_exists(shared(name)))
        return 1;
    print_message("skipped: %s is not there\n", shared(name));
    return 0;
}

__attribute__((unused)) static void write_text(const char *path, const char *text)
{
    char *folder = path_folder(path);

    assert_int_equal(file_make_folders(folder, NULL), RAP_OK);
    assert_int_equal(file_write(path, text, strlen(text), NULL), RAP_OK);
    free(folder);
}

/* <folder>/<name>/profile.json with the encoder converted from a checkpoint in $RAP_SHARED. */
__attribute__((unused)) static const char *make_profile(const fixture *f, const char *name,
                                                        const char *checkpoint, const char *vocab)
{
    char error[512] = "";
    const rap_convert_options how = { .vocab = vocab ? shared(vocab) : NULL };
    const char *folder = path_of("%s/%s", f->folder, name);

    write_text(path_of("%s/profile.json", folder),
               "{\"name\": \"test\", \"files\": {\"encoder\": {\"path\": \"encoder.gguf\"}}}");
    if (rap_convert(shared(checkpoint), path_of("%s/encoder.gguf", folder), &how, error,
                    sizeof error) != RAP_OK)
        fail_msg("%s", error);
    return folder;
}

#define VIT "fixtures/vit/vit_tiny_patch16_224.pt"
#define CLIP "fixtures/clip/clip_vit_small.pt"
#define CLIP_VOCAB "fixtures/clip/bpe_simple_vocab_16e6.txt.gz"

__attribute__((unused)) static rap *open_rap(fixture *f, const char *profile, const char *store,
                                             const rap_options *options)
{
    rap_options o = RAP_OPTIONS_INIT;

    if (options)
        o = *options;
    o.profile = profile;
    o.store = path_of("%s/%s", f->folder, store);
    o.threads = 1;
    if (rap_open(&f->r, &o) != RAP_OK)
        fail_msg("%s", rap_error(f->r));
    return f->r;
}

/* A picture of coloured stripes; other numbers make another picture. */
__attribute__((unused)) static const char *make_picture(const fixture *f, const char *name,
                                                        int width, int height, unsigned kind)
{
    const char *path = path_of("%s/%s", f->folder, name);
    image im = { 0 };

    assert_int_equal(image_new(&im, width, height, NULL), RAP_OK);
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            uint8_t *rgb = im.rgb + 3 * ((size_t)y * (size_t)width + (size_t)x);

            rgb[0] = (uint8_t)(kind * 97 + (unsigned)(x / 8) * 40);
            rgb[1] = (uint8_t)(kind * 59 + (unsigned)(y / 8) * 70);
            rgb[2] = (uint8_t)(kind * 31 + (unsigned)((x + y) / 16) * 90);
        }
    assert_int_equal(image_save_png(&im, path, NULL), RAP_OK);
    image_release(&im);
    return path;
}

__attribute__((unused)) static rap_status remember(rap *r, const char *name, const char *picture)
{
    rap_concept c = RAP_CONCEPT_INIT;

    c.name = name;
    c.category = "thing";
    c.info = "It is a thing.";
    c.image.path = picture;
    return rap_remember(NULL, r, &c);
}

__attribute__((unused)) static rap_matches *see(rap *r, const char *picture, const char *text)
{
    rap_image source = RAP_IMAGE_INIT;
    rap_matches *m = NULL;

    source.path = picture;
    if (rap_retrieve(&m, r, picture ? &source : NULL, text, 0) != RAP_OK)
        fail_msg("%s", rap_error(r));
    return m;
}

__attribute__((unused)) static int count_one(const rap_record *record, void *payload)
{
    ++*(int *)payload;
    return 0;
}

__attribute__((unused)) static int count_concepts(rap *r)
{
    int count = 0;

    assert_int_equal(rap_each(r, NULL, count_one, &count), RAP_OK);
    return count;
}

__attribute__((unused)) static int fixture_setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);

    if (!f)
        return 1;
    snprintf(f->folder, sizeof f->folder, "/tmp/rap-facade-XXXXXX");
    *state = f;
    unsetenv("RAP_STORE");
    unsetenv("RAP_PROFILE");
    if (!mkdtemp(f->folder))
        return 1;
    setenv("XDG_DATA_HOME", path_of("%s/data", f->folder), 1);
    return 0;
}

__attribute__((unused)) static int fixture_teardown(void **state)
{
    fixture *f = *state;
    int failed;

    rap_close(f->r);
    failed = system(path_of("rm -rf '%s'", f->folder));
    free(f);
    return failed;
}

#endif

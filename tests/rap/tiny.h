/* tiny.h: the embedded profile and pictures of the toy set, which the tests of what models say need. */
#ifndef RAP_TESTS_FACADE_TINY_H
#define RAP_TESTS_FACADE_TINY_H

#include "rap/fixture.h"

__attribute__((unused)) static const char *source_file(const char *name)
{
    const char *root = getenv("RAP_SOURCE");

    return path_of("%s/%s", root && *root ? root : ".", name);
}

/* <folder>/<name>/profile.json: the embedded one with other texts in it; `change` replaces `old`. */
__attribute__((unused)) static const char *tiny_with(const fixture *f, const char *name,
                                                     const char *old, const char *change)
{
    static const char *const files[] = { "clip.gguf", "detector.gguf", "model.gguf",
                                         "mmproj-model.gguf", "adapter.gguf" };
    const char *folder = path_of("%s/%s", f->folder, name), *at;
    char *json = NULL, *text;
    size_t size = 0;

    assert_int_equal(
        file_read(&json, &size, source_file("models/tiny/profile.json"), 1u << 20, NULL), RAP_OK);
    at = strstr(json, old);
    assert_non_null(at);
    size += strlen(change) + 1;
    text = malloc(size);
    assert_non_null(text);
    snprintf(text, size, "%.*s%s%s", (int)(at - json), json, change, at + strlen(old));
    write_text(path_of("%s/profile.json", folder), text);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char *real = realpath(source_file(path_of("models/tiny/%s", files[i])), NULL);

        assert_non_null(real);
        assert_int_equal(symlink(real, path_of("%s/%s", folder, files[i])), 0);
        free(real);
    }
    free(text);
    free(json);
    return folder;
}

#endif

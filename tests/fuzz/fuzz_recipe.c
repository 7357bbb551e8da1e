/* fuzz_recipe.c: recipes of profiles. What is accepted must name nothing outside of its folders. */
#include "fuzz/fuzz.h"
#include "pull/recipe.h"

#include <string.h>

static void must_stay_inside(const char *path)
{
    if (*path == '/' || *path == '.' || strstr(path, "/.") || strstr(path, "//"))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    recipe *r;
    rap_err err = { 0 };
    bool all;

    if (recipe_parse(&r, (const char *)data, size, "fuzz", &err) != RAP_OK) {
        if (!*err.text || strchr(err.text, '\n'))
            abort();
        return 0;
    }
    must_stay_inside(r->name);
    for (int i = 0; i < r->source_count; i++) {
        must_stay_inside(r->source[i].hub);
        must_stay_inside(r->source[i].revision);
        for (int k = 0; k < r->source[i].file_count; k++)
            must_stay_inside(r->source[i].file[k].path);
    }
    for (int i = 0; i < r->step_count; i++)
        must_stay_inside(r->step[i].as);
    if (recipe_bytes(r, &all) < 0)
        abort();
    recipe_free(r);
    return 0;
}

/* fixture.h: the model pairs that the tests of src/generate run on: a LLaVA with random weights from the
 * shared fixtures, and the trained tiny pair where it is built. Include after cmocka.h. */
#ifndef RAP_TEST_GENERATE_FIXTURE_H
#define RAP_TEST_GENERATE_FIXTURE_H

#include "generate/vlm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct pair {
    const char *name;
    char model[512], mmproj[512];
} pair;

static const prompt_style rap_turns = { .before_user = "USER: ",
                                        .before_assistant = " ASSISTANT:",
                                        .after_assistant = "</s>",
                                        .system = "" };

/* False (and a printed skip) when the pair is not there. */
static inline bool find_pair(pair *out, const char *name)
{
    const char *shared = getenv("RAP_SHARED"), *source = getenv("RAP_SOURCE");

    out->name = name;
    if (strcmp(name, "random") == 0) {
        shared = shared ? shared : "../shared";
        snprintf(out->model, sizeof out->model, "%s/fixtures/vlm/random-llm.gguf", shared);
        snprintf(out->mmproj, sizeof out->mmproj, "%s/fixtures/vlm/random-mmproj.gguf", shared);
    } else {
        source = source ? source : ".";
        snprintf(out->model, sizeof out->model, "%s/models/tiny/model.gguf", source);
        snprintf(out->mmproj, sizeof out->mmproj, "%s/models/tiny/mmproj-model.gguf", source);
    }
    if (access(out->model, R_OK) == 0 && access(out->mmproj, R_OK) == 0)
        return true;
    printf("skipped: the %s model pair is not at %s\n", name, out->model);
    return false;
}

static inline vlm *open_pair(const pair *p, int context)
{
    vlm_options o = { .model = p->model,
                      .mmproj = p->mmproj,
                      .style = "rap",
                      .turns = rap_turns,
                      .context = context,
                      .threads = 2 };
    rap_err err = { 0 };
    vlm *v = NULL;

    if (vlm_open(&v, &o, &err))
        fail_msg("%s", err.text);
    return v;
}

/* A picture that differs by seed. */
static inline image make_picture(int width, int height, unsigned seed)
{
    image im = { .width = width, .height = height };

    im.rgb = malloc((size_t)width * (size_t)height * 3);
    assert_non_null(im.rgb);
    for (int i = 0; i < width * height * 3; i++)
        im.rgb[i] =
            (uint8_t)((unsigned)(i / 3 % width) * (seed + 1) + (unsigned)(i % 3) * 80 * seed);
    return im;
}

#endif

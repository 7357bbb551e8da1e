/* style.h: a model's turns out of its own chat template. */
#ifndef RAP_GENERATE_STYLE_H
#define RAP_GENERATE_STYLE_H

#include "generate/prompt.h"

/* A prompt_style that owns its texts. */
typedef struct style {
    prompt_style turns; /* each field: free() */
} style;

/* Copies; NULL fields become "". */
rap_status style_copy(style *out, const prompt_style *from, rap_err *err);

/* Reads the turns out of a Jinja chat template that llama.cpp knows. `name` is what errors call it. */
rap_status style_from_template(style *out, const char *chat_template, const char *name,
                               rap_err *err);

void style_release(style *s);

#endif

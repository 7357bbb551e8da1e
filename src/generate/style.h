/* style.h: a model's turns out of its own chat template. */
#ifndef RAP_GENERATE_STYLE_H
#define RAP_GENERATE_STYLE_H

#include "generate/prompt.h"

struct llama_model;

/* A prompt_style that owns its texts. */
typedef struct style {
    prompt_style turns; /* each field: free() */
} style;

/* Copies; NULL fields become "". */
rap_status style_copy(style *out, const prompt_style *from, rap_err *err);

typedef struct style_source {
    const char *chat_template; /* Jinja */
    const char *bos, *eos;     /* the texts of the tokens that begin and end a text; "" where there are none */
    const char *system;        /* the system line; NULL or "": what the template has by itself */
    const char *name;          /* what errors call the model */
} style_source;

/* Renders the template with llama.cpp's engine. */
rap_status style_from_template(style *out, const style_source *source, rap_err *err);

/* The same from an open model. A model without a template is given ChatML where its vocabulary has the tokens for it,
 * else the turns of Vicuna, on which LLaVA was built. */
rap_status style_of_model(style *out, const struct llama_model *model, const char *system,
                          const char *name, rap_err *err);

void style_release(style *s);

#endif

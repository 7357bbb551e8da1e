/* jinja.h: llama.cpp's template engine behind a C interface. */
#ifndef RAP_JINJA_H
#define RAP_JINJA_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rap_jinja_message {
    const char *role, *content;
} rap_jinja_message;

typedef struct rap_jinja_input {
    const char *chat_template;
    const rap_jinja_message *message;
    size_t count;
    int typed; /* contents as a list of parts, which some templates ask for, instead of a text */
    int answer_next; /* the text that begins an answer comes at the end */
    const char *bos, *eos; /* what the template calls bos_token and eos_token */
} rap_jinja_input;

/* Renders with thinking switched off where the template knows such a switch. 0, and *out is the text; else
 * *out is why not, in one line, or NULL when memory ran out. free() either. */
int rap_jinja_render(char **out, const rap_jinja_input *in);

#ifdef __cplusplus
}
#endif

#endif

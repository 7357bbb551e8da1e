/* style.c: a model's turns out of its own chat template.
 *
 * The template is never fed user text. It is rendered twice with private markers as the contents, and what
 * stands around the markers is the template's own text:
 *
 *     one turn    [before the question] Q [before the answer]
 *     two turns   … A [after the answer, before the next question] Q …
 *
 * Those parts are then SPECIAL segments of prompts whose contents stay PLAIN (prompt.c). */
#include "generate/style.h"

#include "base/mem.h"

#include <llama.h>

#include <stdlib.h>
#include <string.h>

/* Letters only, so that no template trims or escapes them; long enough to stand in none. */
#define MARK_Q "qWzXvKpQuestionMarkerNinePrivate"
#define MARK_A "aWzXvKpAnswerMarkerNinePrivate"
#define MARK_R "rWzXvKpRepeatedMarkerNinePrivate"

rap_status style_copy(style *out, const prompt_style *from, rap_err *err)
{
    *out = (style){ .turns = {
                        .before_user = mem_string(from->before_user ? from->before_user : ""),
                        .before_assistant =
                            mem_string(from->before_assistant ? from->before_assistant : ""),
                        .after_assistant =
                            mem_string(from->after_assistant ? from->after_assistant : ""),
                        .system = mem_string(from->system ? from->system : ""),
                    } };
    if (out->turns.before_user && out->turns.before_assistant && out->turns.after_assistant &&
        out->turns.system)
        return RAP_OK;
    style_release(out);
    return err_memory(err, "reading a prompt style");
}

void style_release(style *s)
{
    free((char *)s->turns.before_user);
    free((char *)s->turns.before_assistant);
    free((char *)s->turns.after_assistant);
    free((char *)s->turns.system);
    *s = (style){ .turns = { 0 } };
}

static rap_status render(char **out, const char *chat_template, const llama_chat_message *chat,
                         size_t count, const char *name, rap_err *err)
{
    int32_t len = llama_chat_apply_template(chat_template, chat, count, true, NULL, 0);

    *out = NULL;
    if (len < 0)
        return err_set(
            err, RAP_E_UNSUPPORTED,
            "%s: its chat template is of a kind that is not known; give the profile the turns "
            "themselves (style \"rap\")",
            name);
    *out = mem_array((size_t)len + 1, 1);
    if (!*out)
        return err_memory(err, "reading a chat template");
    llama_chat_apply_template(chat_template, chat, count, true, *out, len + 1);
    return RAP_OK;
}

/* The text between two pointers, owned. */
static char *between(const char *from, const char *to)
{
    return mem_string_n(from, (size_t)(to - from));
}

/* one: "<head>Q<tail>"; two: "<head>Q…A<link>R<tail>". False when a marker is not where it should be. */
static bool split(style *out, const char *one, const char *two)
{
    const char *q = strstr(one, MARK_Q), *a = strstr(two, MARK_A), *r = strstr(two, MARK_R);

    if (!q || !a || !r || r < a || strstr(q + 1, MARK_Q))
        return false;
    out->turns.system = between(one, q);
    out->turns.before_user = mem_string("");
    out->turns.before_assistant = mem_string(q + strlen(MARK_Q));
    out->turns.after_assistant = between(a + strlen(MARK_A), r);
    return true;
}

rap_status style_from_template(style *out, const char *chat_template, const char *name,
                               rap_err *err)
{
    const llama_chat_message chat[] = { { "user", MARK_Q },
                                        { "assistant", MARK_A },
                                        { "user", MARK_R } };
    char *one = NULL, *two = NULL;
    rap_status status;

    *out = (style){ .turns = { 0 } };
    if (!chat_template || !*chat_template)
        return err_set(err, RAP_E_UNSUPPORTED, "%s: has no chat template", name);
    status = render(&one, chat_template, chat, 1, name, err);
    if (!status)
        status = render(&two, chat_template, chat, 3, name, err);
    if (!status && !split(out, one, two))
        status = err_set(err, RAP_E_UNSUPPORTED, "%s: its chat template hides the turns' contents",
                         name);
    if (!status && (!out->turns.system || !out->turns.before_user || !out->turns.before_assistant ||
                    !out->turns.after_assistant))
        status = err_memory(err, "reading a chat template");
    free(one);
    free(two);
    if (status)
        style_release(out);
    return status;
}

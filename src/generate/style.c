/* style.c: splits a model's chat template into the parts of a turn.
 *
 * The template is never given user text. It is rendered twice with private markers as the contents, and the text
 * around the markers is the template's own:
 *
 *     one turn    [start] S [before the question] Q [before the answer]
 *     two turns   … A [after the answer, before the next question] R …
 *
 * Those parts are then SPECIAL segments of prompts whose contents stay PLAIN (prompt.c). */
#include "generate/style.h"

#include "base/buf.h"
#include "base/mem.h"

#include <llama.h>
#include <llama_jinja.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Letters only, so that no template trims or escapes them; long enough to occur in none. */
#define MARK_S "sWzXvKpSystemMarkerNinePrivate"
#define MARK_Q "qWzXvKpQuestionMarkerNinePrivate"
#define MARK_A "aWzXvKpAnswerMarkerNinePrivate"
#define MARK_R "rWzXvKpRepeatedMarkerNinePrivate"

rap_status style_copy(style *out, const prompt_style *from, rap_err *err)
{
    const char *const texts[] = { from->before_user, from->before_assistant, from->after_assistant,
                                  from->system,      from->system_line,      from->after_system };
    const char **fields[] = { &out->turns.before_user,     &out->turns.before_assistant,
                              &out->turns.after_assistant, &out->turns.system,
                              &out->turns.system_line,     &out->turns.after_system };

    *out = (style){ .turns = { .memory_first = from->memory_first } };
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        *fields[i] = mem_string(texts[i] ? texts[i] : "");
        if (!*fields[i]) {
            style_release(out);
            return err_memory(err, "reading a prompt style");
        }
    }
    return RAP_OK;
}

void style_release(style *s)
{
    free((char *)s->turns.before_user);
    free((char *)s->turns.before_assistant);
    free((char *)s->turns.after_assistant);
    free((char *)s->turns.system);
    free((char *)s->turns.system_line);
    free((char *)s->turns.after_system);
    *s = (style){ .turns = { 0 } };
}

/* ---- rendering ---- */

typedef enum contents { CONTENTS_TEXT = 0, CONTENTS_PARTS } contents;

static int render(char **out, const style_source *source, bool system, size_t turns, contents kind)
{
    const rap_jinja_message all[] = {
        { "system", MARK_S }, { "user", MARK_Q }, { "assistant", MARK_A }, { "user", MARK_R }
    };
    const rap_jinja_input in = { .chat_template = source->chat_template,
                                 .message = system ? all : all + 1,
                                 .count = turns + system,
                                 .typed = kind == CONTENTS_PARTS,
                                 .answer_next = 1,
                                 .bos = source->bos,
                                 .eos = source->eos };

    return rap_jinja_render(out, &in);
}

/* Some templates take contents as texts, some as lists of parts, most take either. False, and *out says why or is
 * NULL, where the question comes out in neither form. */
static bool render_either(char **out, const style_source *source, bool system, size_t turns,
                          contents *kind)
{
    char *why = NULL;

    for (int k = CONTENTS_TEXT; k <= CONTENTS_PARTS; k++) {
        int code = render(out, source, system, turns, (contents)k);

        if (code == 0 && strstr(*out, MARK_Q) && (!system || strstr(*out, MARK_S))) {
            free(why);
            *kind = (contents)k;
            return true;
        }
        if (code != 0 && !why)
            why = *out;
        else
            free(*out);
        *out = NULL;
    }
    *out = why;
    return false;
}

static rap_status refuse(const char *name, const char *why, rap_err *err)
{
    return err_set(
        err, RAP_E_UNSUPPORTED,
        "%s: its chat template cannot be used: %.120s; give the profile the turns themselves "
        "(style \"rap\")",
        name, why ? why : "the contents do not come out of it");
}

/* ---- splitting at the markers ---- */

/* The text between two pointers, owned. */
static char *between(const char *from, const char *to)
{
    return mem_string_n(from, (size_t)(to - from));
}

/* one: "[start S] before Q tail"; two: "… A link R …". False if a marker is not where it should be. */
static bool split(style *out, const char *one, const char *two, const char *system_line)
{
    const char *q = strstr(one, MARK_Q), *s = strstr(one, MARK_S), *a = strstr(two, MARK_A),
               *r = strstr(two, MARK_R), *behind = s ? s + strlen(MARK_S) : one;

    if (!q || !a || !r || r < a || q < behind || strstr(q + 1, MARK_Q) ||
        (s && strstr(behind, MARK_S)))
        return false;
    out->turns.system = s ? between(one, s) : between(one, q);
    out->turns.system_line = mem_string(s ? system_line : "");
    out->turns.after_system = s ? between(behind, q) : mem_string("");
    out->turns.before_user = mem_string("");
    out->turns.before_assistant = mem_string(q + strlen(MARK_Q));
    out->turns.after_assistant = between(a + strlen(MARK_A), r);
    return true;
}

static bool is_whole(const prompt_style *t)
{
    return t->system && t->system_line && t->after_system && t->before_user &&
           t->before_assistant && t->after_assistant;
}

/* A template without a system role gets the system line at the start of the first question, as its authors advise. */
static rap_status append_system(style *out, const char *line, rap_err *err)
{
    buf both = BUF_INIT;

    buf_printf(&both, "%s\n\n", line);
    free((char *)out->turns.system_line);
    out->turns.system_line = buf_detach(&both);
    return out->turns.system_line ? RAP_OK : err_memory(err, "reading a chat template");
}

rap_status style_from_template(style *out, const style_source *source, rap_err *err)
{
    bool wanted = source->system && *source->system, system = wanted;
    contents kind = CONTENTS_TEXT;
    char *one = NULL, *two = NULL;
    rap_status status = RAP_OK;

    *out = (style){ .turns = { 0 } };
    if (wanted && !render_either(&one, source, true, 1, &kind)) {
        free(one);
        one = NULL;
        system = false;
    }
    if (!one && !render_either(&one, source, false, 1, &kind))
        status = refuse(source->name, one, err);
    else if (render(&two, source, system, 3, kind) != 0)
        status = refuse(source->name, two, err);
    else if (!split(out, one, two, source->system))
        status = refuse(source->name, NULL, err);
    else if (!is_whole(&out->turns))
        status = err_memory(err, "reading a chat template");
    if (!status && wanted && !system)
        status = append_system(out, source->system, err);
    free(one);
    free(two);
    if (status)
        style_release(out);
    return status;
}

/* ---- of a model ---- */

static const char chatml[] = "{% for message in messages %}{{ '<|im_start|>' + message['role'] + "
                             "'\n' + message['content'] + "
                             "'<|im_end|>\n' }}{% endfor %}{{ '<|im_start|>assistant\n' }}";

static const char vicuna[] = "{% if messages[0]['role'] == 'system' %}{{ messages[0]['content'] + "
                             "' ' }}{% else %}{{ 'A chat between a "
                             "curious human and an artificial intelligence assistant. The "
                             "assistant gives helpful, detailed, and polite "
                             "answers to the human\\'s questions. ' }}{% endif %}{% for message in "
                             "messages %}{% if message['role'] == "
                             "'user' %}{{ 'USER: ' + message['content'] + ' ASSISTANT:' }}{% elif "
                             "message['role'] == 'assistant' %}{{ "
                             "message['content'] + eos_token }}{% endif %}{% endfor %}";

static bool has_token(const struct llama_vocab *vocab, const char *text)
{
    llama_token token[2];

    return llama_tokenize(vocab, text, (int32_t)strlen(text), token, 2, false, true) == 1;
}

/* A token's text, or "". */
static const char *text_of(const struct llama_vocab *vocab, llama_token token)
{
    const char *text = token == LLAMA_TOKEN_NULL ? NULL : llama_vocab_get_text(vocab, token);

    return text ? text : "";
}

rap_status style_of_model(style *out, const struct llama_model *model, const char *system,
                          const char *name, rap_err *err)
{
    const struct llama_vocab *vocab = llama_model_get_vocab(model);
    const char *own = llama_model_chat_template(model, NULL);
    const style_source source = { .chat_template = own && *own                        ? own
                                                   : has_token(vocab, "<|im_start|>") ? chatml
                                                                                      : vicuna,
                                  .bos = text_of(vocab, llama_vocab_bos(vocab)),
                                  .eos = text_of(vocab, llama_vocab_eos(vocab)),
                                  .system = system,
                                  .name = name };

    return style_from_template(out, &source, err);
}

/* special.c: which tokens begin and end a text, whether they are added, and the chat template: from tokenizer.json,
 * tokenizer_config.json and config.json, as llama.cpp's own converter finds them. */
#include "base/buf.h"
#include "base/file.h"
#include "base/text.h"
#include "convert/llava/llava.h"
#include "formats/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KINDS = 5, BOS = 0, EOS, TEMPLATE_LIMIT = 1 << 20 };

/* Their keys: tokenizer.ggml.bos_token_id, …unknown_token_id. */
static const struct {
    const char *name, *key;
} kinds[KINDS] = { { "bos", "bos" },
                   { "eos", "eos" },
                   { "unk", "unknown" },
                   { "sep", "seperator" }, /* so spelt in the format */
                   { "pad", "padding" } };

typedef struct special {
    int64_t number[KINDS]; /* −1: none */
    int adds[KINDS];       /* −1: not said */
} special;

/* "bos_token": a text, or an object with a content. */
static const char *token_text(const json_t *config, const char *name)
{
    char field[32];
    const json_t *value;

    snprintf(field, sizeof field, "%s_token", name);
    value = json_object_get(config, field);
    return json_string_value(json_is_object(value) ? json_object_get(value, "content") : value);
}

static int64_t number_of(const json_t *tokenizer, const char *text)
{
    const json_t *token;
    size_t i;

    json_array_foreach(json_object_get(tokenizer, "added_tokens"), i, token)
    {
        const char *content = json_string_value(json_object_get(token, "content"));
        const json_t *number = json_object_get(token, "id");

        if (content && text && !strcmp(content, text) && json_is_integer(number))
            return json_integer_value(number);
    }
    return -1;
}

/* What a post-processor puts before and behind a text: [{"SpecialToken": {"id": "<s>"}}, {"Sequence": …}]. */
static void read_frame(special *s, const json_t *processor, const char *bos, const char *eos)
{
    const json_t *frame = json_object_get(processor, "single");
    size_t count = json_array_size(frame);
    const char *type = json_string_value(json_object_get(processor, "type"));

    if (!type || strcmp(type, "TemplateProcessing") != 0 || count < 2)
        return;
    for (int end = 0; end < 2; end++) {
        const json_t *at = json_array_get(frame, end ? count - 1 : 0);
        const char *text = json_string_value(json_at(at, "SpecialToken.id")),
                   *wanted = end ? eos : bos;

        if (text)
            s->adds[end ? EOS : BOS] = wanted && !strcmp(text, wanted);
    }
}

static void read_processors(special *s, const json_t *tokenizer, const json_t *config)
{
    const json_t *processor = json_object_get(tokenizer, "post_processor"),
                 *list = json_object_get(processor, "processors"), *each;
    const char *bos = token_text(config, "bos"), *eos = token_text(config, "eos");
    size_t i;

    if (!json_is_array(list))
        read_frame(s, processor, bos, eos);
    json_array_foreach(list, i, each) read_frame(s, each, bos, eos);
}

static void read_tokenizer_config(special *s, const json_t *tokenizer, const json_t *config)
{
    for (int k = 0; k < KINDS; k++) {
        char field[32];
        const json_t *adds;

        snprintf(field, sizeof field, "add_%s_token", kinds[k].name);
        adds = json_object_get(config, field);
        if (json_is_boolean(adds))
            s->adds[k] = json_is_true(adds);
        s->number[k] = number_of(tokenizer, token_text(config, kinds[k].name));
    }
}

/* "eos_token_id": a number; a list of several says nothing to llama.cpp. */
static void read_model_config(special *s, const json_t *config, size_t count)
{
    for (int k = 0; k < KINDS; k++) {
        char field[32];
        const json_t *value;

        snprintf(field, sizeof field, "%s_token_id", kinds[k].name);
        value = json_at(config, field);
        value = value ? value : json_at(json_object_get(config, "text_config"), field);
        if (s->number[k] < 0 && json_is_integer(value))
            s->number[k] = json_integer_value(value);
        if (s->number[k] < 0 || (uint64_t)s->number[k] >= count)
            s->number[k] = -1;
    }
}

static void put(llava *l, const special *s)
{
    char key[64];

    for (int k = 0; k < KINDS; k++) {
        snprintf(key, sizeof key, "tokenizer.ggml.%s_token_id", kinds[k].key);
        if (s->number[k] >= 0)
            gguf_put_int(l->c->out, key, (uint32_t)s->number[k]);
        snprintf(key, sizeof key, "tokenizer.ggml.add_%s_token", kinds[k].name);
        if (s->adds[k] >= 0)
            gguf_put_bool(l->c->out, key, s->adds[k] > 0);
    }
}

/* ---- the chat template ---- */

/* A text, or the one named "default" of a list. */
static const char *template_of(const json_t *value)
{
    const json_t *each;
    size_t i;

    if (json_is_string(value))
        return json_string_value(value);
    json_array_foreach(value, i, each)
    {
        const char *name = json_string_value(json_object_get(each, "name"));

        if (name && !strcmp(name, "default"))
            return json_string_value(json_object_get(each, "template"));
    }
    return NULL;
}

static void put_template(llava *l, const char *text)
{
    if (text)
        gguf_put_string(l->c->out, "tokenizer.chat_template", text, strlen(text));
}

/* Files of their own, which newer checkpoints have. */
static void put_template_file(llava *l)
{
    char *path = NULL, *text = NULL;
    json_t *json = NULL;
    size_t size = 0;

    l->c->status = state_dict_beside(l->c->in, "chat_template.jinja", &path, l->c->err);
    if (l->c->status == RAP_OK && path)
        l->c->status = file_read(&text, &size, path, TEMPLATE_LIMIT, l->c->err);
    else if (l->c->status == RAP_OK)
        l->c->status = state_dict_beside_json(l->c->in, "chat_template.json", &json, l->c->err);
    if (l->c->status == RAP_OK && text && (strlen(text) != size || !text_is_utf8(text)))
        convert_fail(l->c, RAP_E_FORMAT, "%s: is not a text in UTF-8", path);
    if (l->c->status == RAP_OK)
        put_template(l, text ? text : template_of(json_object_get(json, "chat_template")));
    json_decref(json);
    free(text);
    free(path);
}

void special_put(llava *l, size_t count, const json_t *tokenizer)
{
    special s = { { -1, -1, -1, -1, -1 }, { -1, -1, -1, -1, -1 } };
    json_t *config = NULL;
    const json_t *prefix, *chat;

    l->c->status = state_dict_beside_json(l->c->in, "tokenizer_config.json", &config, l->c->err);
    if (l->c->status != RAP_OK)
        return;
    prefix = json_object_get(config, "add_prefix_space");
    if (!l->phi3 && json_is_boolean(prefix))
        gguf_put_bool(l->c->out, "tokenizer.ggml.add_space_prefix", json_is_true(prefix));
    read_processors(&s, tokenizer, config);
    read_tokenizer_config(&s, tokenizer, config);
    read_model_config(&s, l->c->config, count);
    put(l, &s);
    chat = json_object_get(config, "chat_template");
    if (chat)
        put_template(l, template_of(chat));
    else if (config)
        put_template_file(l);
    json_decref(config);
}

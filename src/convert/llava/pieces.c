/* pieces.c: the vocabulary as a GGUF lists it. It comes from tokenizer.model, else from tokenizer.json; the files of
 * added tokens are laid over it in the order in which llama.cpp's own converter reads them. Rows of the token table
 * that no file names are called [PADi]. */
#include "base/buf.h"
#include "base/mem.h"
#include "convert/llava/llava.h"
#include "formats/json.h"
#include "formats/sentencepiece.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const float added_score = -1000, unused_score = -10000;

/* ---- the list ---- */

rap_status pieces_set(pieces *w, size_t i, const char *text, float score, int type, rap_err *err)
{
    char *copy = mem_string(text);

    if (!copy)
        return err_memory(err, "reading a vocabulary");
    free(w->text[i]);
    w->text[i] = copy;
    w->score[i] = score;
    w->type[i] = type;
    return RAP_OK;
}

rap_status pieces_init(pieces *w, size_t count, rap_err *err)
{
    char name[32];
    rap_status status = RAP_OK;

    *w = (pieces){ mem_array(count, sizeof *w->text), mem_array(count, sizeof *w->score),
                   mem_array(count, sizeof *w->type), count };
    if (!w->text || !w->score || !w->type)
        return err_memory(err, "reading a vocabulary");
    for (size_t i = 0; status == RAP_OK && i < count; i++) {
        snprintf(name, sizeof name, "[PAD%zu]", i);
        status = pieces_set(w, i, name, unused_score, SPM_UNUSED, err);
    }
    return status;
}

void pieces_release(pieces *w)
{
    for (size_t i = 0; w->text && i < w->count; i++)
        free(w->text[i]);
    free(w->text);
    free(w->score);
    free(w->type);
    *w = (pieces){ 0 };
}

/* ---- added tokens ---- */

/* A token beyond the table cannot be written; the converter of llama.cpp ignores it too. */
static void add_word(llava *l, pieces *w, int64_t i, const json_t *text, int type, const char *file)
{
    const char *content = json_string_value(text);

    if (l->c->status != RAP_OK)
        return;
    if (i < 0 || !content || !*content || strlen(content) != json_string_length(text))
        convert_fail(l->c, RAP_E_FORMAT, "%s: an added token without a text or a number", file);
    else if ((uint64_t)i < w->count)
        l->c->status = pieces_set(w, (size_t)i, content, added_score, type, l->c->err);
}

static bool ends_in(const char *text, const char *end)
{
    size_t len = strlen(text), tail = strlen(end);

    return len >= tail && strcmp(text + len - tail, end) == 0;
}

/* Some models do not say of a token between <| and |> that it is special. */
static bool looks_special(const char *text)
{
    return !strcmp(text, "<pad>") || !strcmp(text, "<mask>") || !strcmp(text, "<2mass>") ||
           !strcmp(text, "[@BOS@]") || (!strncmp(text, "<|", 2) && ends_in(text, "|>")) ||
           (!strncmp(text, "<｜", strlen("<｜")) && ends_in(text, "｜>")) ||
           (!strncmp(text, "<unused", 7) && ends_in(text, ">"));
}

/* {"<|end|>": 32007, …} */
static void lay_added_tokens(llava *l, pieces *w)
{
    static const char file[] = "added_tokens.json";
    json_t *all = NULL, *number;
    const char *text;

    if (l->c->status == RAP_OK)
        l->c->status = state_dict_beside_json(l->c->in, file, &all, l->c->err);
    json_object_foreach(all, text, number)
    {
        json_t *content = json_string(text);

        add_word(l, w, json_is_integer(number) ? json_integer_value(number) : -1, content,
                 SPM_USER_DEFINED, file);
        json_decref(content);
    }
    json_decref(all);
}

/* A text with U+2581 where it has a space. */
static json_t *with_spaces(const json_t *text)
{
    const char *at = json_string_value(text), *mark = "\xE2\x96\x81", *next;
    buf b = BUF_INIT;
    json_t *out;

    for (; at && (next = strstr(at, mark)) != NULL; at = next + strlen(mark)) {
        buf_add(&b, at, (size_t)(next - at));
        buf_putc(&b, ' ');
    }
    buf_puts(&b, at ? at : "");
    out = json_string(buf_text(&b));
    buf_release(&b);
    return out;
}

/* {"content": "<|end|>", "special": true, …} */
static void lay_token(llava *l, pieces *w, int64_t i, const json_t *token, const char *file)
{
    json_t *content = json_object_get(token, "content");
    const char *text = json_is_string(content) ? json_string_value(content) : "";
    bool special =
        json_is_true(json_object_get(token, "special")) || (!l->phi3 && looks_special(text));

    content = special || l->phi3 ? json_incref(content) : with_spaces(content);
    add_word(l, w, i, content, special ? SPM_CONTROL : SPM_USER_DEFINED, file);
    json_decref(content);
}

static void lay_tokenizer_config(llava *l, pieces *w)
{
    static const char file[] = "tokenizer_config.json";
    json_t *all = NULL, *token;
    const char *number;

    if (l->c->status == RAP_OK)
        l->c->status = state_dict_beside_json(l->c->in, file, &all, l->c->err);
    json_object_foreach(json_object_get(all, "added_tokens_decoder"), number, token)
    {
        char *end;
        long i = strtol(number, &end, 10);

        lay_token(l, w, *number && !*end ? i : -1, token, file);
    }
    json_decref(all);
}

static void lay_tokenizer_json(llava *l, pieces *w, const json_t *tokenizer)
{
    const json_t *token;
    size_t i;

    json_array_foreach(json_object_get(tokenizer, "added_tokens"), i, token)
    {
        const json_t *number = json_object_get(token, "id");

        lay_token(l, w, json_is_integer(number) ? json_integer_value(number) : -1, token,
                  "tokenizer.json");
    }
}

/* ---- tokenizer.model ---- */

static void lay_pieces(llava *l, pieces *w, const char *path)
{
    spm_model *m = NULL;

    l->c->status = spm_open(&m, path, l->c->err);
    if (l->c->status == RAP_OK && !m->merges)
        convert_remark(l->c,
                       "%s has no byte-pair merges; llama.cpp reads it as if it had, and may "
                       "tokenise differently",
                       path);
    for (size_t i = 0; l->c->status == RAP_OK && i < m->count && i < w->count; i++) {
        const spm_piece *p = &m->piece[i];

        /* llama.cpp's converter makes no difference between normal and user-defined pieces */
        l->c->status =
            pieces_set(w, i, p->text, p->score,
                       p->type == SPM_USER_DEFINED ? SPM_NORMAL : (int)p->type, l->c->err);
    }
    spm_close(m);
}

/* ---- all ---- */

/* llama.cpp refuses a vocabulary with a token twice, but does not say which. */
static void check_twice(llava *l, const pieces *w)
{
    json_t *seen = json_object(), *other;

    for (size_t i = 0; l->c->status == RAP_OK && seen && i < w->count; i++) {
        other = json_object_get(seen, w->text[i]);
        if (other)
            convert_fail(l->c, RAP_E_FORMAT,
                         "tokens %lld and %zu of its vocabulary are both '%.40s'",
                         (long long)json_integer_value(other), i, w->text[i]);
        else if (json_object_set_new_nocheck(seen, w->text[i], json_integer((json_int_t)i)) != 0)
            l->c->status = err_memory(l->c->err, "reading a vocabulary");
    }
    json_decref(seen);
}

static void put_pieces(llava *l, const pieces *w)
{
    gguf_writer *out = l->c->out;

    gguf_put_string(out, "tokenizer.ggml.model", "llama", 5);
    gguf_put_string(out, "tokenizer.ggml.pre", "default", 7);
    gguf_put_strings(out, "tokenizer.ggml.tokens", (const char *const *)w->text, w->count);
    gguf_put_floats(out, "tokenizer.ggml.scores", w->score, w->count);
    gguf_put_signed_ints(out, "tokenizer.ggml.token_type", w->type, w->count);
}

void pieces_put(llava *l, size_t count)
{
    pieces w = { 0 };
    char *model = NULL, *path = NULL;
    json_t *tokenizer = NULL;

    l->c->status = pieces_init(&w, count, l->c->err);
    if (l->c->status == RAP_OK)
        l->c->status = state_dict_beside(l->c->in, "tokenizer.model", &model, l->c->err);
    if (l->c->status == RAP_OK)
        l->c->status = state_dict_beside(l->c->in, "tokenizer.json", &path, l->c->err);
    if (l->c->status == RAP_OK && path)
        l->c->status = state_dict_beside_json(l->c->in, "tokenizer.json", &tokenizer, l->c->err);
    if (l->c->status == RAP_OK && model)
        lay_pieces(l, &w, model);
    else if (l->c->status == RAP_OK)
        pieces_from_json(l, &w, tokenizer, path);
    lay_added_tokens(l, &w);
    lay_tokenizer_config(l, &w);
    if (l->phi3 || !model)
        lay_tokenizer_json(l, &w, tokenizer);
    check_twice(l, &w);
    for (size_t i = 0; l->c->status == RAP_OK && i < count; i++)
        l->phi3_marks = l->phi3_marks || (l->phi3 && !strcmp(w.text[i], "<|endoftext|>"));
    if (l->c->status == RAP_OK)
        put_pieces(l, &w);
    if (l->c->status == RAP_OK)
        special_put(l, count, tokenizer);
    json_decref(tokenizer);
    free(path);
    free(model);
    pieces_release(&w);
}

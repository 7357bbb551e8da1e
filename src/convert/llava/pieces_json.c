/* pieces_json.c: the vocabulary of a tokenizer.json (Hugging Face's tokenizers): {"model": {"type": "BPE",
 * "byte_fallback": true, "vocab": {"▁the": 278, …}, "merges": ["▁ t", … or ["▁", "t"], …]}}.
 *
 * SentencePiece gives each piece a score, and joins the pair whose joined piece has the highest. A tokenizer.json has a
 * list of merges instead, best first. A piece's score is the place of the first merge that makes it, below zero: then
 * the same pairs win. (llama.cpp's converter gives all pieces one score here, and so loses their order.) */
#include "base/buf.h"
#include "base/mem.h"
#include "convert/llava/llava.h"
#include "formats/json.h"
#include "formats/sentencepiece.h"

#include <stdlib.h>
#include <string.h>

/* The two parts of a merge, joined; false for what is none. */
static bool join(buf *out, const json_t *merge)
{
    buf_clear(out);
    if (json_is_string(merge)) {
        const char *text = json_string_value(merge), *gap = strchr(text, ' ');

        if (!gap || gap == text || !gap[1] || strchr(gap + 1, ' '))
            return false;
        buf_add(out, text, (size_t)(gap - text));
        buf_puts(out, gap + 1);
        return true;
    }
    if (json_array_size(merge) != 2)
        return false;
    for (size_t i = 0; i < 2; i++) {
        const char *part = json_string_value(json_array_get(merge, i));

        if (!part || !*part)
            return false;
        buf_puts(out, part);
    }
    return true;
}

static bool is_byte(const char *text)
{
    return strlen(text) == 6 && !strncmp(text, "<0x", 3) && text[5] == '>' &&
           strspn(text + 3, "0123456789ABCDEFabcdef") == 2;
}

static void lay_vocab(llava *l, pieces *w, json_t *vocab, const char *path)
{
    const char *text;
    json_t *number;

    json_object_foreach(vocab, text, number)
    {
        int64_t i = json_is_integer(number) ? json_integer_value(number) : -1;

        if (l->c->status != RAP_OK)
            return;
        if (i < 0 || !*text)
            convert_fail(l->c, RAP_E_FORMAT, "%s: a token without a text or a number", path);
        else if ((uint64_t)i < w->count) {
            bool byte = is_byte(text), unknown = !strcmp(text, "<unk>");

            l->c->status = pieces_set(w, (size_t)i, text, 0,
                                      byte      ? SPM_BYTE
                                      : unknown ? SPM_UNKNOWN
                                                : SPM_NORMAL,
                                      l->c->err);
        }
    }
}

/* The marks for the beginning and the end stand in the vocabulary, but get their scores as added tokens. */
static void skip_added(bool *scored, const pieces *w, const json_t *json)
{
    const json_t *token;
    size_t i;

    json_array_foreach(json_object_get(json, "added_tokens"), i, token)
    {
        const json_t *number = json_object_get(token, "id");

        if (json_is_integer(number) && (uint64_t)json_integer_value(number) < w->count)
            scored[json_integer_value(number)] = true;
    }
}

/* Single characters, which no merge makes, come behind all that are made. */
static void score_rest(pieces *w, const bool *scored, size_t rank)
{
    for (size_t i = 0; i < w->count; i++)
        if (w->type[i] == SPM_NORMAL && !scored[i])
            w->score[i] = -(float)rank++;
}

static void score(llava *l, pieces *w, const json_t *json, json_t *vocab, json_t *merges,
                  const char *path)
{
    bool *scored = mem_array(w->count, sizeof *scored);
    buf joined = BUF_INIT;
    const json_t *merge;
    size_t at, rank = 0;

    if (!scored)
        l->c->status = err_memory(l->c->err, "reading a vocabulary");
    json_array_foreach(merges, at, merge)
    {
        const json_t *number;

        if (l->c->status != RAP_OK)
            break;
        number = join(&joined, merge) ? json_object_get(vocab, buf_text(&joined)) : NULL;
        if (!number || buf_failed(&joined))
            convert_fail(l->c, RAP_E_FORMAT, "%s: merge %zu makes no token", path, at);
        else if ((uint64_t)json_integer_value(number) < w->count &&
                 !scored[json_integer_value(number)]) {
            scored[json_integer_value(number)] = true;
            w->score[json_integer_value(number)] = -(float)rank++;
        }
    }
    if (l->c->status == RAP_OK) {
        skip_added(scored, w, json);
        score_rest(w, scored, rank);
    }
    buf_release(&joined);
    free(scored);
}

void pieces_from_json(llava *l, pieces *w, const json_t *json, const char *path)
{
    const json_t *model = json_at(json, "model"), *type = json_at(json, "model.type");
    json_t *vocab = json_object_get(model, "vocab"), *merges = json_object_get(model, "merges");
    bool pairs = !type || (json_is_string(type) && !strcmp(json_string_value(type), "BPE"));

    if (!json) {
        convert_fail(l->c, RAP_E_NOT_FOUND,
                     "needs the tokenizer.model (or tokenizer.json) that is published with it, in "
                     "the same folder");
        return;
    }
    if (!pairs || !json_is_object(vocab) || !json_is_array(merges)) {
        convert_fail(l->c, RAP_E_UNSUPPORTED, "%s: is no vocabulary of byte-pair merges", path);
        return;
    }
    if (!json_is_true(json_object_get(model, "byte_fallback"))) {
        convert_fail(l->c, RAP_E_UNSUPPORTED,
                     "%s: a byte-level vocabulary, as Llama 3 has it, is not read; those of "
                     "SentencePiece are (Llama 1 and 2, Vicuna, Phi-3)",
                     path);
        return;
    }
    lay_vocab(l, w, vocab, path);
    score(l, w, json, vocab, merges, path);
}

/* check/vocab.c: the tokenizer part of a model file.
 *
 * llama.cpp asserts that no token occurs twice, and throws an exception that is not caught when a SentencePiece
 * vocabulary cannot spell a byte. */
#include "generate/check/check.h"

#include "base/mem.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOKENS "tokenizer.ggml.tokens"
#define MAX_TOKENS 4000000
#define MAX_PROBES 512 /* several times what chance makes of MAX_TOKENS in a table half full */

typedef struct word {
    const char *text; /* in the mapping */
    size_t len;
} word;

/* Open addressing over the token texts, at most half full. */
typedef struct word_set {
    word *slot; /* [mask + 1]; text NULL: free */
    size_t mask;
} word_set;

static size_t hash(const char *text, size_t len)
{
    uint64_t h = 1469598103934665603u;

    for (size_t i = 0; i < len; i++)
        h = (h ^ (unsigned char)text[i]) * 1099511628211u;
    return (size_t)(h ^ (h >> 32));
}

static bool is_word(const word *w, const char *text, size_t len)
{
    return w->text && w->len == len && memcmp(w->text, text, len) == 0;
}

/* Where the word is or would be; NULL when too many others stand in its way. */
static word *find_slot(const word_set *s, const char *text, size_t len)
{
    size_t at = hash(text, len);

    for (int probe = 0; probe < MAX_PROBES; probe++) {
        word *w = &s->slot[(at + (size_t)probe) & s->mask];

        if (!w->text || is_word(w, text, len))
            return w;
    }
    return NULL;
}

static bool has_word(const word_set *s, const char *text, size_t len)
{
    const word *w = find_slot(s, text, len);

    return w && w->text;
}

static rap_status fill_set(word_set *s, const gguf_file *g, size_t count, rap_err *err)
{
    size_t size = 16;

    while (size < count * 2)
        size *= 2;
    s->slot = mem_array(size, sizeof *s->slot);
    s->mask = size - 1;
    if (!s->slot)
        return err_memory(err, "checking a vocabulary");
    for (size_t i = 0; i < count; i++) {
        const char *text = NULL;
        size_t len = 0;
        rap_status status = gguf_array_string(g, TOKENS, i, &text, &len, err);

        if (status)
            return status;
        if (len == 0) /* llama.cpp names these by their index */
            continue;
        word *slot = find_slot(s, text, len);

        if (!slot)
            return err_set(
                err, RAP_E_LIMIT,
                "%s: its tokens are made to be slow to tell apart, as no vocabulary's are",
                gguf_file_path(g));
        if (slot->text)
            return err_set(err, RAP_E_FORMAT, "%s: token %zu occurs twice in the vocabulary",
                           gguf_file_path(g), i);
        *slot = (word){ text, len };
    }
    return RAP_OK;
}

/* A SentencePiece vocabulary spells unknown characters in bytes: <0x00> to <0xFF>, or the bare byte. */
static rap_status check_bytes(const word_set *s, const gguf_file *g, rap_err *err)
{
    for (int b = 0; b < 256; b++) {
        char name[8], raw = (char)b;

        snprintf(name, sizeof name, "<0x%02X>", (unsigned)b);
        if (!has_word(s, name, 6) && !has_word(s, &raw, 1))
            return err_set(err, RAP_E_FORMAT, "%s: the vocabulary has no token for byte %s",
                           gguf_file_path(g), name);
    }
    return RAP_OK;
}

static bool is_spm(const gguf_file *g)
{
    const char *model = NULL;
    size_t len = 0;

    return gguf_get_string(g, "tokenizer.ggml.model", &model, &len, NULL) == RAP_OK && len == 5 &&
           memcmp(model, "llama", 5) == 0;
}

static rap_status check_length(const gguf_file *g, const char *key, size_t tokens, rap_err *err)
{
    size_t count = 0;
    rap_status status = gguf_has(g, key) ? gguf_array_count(g, key, &count, err) : RAP_OK;

    if (!status && gguf_has(g, key) && count != tokens)
        status = err_set(err, RAP_E_FORMAT, "%s: '%s' has %zu elements for %zu tokens",
                         gguf_file_path(g), key, count, tokens);
    return status;
}

rap_status check_vocab(const gguf_file *g, int64_t *out_tokens, rap_err *err)
{
    word_set set = { NULL, 0 };
    size_t count = 0;
    rap_status status = gguf_array_count(g, TOKENS, &count, err);

    if (!status && (count < 3 || count > MAX_TOKENS))
        status =
            err_set(err, RAP_E_FORMAT, "%s: a vocabulary of %zu tokens", gguf_file_path(g), count);
    if (!status)
        status = check_length(g, "tokenizer.ggml.scores", count, err);
    if (!status)
        status = check_length(g, "tokenizer.ggml.token_type", count, err);
    if (!status)
        status = fill_set(&set, g, count, err);
    if (!status && is_spm(g))
        status = check_bytes(&set, g, err);
    free(set.slot);
    *out_tokens = (int64_t)count;
    return status;
}

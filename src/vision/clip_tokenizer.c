/* clip_tokenizer.c: CLIP's byte-pair tokenizer.
 *
 * Read clip_tokenizer_encode() last. A text is cleaned (clip_clean.c), split into words with the
 * reference's pattern, and each word's bytes are merged, best pair first, until no known pair is
 * left. Symbols are numbered once when the merges are loaded, so that merging only compares
 * integers. */
#include "vision/clip_tokenizer.h"
#include "base/mem.h"
#include "base/text.h"
#include "vision/clip_clean.h"

#include <glib.h>
#include <stdlib.h>
#include <string.h>

enum { BYTE_SYMBOLS = 256, BASE_SYMBOLS = 512, SPECIALS = 2, MAX_VOCABULARY = 1 << 20 };

/* A piece of text with an id. If two merges give the same piece, the later id wins. */
typedef struct symbol {
    const char *text; /* in the tokenizer's arena */
    uint32_t len;
    int32_t id;
} symbol;

typedef struct merge {
    uint32_t left, right; /* symbols; left == UINT32_MAX: an empty slot */
    uint32_t result;
    int32_t rank;
} merge;

struct clip_tokenizer {
    int32_t start, end;
    uint32_t byte_symbol[256];
    symbol *symbols;
    uint32_t symbol_count;
    uint32_t *by_text; /* [places] symbol + 1; 0: empty */
    merge *merges;     /* [places] */
    size_t places;     /* a power of two, at least twice what is stored */
    char *arena;
    size_t arena_used;
};

/* ---- symbols ------------------------------------------------------------------------------ */

static size_t hash_text(const char *text, size_t len)
{
    uint64_t h = 14695981039346656037u;
    for (size_t i = 0; i < len; i++)
        h = (h ^ (uint8_t)text[i]) * 1099511628211u;
    return (size_t)(h ^ h >> 29);
}

/* The slot that holds the text, or where it would go. */
static uint32_t *place_of(const clip_tokenizer *t, const char *text, size_t len)
{
    size_t i = hash_text(text, len) & (t->places - 1);
    while (t->by_text[i]) {
        const symbol *s = &t->symbols[t->by_text[i] - 1];
        if (s->len == len && !memcmp(s->text, text, len))
            break;
        i = (i + 1) & (t->places - 1);
    }
    return &t->by_text[i];
}

/* Adds the text at the arena's end as a symbol; an existing symbol only gets the new id. */
static uint32_t add_symbol(clip_tokenizer *t, size_t len, int32_t id)
{
    const char *text = t->arena + t->arena_used;
    uint32_t *place = place_of(t, text, len);
    if (!*place) {
        t->symbols[t->symbol_count] = (symbol){ text, (uint32_t)len, id };
        *place = ++t->symbol_count;
        t->arena_used += len;
    }
    t->symbols[*place - 1].id = id;
    return *place - 1;
}

/* Bytes are written as printable characters: themselves if printable, otherwise 256 and up. Their
 * order gives the first 256 ids. */
static void add_bytes(clip_tokenizer *t)
{
    int order[256], count = 0;
    unsigned stand_in[256], extra = 256;
    for (int b = 0; b < 256; b++)
        if ((b >= '!' && b <= '~') || (b >= 0xa1 && b != 0xad))
            stand_in[b] = (unsigned)b, order[count++] = b;
    for (int b = 0; b < 256; b++)
        if (!((b >= '!' && b <= '~') || (b >= 0xa1 && b != 0xad)))
            stand_in[b] = extra++, order[count++] = b;
    for (int end = 0; end < 2; end++)
        for (int i = 0; i < 256; i++) {
            char *at = t->arena + t->arena_used;
            size_t len = text_encode(at, stand_in[order[i]]);
            if (end)
                memcpy(at + len, "</w>", 4);
            uint32_t s = add_symbol(t, len + (end ? 4 : 0), end * BYTE_SYMBOLS + i);
            if (!end)
                t->byte_symbol[order[i]] = s;
        }
}

/* ---- merges ------------------------------------------------------------------------------- */

static merge *merge_of(const clip_tokenizer *t, uint32_t left, uint32_t right)
{
    uint64_t key = (uint64_t)left << 32 | right;
    size_t i = (size_t)((key * 0x9e3779b97f4a7c15u) >> 20) & (t->places - 1);
    while (t->merges[i].left != UINT32_MAX &&
           (t->merges[i].left != left || t->merges[i].right != right))
        i = (i + 1) & (t->places - 1);
    return &t->merges[i];
}

/* Adds the merge "a b" with this rank. A piece that no earlier merge can produce never occurs, so
 * its merge is only counted. */
static bool add_merge(clip_tokenizer *t, const char *line, size_t len, int32_t rank)
{
    const char *space = memchr(line, ' ', len);
    if (!space || space == line || space == line + len - 1)
        return false;
    size_t left_len = (size_t)(space - line), right_len = len - left_len - 1;
    uint32_t left = *place_of(t, line, left_len), right = *place_of(t, space + 1, right_len);
    memcpy(t->arena + t->arena_used, line, left_len);
    memcpy(t->arena + t->arena_used + left_len, space + 1, right_len);
    uint32_t result = add_symbol(t, left_len + right_len, BASE_SYMBOLS + rank);
    if (left && right) {
        merge *m = merge_of(t, left - 1, right - 1);
        *m = (merge){ left - 1, right - 1, result, rank };
    }
    return true;
}

static rap_status reserve(clip_tokenizer *t, const gguf_file *g, size_t count, rap_err *err)
{
    size_t bytes = BASE_SYMBOLS * 8, len;
    const char *line;
    for (size_t i = 0; i < count; i++) {
        rap_status status = gguf_array_string(g, "tokenizer.merges", i, &line, &len, err);
        if (status != RAP_OK)
            return status;
        bytes += len; /* bounded by the file */
    }
    for (t->places = 2048; t->places < 2 * (count + BASE_SYMBOLS);)
        t->places *= 2;
    t->arena = malloc(bytes);
    t->symbols = mem_array(count + BASE_SYMBOLS, sizeof *t->symbols);
    t->by_text = mem_array(t->places, sizeof *t->by_text);
    t->merges = mem_array(t->places, sizeof *t->merges);
    if (!t->arena || !t->symbols || !t->by_text || !t->merges)
        return err_memory(err, "loading a tokenizer");
    for (size_t i = 0; i < t->places; i++)
        t->merges[i].left = UINT32_MAX;
    return RAP_OK;
}

static rap_status load(clip_tokenizer *t, const gguf_file *g, int64_t vocabulary, rap_err *err)
{
    size_t count, len;
    const char *line;
    rap_status status = gguf_array_count(g, "tokenizer.merges", &count, err);
    if (status != RAP_OK)
        return status;
    if (count > MAX_VOCABULARY || vocabulary != (int64_t)count + BASE_SYMBOLS + SPECIALS)
        return err_set(err, RAP_E_FORMAT, "%s: %zu merges do not match a vocabulary of %lld",
                       gguf_file_path(g), count, (long long)vocabulary);
    if ((status = reserve(t, g, count, err)) != RAP_OK)
        return status;
    add_bytes(t);
    for (size_t i = 0; i < count; i++) {
        gguf_array_string(g, "tokenizer.merges", i, &line, &len, err);
        if (!add_merge(t, line, len, (int32_t)i))
            return err_set(err, RAP_E_FORMAT,
                           "%s: the tokenizer's merge %zu is not a pair of pieces",
                           gguf_file_path(g), i);
    }
    t->start = (int32_t)vocabulary - 2;
    t->end = (int32_t)vocabulary - 1;
    return RAP_OK;
}

rap_status clip_tokenizer_new(clip_tokenizer **out, const gguf_file *g, int64_t vocabulary,
                              rap_err *err)
{
    clip_tokenizer *t = mem_array(1, sizeof *t);
    *out = NULL;
    if (!t)
        return err_memory(err, "loading a tokenizer");
    rap_status status = load(t, g, vocabulary, err);
    if (status == RAP_OK)
        *out = t;
    else
        clip_tokenizer_free(t);
    return status;
}

void clip_tokenizer_free(clip_tokenizer *t)
{
    if (!t)
        return;
    free(t->arena);
    free(t->symbols);
    free(t->by_text);
    free(t->merges);
    free(t);
}

/* ---- words -------------------------------------------------------------------------------- */

typedef enum char_class { LETTER, NUMBER, BLANK, OTHER } char_class;

static char_class class_of(unsigned code)
{
    switch (g_unichar_type(code)) {
    case G_UNICODE_LOWERCASE_LETTER:
    case G_UNICODE_UPPERCASE_LETTER:
    case G_UNICODE_TITLECASE_LETTER:
    case G_UNICODE_MODIFIER_LETTER:
    case G_UNICODE_OTHER_LETTER:
        return LETTER;
    case G_UNICODE_DECIMAL_NUMBER:
    case G_UNICODE_LETTER_NUMBER:
    case G_UNICODE_OTHER_NUMBER:
        return NUMBER;
    case G_UNICODE_SPACE_SEPARATOR:
    case G_UNICODE_LINE_SEPARATOR:
    case G_UNICODE_PARAGRAPH_SEPARATOR:
        return BLANK;
    default:
        return (code >= 9 && code <= 13) || code == 0x85 ? BLANK : OTHER;
    }
}

/* 's 't 're 've 'm 'll 'd: the length matched here, or 0. The reference ignores case, by which the
 * long s equals s. */
static size_t contraction(const char *text)
{
    static const char *const endings[] = { "s", "\u017f", "t", "re", "ve", "m", "ll", "d" };
    for (size_t i = 0; *text == '\'' && i < sizeof endings / sizeof *endings; i++)
        if (!strncmp(text + 1, endings[i], strlen(endings[i])))
            return 1 + strlen(endings[i]);
    return 0;
}

/* The next word from *at: a contraction, letters, one digit, or symbols. NULL at the end. */
static const char *next_word(const char **at, size_t *out_len)
{
    unsigned code;
    size_t used;
    while ((used = text_decode(&code, *at)) != 0 && class_of(code) == BLANK)
        *at += used;
    const char *word = *at;
    if (used == 0)
        return NULL;
    char_class first = class_of(code);
    size_t len = contraction(word);
    if (!len) {
        len = used;
        while (first != NUMBER && (used = text_decode(&code, word + len)) != 0 &&
               class_of(code) == first)
            len += used;
    }
    *at = word + len;
    *out_len = len;
    return word;
}

/* ---- merging ------------------------------------------------------------------------------ */

/* A word being merged: its symbols and, for each, the rank of the pair it begins (or none). */
typedef struct word {
    uint32_t *symbol; /* [len] */
    int32_t *rank;    /* [len] */
    size_t len;
} word;

enum { NO_RANK = INT32_MAX, JOINED = -1, BEFORE_JOINED = -2 };

static int32_t rank_at(const clip_tokenizer *t, const word *w, size_t i)
{
    if (i + 1 >= w->len)
        return NO_RANK;
    const merge *m = merge_of(t, w->symbol[i], w->symbol[i + 1]);
    return m->left == UINT32_MAX ? NO_RANK : m->rank;
}

/* Joins every occurrence of the pair with this rank, from the left. */
static void join(const clip_tokenizer *t, word *w, int32_t rank)
{
    size_t kept = 0;
    for (size_t i = 0; i < w->len; i++, kept++) {
        bool joins = i + 1 < w->len && w->rank[i] == rank;
        w->symbol[kept] =
            joins ? merge_of(t, w->symbol[i], w->symbol[i + 1])->result : w->symbol[i];
        w->rank[kept] = joins ? JOINED : w->rank[i];
        i += joins;
    }
    w->len = kept;
    for (size_t i = 1; i < kept; i++) /* the symbol before a joined one forms a new pair too */
        if (w->rank[i] == JOINED && w->rank[i - 1] != JOINED)
            w->rank[i - 1] = BEFORE_JOINED;
    for (size_t i = 0; i < kept; i++)
        if (w->rank[i] < 0)
            w->rank[i] = rank_at(t, w, i);
}

static void merge_word(const clip_tokenizer *t, word *w, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        w->symbol[i] = t->byte_symbol[(uint8_t)text[i]];
    w->symbol[len - 1] += BYTE_SYMBOLS; /* the same byte at a word's end */
    w->len = len;
    for (size_t i = 0; i < len; i++)
        w->rank[i] = rank_at(t, w, i);
    for (;;) {
        int32_t best = NO_RANK;
        for (size_t i = 0; i < w->len; i++)
            best = w->rank[i] < best ? w->rank[i] : best;
        if (best == NO_RANK)
            break;
        join(t, w, best);
    }
}

rap_status clip_tokenizer_encode(const clip_tokenizer *t, const char *text, int context,
                                 int32_t *out, int *out_count, rap_err *err)
{
    char *clean;
    size_t len;
    word w = { 0 };
    rap_status status = clip_clean(&clean, text, err);
    if (status != RAP_OK)
        return status;
    w.symbol = mem_array(strlen(clean), sizeof *w.symbol);
    w.rank = mem_array(strlen(clean), sizeof *w.rank);
    if (!w.symbol || !w.rank) {
        status = err_memory(err, "tokenizing a text");
        goto cleanup;
    }
    int count = 0;
    out[count++] = t->start;
    const char *at = clean, *next;
    while (count < context - 1 && (next = next_word(&at, &len)) != NULL) {
        merge_word(t, &w, next, len);
        for (size_t i = 0; i < w.len && count < context - 1; i++)
            out[count++] = t->symbols[w.symbol[i]].id;
    }
    out[count++] = t->end;
    *out_count = count;
    while (count < context)
        out[count++] = 0;
cleanup:
    free(w.symbol);
    free(w.rank);
    free(clean);
    return status;
}

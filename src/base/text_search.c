/* text_search.c: see text_search.h. Whether a name may begin or end at a place depends only on the two
 * characters there, so that is worked out once for the whole text. */
#include "base/text_search.h"

#include "base/text.h"
#include "base/text_fold.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

enum { MAY_BEGIN = 1, MAY_END = 2 };

/* How a character joins with its neighbours. */
typedef enum joining {
    JOINS_NOTHING, /* punctuation, signs, emoji; scripts written without spaces */
    JOINS_LETTERS, /* letters, marks and digits of scripts with spaces */
    JOINS_KATAKANA,
    JOINS_HANGUL
} joining;

typedef struct range {
    unsigned first, last;
} range;

static bool in_ranges(const range *list, size_t count, unsigned code)
{
    for (size_t i = 0; i < count; i++)
        if (code >= list[i].first && code <= list[i].last)
            return true;
    return false;
}
#define IN_RANGES(list, code) in_ranges(list, sizeof(list) / sizeof *(list), code)

static bool is_katakana(unsigned code)
{
    static const range list[] = { { 0x30A1, 0x30FA }, { 0x30FC, 0x30FF }, { 0x31F0, 0x31FF } };

    return IN_RANGES(list, code);
}

static bool is_hangul(unsigned code)
{
    static const range list[] = { { 0x1100, 0x11FF }, { 0xA960, 0xA97F }, { 0xAC00, 0xD7FF } };

    return IN_RANGES(list, code);
}

/* Thai, Lao, Tibetan, Burmese; Khmer; Tai scripts; Balinese; Han, kana, bopomofo, Yi; Javanese; Cham. */
static bool has_no_spaces(unsigned code)
{
    static const range list[] = {
        { 0xE00, 0x109F },  { 0x1780, 0x17FF },   { 0x1950, 0x19FF },   { 0x1A20, 0x1AAF },
        { 0x1B00, 0x1B7F }, { 0x2E80, 0xA4CF },   { 0xA980, 0xA9FF },   { 0xAA00, 0xAADF },
        { 0xF900, 0xFAFF }, { 0x16FE0, 0x18DFF }, { 0x1AFF0, 0x1B2FF }, { 0x20000, 0x3FFFF }
    };

    return IN_RANGES(list, code);
}

static bool is_letter_mark_or_digit(unsigned code)
{
    utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)code);

    return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_NO;
}

static joining joining_of(unsigned code)
{
    if (!is_letter_mark_or_digit(code))
        return JOINS_NOTHING;
    if (code < 0xE00)
        return JOINS_LETTERS;
    if (is_katakana(code))
        return JOINS_KATAKANA;
    if (is_hangul(code))
        return JOINS_HANGUL;
    return has_no_spaces(code) ? JOINS_NOTHING : JOINS_LETTERS;
}

static unsigned char edge_between(joining before, joining after)
{
    if (before != after || before == JOINS_NOTHING)
        return MAY_BEGIN | MAY_END;
    return before == JOINS_HANGUL ? MAY_END : 0;
}

static bool is_ascii_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (unsigned char)c >= 0x80;
}

/* At the apostrophe of "don't": the n before it belongs to the negation. */
static bool is_negation(const char *text, size_t at)
{
    return at > 0 && text[at - 1] == 'n' && strncmp(text + at, "'t", 2) == 0 &&
           !is_ascii_letter(text[at + 2]);
}

static void find_edges(text_search *s)
{
    utf8proc_int32_t state = 0;
    unsigned before = 0, code;
    joining joins = JOINS_NOTHING;

    for (size_t at = 0, used; (used = text_decode(&code, s->text + at)) != 0; at += used) {
        joining next = joining_of(code);

        if (at == 0)
            s->edge[at] = MAY_BEGIN;
        else if (utf8proc_grapheme_break_stateful((utf8proc_int32_t)before, (utf8proc_int32_t)code,
                                                  &state))
            s->edge[at] = edge_between(joins, next);
        if (is_negation(s->text, at))
            s->edge[at] &= (unsigned char)~MAY_END;
        before = code;
        joins = next;
    }
    s->edge[s->len] = MAY_END;
}

bool text_search_init(text_search *out, const char *text)
{
    *out = (text_search){ text_fold(text), NULL, 0 };
    if (!out->text)
        return false;
    out->len = strlen(out->text);
    out->edge = calloc(out->len + 1, 1);
    if (!out->edge) {
        text_search_release(out);
        return false;
    }
    find_edges(out);
    return true;
}

void text_search_release(text_search *s)
{
    free(s->text);
    free(s->edge);
    *s = (text_search){ NULL, NULL, 0 };
}

long text_search_find(const text_search *s, const char *folded_name, size_t from)
{
    size_t len = strlen(folded_name);
    const char *at;

    if (len == 0 || from > s->len)
        return -1;
    for (at = strstr(s->text + from, folded_name); at; at = strstr(at + 1, folded_name)) {
        size_t begin = (size_t)(at - s->text);

        if ((s->edge[begin] & MAY_BEGIN) && (s->edge[begin + len] & MAY_END))
            return (long)begin;
    }
    return -1;
}

long text_search_once(const char *text, const char *name)
{
    char *folded = text_fold_name(name);
    text_search s = { NULL, NULL, 0 };
    long at = folded && text_search_init(&s, text) ? text_search_find(&s, folded, 0) : -1;

    text_search_release(&s);
    free(folded);
    return at;
}

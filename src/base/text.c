/* text.c: UTF-8 text. Reading order: decode and encode, then what a character is, then search. The
 * folding table is in text_fold.c. */
#include "base/text.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- decode and encode ---- */

/* How many bytes a lead byte announces, and the bits it carries itself; 0 for what leads nothing. */
static size_t text_lead(unsigned *bits, unsigned char byte)
{
    *bits = byte;
    if (byte < 0x80)
        return 1;
    if (byte >= 0xC2 && byte < 0xE0) {
        *bits = byte & 0x1Fu;
        return 2;
    }
    if (byte >= 0xE0 && byte < 0xF0) {
        *bits = byte & 0x0Fu;
        return 3;
    }
    if (byte >= 0xF0 && byte < 0xF5) {
        *bits = byte & 0x07u;
        return 4;
    }
    return 0;
}

size_t text_decode(unsigned *out, const char *text)
{
    static const unsigned smallest[5] = { 0, 0, 0x80, 0x800, 0x10000 };
    const unsigned char *byte = (const unsigned char *)text;
    unsigned code, used;
    size_t len = text_lead(&code, byte[0]);

    if (len == 0 || byte[0] == '\0')
        return 0;
    for (used = 1; used < len; used++) {
        if ((byte[used] & 0xC0) != 0x80) /* also stops at the NUL */
            return 0;
        code = code << 6 | (byte[used] & 0x3Fu);
    }
    if (code < smallest[len] || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000))
        return 0;
    *out = code;
    return len;
}

size_t text_encode(char out[4], unsigned code)
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xC0 | code >> 6);
        out[1] = (char)(0x80 | (code & 0x3F));
        return 2;
    }
    if (code > 0x10FFFF || (code >= 0xD800 && code < 0xE000))
        return 0;
    if (code < 0x10000) {
        out[0] = (char)(0xE0 | code >> 12);
        out[1] = (char)(0x80 | (code >> 6 & 0x3F));
        out[2] = (char)(0x80 | (code & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | code >> 18);
    out[1] = (char)(0x80 | (code >> 12 & 0x3F));
    out[2] = (char)(0x80 | (code >> 6 & 0x3F));
    out[3] = (char)(0x80 | (code & 0x3F));
    return 4;
}

bool text_is_utf8(const char *text)
{
    unsigned code;

    while (*text) {
        size_t used = text_decode(&code, text);
        if (used == 0)
            return false;
        text += used;
    }
    return true;
}

/* ---- what a character is ---- */

bool text_is_control(unsigned code)
{
    return code < 0x20 || (code >= 0x7F && code < 0xA0) || code == 0x2028 || code == 0x2029;
}

bool text_has_control(const char *text)
{
    unsigned code;

    while (*text) {
        size_t used = text_decode(&code, text);
        if (used && text_is_control(code))
            return true;
        text += used ? used : 1;
    }
    return false;
}

typedef struct text_range {
    unsigned first, last;
} text_range;

static bool text_in(const text_range *range, size_t count, unsigned code)
{
    for (size_t i = 0; i < count; i++)
        if (code >= range[i].first && code <= range[i].last)
            return true;
    return false;
}

/* Does this character, standing beside a name, make it a part of a longer word? Letters and digits
 * do. Scripts written without spaces (Thai to Khmer, kana, Han) and Hangul, where particles follow
 * a noun directly, do not: there a name would never be found otherwise. */
static bool text_joins(unsigned code)
{
    static const text_range no_letter[] = {
        { 0x00, 0xA9 },       { 0xAB, 0xB4 },        { 0xB6, 0xB9 },     { 0xBB, 0xBF },
        { 0xD7, 0xD7 },       { 0xF7, 0xF7 },        { 0x37E, 0x37E },   { 0x387, 0x387 },
        { 0x55A, 0x55F },     { 0x589, 0x58A },      { 0x5BE, 0x5BE },   { 0x60C, 0x60D },
        { 0x61B, 0x61F },     { 0x66A, 0x66D },      { 0x964, 0x965 },   { 0xE00, 0x109F },
        { 0x1100, 0x11FF },   { 0x1780, 0x17FF },    { 0x2000, 0x2BFF }, { 0x2E00, 0xA4CF },
        { 0xA960, 0xA97F },   { 0xAC00, 0xD7FF },    { 0xE000, 0xFAFF }, { 0xFE00, 0xFE6F },
        { 0xFEFF, 0xFF0F },   { 0xFF1A, 0xFF20 },    { 0xFF3B, 0xFF40 }, { 0xFF5B, 0xFFFF },
        { 0x1F000, 0x1FBFF }, { 0x20000, 0x10FFFF },
    };

    if (code < 0x80)
        return (code >= '0' && code <= '9') || (code >= 'a' && code <= 'z') ||
               (code >= 'A' && code <= 'Z');
    return !text_in(no_letter, sizeof no_letter / sizeof *no_letter, code);
}

/* ---- search ---- */

/* The character that ends just before `at`; 0 at the start of the text. */
static unsigned text_before(const char *text, const char *at)
{
    unsigned code = 0;
    const char *start = at;

    if (at == text)
        return 0;
    do
        start--;
    while (start > text && at - start < 4 && ((unsigned char)*start & 0xC0) == 0x80);
    return text_decode(&code, start) == (size_t)(at - start) ? code : 0;
}

long text_find_word(const char *hay, const char *needle)
{
    size_t len = strlen(needle);
    const char *at;

    if (len == 0)
        return -1;
    for (at = strstr(hay, needle); at; at = strstr(at + 1, needle)) {
        unsigned after = 0;
        text_decode(&after, at + len);
        if (!text_joins(text_before(hay, at)) && !text_joins(after))
            return (long)(at - hay);
    }
    return -1;
}

/* ---- numbers ---- */

static bool text_starts_number(const char *text)
{
    if (*text == '-' || *text == '+')
        text++;
    return (*text >= '0' && *text <= '9') || *text == '.';
}

bool text_parse_long(long *out, const char *text)
{
    char *end;
    long value;

    if (!text_starts_number(text))
        return false;
    errno = 0;
    value = strtol(text, &end, 10);
    if (errno || *end || end == text)
        return false;
    *out = value;
    return true;
}

bool text_parse_double(double *out, const char *text)
{
    char *end;
    double value;

    if (!text_starts_number(text) || strpbrk(text, "xXpP"))
        return false;
    value = strtod(text, &end);
    if (*end || end == text || !isfinite(value))
        return false;
    *out = value;
    return true;
}

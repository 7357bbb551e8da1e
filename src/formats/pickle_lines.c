/* pickle_lines.c: decimal numbers, strings as Python's repr() writes them, and text with \uXXXX
 * for characters beyond Latin-1. */
#include "formats/pickle_lines.h"
#include "base/text.h"

#include <math.h>
#include <string.h>

enum { MAX_NUMBER = 400 };

/* Copies with a terminating NUL; false if it is too long for a number. */
static bool copy_number(char out[MAX_NUMBER + 1], pickle_chars line)
{
    if (line.len > MAX_NUMBER || memchr(line.bytes, 0, line.len))
        return false;
    memcpy(out, line.bytes, line.len);
    out[line.len] = '\0';
    return true;
}

/* "-12", "12L"; more than 64 bits give a PICKLE_BIG. */
static pickle_value *integer(unpickled *u, pickle_chars line)
{
    char text[MAX_NUMBER + 1];
    long number;
    if (line.len && line.bytes[line.len - 1] == 'L')
        line.len--;
    if (line.len == 2 && line.bytes[0] == '0' && (line.bytes[1] == '0' || line.bytes[1] == '1')) {
        pickle_value *v = unpickle_new(u, PICKLE_BOOL);
        if (v)
            v->as.integer = line.bytes[1] == '1';
        return v;
    }
    if (copy_number(text, line) && text_parse_long(&number, text)) {
        pickle_value *v = unpickle_new(u, PICKLE_INT);
        if (v)
            v->as.integer = number;
        return v;
    }
    size_t sign = line.len && (line.bytes[0] == '-' || line.bytes[0] == '+');
    for (size_t i = sign; i < line.len; i++)
        if (line.bytes[i] < '0' || line.bytes[i] > '9')
            line.len = 0;
    if (line.len > sign)
        return unpickle_new(u, PICKLE_BIG);
    unpickle_bad(u, "a number is not valid");
    return NULL;
}

static pickle_value *real(unpickled *u, pickle_chars line)
{
    char text[MAX_NUMBER + 1];
    double number = 0;
    bool known = copy_number(text, line);
    if (known && (!strcmp(text, "nan") || !strcmp(text, "-nan")))
        number = (double)NAN;
    else if (known && (!strcmp(text, "inf") || !strcmp(text, "-inf")))
        number = *text == '-' ? -(double)INFINITY : (double)INFINITY;
    else if (!known || !text_parse_double(&number, text)) {
        unpickle_bad(u, "a number is not valid");
        return NULL;
    }
    pickle_value *v = unpickle_new(u, PICKLE_FLOAT);
    if (v)
        v->as.real = number;
    return v;
}

/* Reads `digits` digits of a base up to 16 at *at; -1 if they are missing. */
static long digits_at(pickle_chars line, size_t *at, int digits, int base)
{
    long value = 0;
    for (int i = 0; i < digits; i++) {
        char c = *at < line.len ? line.bytes[*at] : '\0';
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : 16;
        if (digit >= base)
            return -1;
        value = value * base + digit;
        ++*at;
    }
    return value;
}

/* One escaped character of a repr(), after its backslash; false if it is not valid. */
static bool unescape(char *out, pickle_chars line, size_t *at)
{
    static const char letters[] = "\\'\"abfnrtv", means[] = "\\'\"\a\b\f\n\r\t\v";
    char c = line.bytes[(*at)++];
    const char *letter = c ? strchr(letters, c) : NULL;
    long code = letter ? (unsigned char)means[letter - letters] : -1;
    if (c == 'x')
        code = digits_at(line, at, 2, 16);
    else if (c >= '0' && c <= '7') {
        code = c - '0';
        for (int i = 0; i < 2 && *at < line.len && line.bytes[*at] >= '0' && line.bytes[*at] <= '7';
             i++)
            code = code * 8 + line.bytes[(*at)++] - '0';
    }
    *out = (char)code;
    return code >= 0 && code < 256;
}

static pickle_value *text_of(unpickled *u, const char *bytes, size_t len)
{
    pickle_value *v = unpickle_new(u, PICKLE_TEXT);
    if (v)
        v->as.text = (pickle_chars){ bytes, len };
    return v;
}

/* 'it\'s' in either kind of quotes. */
static pickle_value *quoted(unpickled *u, pickle_chars line)
{
    size_t len = 0;
    char *out = unpickle_room(u, line.len + 1);
    bool good = line.len >= 2 && (line.bytes[0] == '\'' || line.bytes[0] == '"') &&
                line.bytes[line.len - 1] == line.bytes[0];
    if (!out)
        return NULL;
    line.len -= good; /* the closing quote */
    for (size_t at = 1; good && at < line.len;) {
        char c = line.bytes[at++];
        if (c == '\\')
            good = at < line.len && unescape(&c, line, &at);
        out[len++] = c;
    }
    if (good)
        return text_of(u, out, len);
    unpickle_bad(u, "a string is not quoted");
    return NULL;
}

/* The code point of "\uXXXX" or "\UXXXXXXXX" after the backslash; -1 if it is not one. */
static long escaped_code(pickle_chars line, size_t *at)
{
    size_t from = *at;
    char c = from < line.len ? line.bytes[from] : '\0';
    if (c != 'u' && c != 'U')
        return -1;
    ++*at;
    long code = digits_at(line, at, c == 'u' ? 4 : 8, 16);
    if (code < 0)
        *at = from;
    return code;
}

/* Latin-1, with \u for the rest; a surrogate pair is one code point. */
static pickle_value *raw_unicode(unpickled *u, pickle_chars line)
{
    size_t len = 0, at = 0;
    char *out = unpickle_room(u, 2 * line.len + 4);
    while (out && at < line.len) {
        long code = (unsigned char)line.bytes[at++];
        long escaped = code == '\\' ? escaped_code(line, &at) : -1;
        if (escaped >= 0)
            code = escaped;
        if (code >= 0xd800 && code < 0xdc00 && at < line.len && line.bytes[at] == '\\') {
            size_t next = at + 1;
            long low = escaped_code(line, &next);
            if (low >= 0xdc00 && low < 0xe000) {
                code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
                at = next;
            }
        }
        size_t bytes = code <= 0x10ffff ? text_encode(out + len, (unsigned)code) : 0;
        if (bytes == 0)
            out[len++] = '?'; /* an unpaired surrogate */
        len += bytes;
    }
    return out ? text_of(u, out, len) : NULL;
}

pickle_value *unpickle_line(unpickled *u, uint8_t op, pickle_chars line)
{
    switch (op) {
    case 'F':
        return real(u, line);
    case 'S':
        return quoted(u, line);
    case 'V':
        return raw_unicode(u, line);
    default:
        return integer(u, line);
    }
}

uint64_t unpickle_line_index(pickle_chars line)
{
    char text[MAX_NUMBER + 1];
    long number;
    return copy_number(text, line) && text_parse_long(&number, text) && number >= 0
               ? (uint64_t)number
               : UINT64_MAX;
}

/* text.c: UTF-8 text. Reading order: decode and encode, control characters, spaces, numbers. */
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

/* ---- control characters ---- */

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

/* ---- spaces ---- */

static bool is_trimmed(unsigned code)
{
    return code == ' ' || code == 0xA0 || code == 0x1680 || (code >= 0x2000 && code <= 0x200B) ||
           code == 0x202F || code == 0x205F || code == 0x2060 || code == 0x3000 || code == 0xFEFF;
}

void text_trim(const char **out_from, size_t *out_len, const char *text)
{
    const char *from = NULL, *to = text;
    unsigned code = 0;

    for (const char *c = text; *c;) {
        size_t used = text_decode(&code, c);
        if (used == 0) { /* not UTF-8: only the caller knows what to say */
            code = (unsigned char)*c;
            used = 1;
        }
        if (!is_trimmed(code)) {
            from = from ? from : c;
            to = c + used;
        }
        c += used;
    }
    *out_from = from ? from : text;
    *out_len = from ? (size_t)(to - from) : 0;
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

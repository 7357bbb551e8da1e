/* plain.c: see plain.h. */
#include "cli/plain.h"

#include "base/text.h"

#include <string.h>

plain_kind plain_kind_of(unsigned code)
{
    if ((code >= '\t' && code <= '\r') || code == 0x85 || code == 0x2028 || code == 0x2029)
        return PLAIN_SPACE;
    if (code < 0x20 || (code >= 0x7F && code < 0xA0) || (code >= 0x202A && code <= 0x202E) ||
        (code >= 0x2066 && code <= 0x206F) || (code >= 0xFFF9 && code <= 0xFFFB))
        return PLAIN_HIDDEN;
    return PLAIN_SHOWN;
}

static void put_replacement(FILE *out)
{
    fputs("\xEF\xBF\xBD", out);
}

/* The length of the UTF-8 sequence with this first byte; 0: no sequence has it. */
static size_t announced(unsigned char lead)
{
    if (lead < 0x80)
        return 1;
    if (lead < 0xC2 || lead >= 0xF5)
        return 0;
    return lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
}

/* Prints the held bytes: a complete character, or else one replacement for each byte. */
static void put_held(plain_stream *s, FILE *out)
{
    unsigned code = 0;
    plain_kind kind;

    s->held[s->count] = '\0';
    if (s->count && text_decode(&code, s->held) != s->count) {
        for (size_t i = 0; i < s->count; i++)
            put_replacement(out);
    } else if (s->count) {
        kind = plain_kind_of(code);
        if (kind == PLAIN_SHOWN)
            fwrite(s->held, 1, s->count, out);
        else if (kind == PLAIN_SPACE)
            putc(' ', out);
        else
            put_replacement(out);
    }
    s->count = 0;
}

void plain_stream_put(plain_stream *s, FILE *out, const char *text, size_t len)
{
    s->begun |= len > 0;
    for (size_t i = 0; i < len; i++) {
        unsigned char byte = (unsigned char)text[i];

        if (s->count && (byte & 0xC0) != 0x80)
            put_held(s, out);
        s->held[s->count++] = (char)byte;
        if (s->count >= announced((unsigned char)s->held[0]))
            put_held(s, out);
    }
}

void plain_stream_end(plain_stream *s, FILE *out)
{
    put_held(s, out);
}

void plain_put(FILE *out, const char *text)
{
    plain_stream s = PLAIN_STREAM_INIT;

    plain_stream_put(&s, out, text, strlen(text));
    plain_stream_end(&s, out);
}

/* stream.c: the text of an answer while it is generated.
 *
 * A model generates tokens, and a token may be one byte of a character. Bytes wait in `raw` until they
 * are a character; bytes that can never be one become U+FFFD. White space before the first word is
 * dropped: it belongs to the prompt's last marker. */
#include "generate/stream.h"

#include <string.h>

#define REPLACEMENT "\xEF\xBF\xBD"

void stream_init(stream *s, rap_on_token *on_token, void *payload)
{
    *s = (stream){ .text = BUF_INIT, .raw = BUF_INIT, .on_token = on_token, .payload = payload };
}

void stream_release(stream *s)
{
    buf_release(&s->text);
    buf_release(&s->raw);
}

/* Bytes of a character by its first byte; 0 for one that starts none. */
static size_t length_by_lead(unsigned char lead)
{
    if (lead < 0x80)
        return 1;
    if (lead >= 0xC2 && lead <= 0xDF)
        return 2;
    if (lead >= 0xE0 && lead <= 0xEF)
        return 3;
    return lead >= 0xF0 && lead <= 0xF4 ? 4 : 0;
}

/* Is byte i of a character with this lead allowed? Excludes overlong forms, surrogates and code points above U+10FFFF. */
static bool is_allowed(unsigned char lead, size_t i, unsigned char byte)
{
    unsigned low = 0x80, high = 0xBF;

    if (i == 1 && lead == 0xE0)
        low = 0xA0;
    else if (i == 1 && lead == 0xED)
        high = 0x9F;
    else if (i == 1 && lead == 0xF0)
        low = 0x90;
    else if (i == 1 && lead == 0xF4)
        high = 0x8F;
    return byte >= low && byte <= high;
}

typedef enum scan { SCAN_WHOLE, SCAN_SHORT, SCAN_BAD } scan;

/* What begins at `at`: a whole character of *len bytes, the start of one, or neither. */
static scan scan_character(const char *at, size_t left, size_t *len)
{
    unsigned char lead = (unsigned char)*at;

    *len = length_by_lead(lead);
    if (*len == 0)
        return SCAN_BAD;
    for (size_t i = 1; i < *len; i++) {
        if (i == left)
            return SCAN_SHORT;
        if (!is_allowed(lead, i, (unsigned char)at[i]))
            return SCAN_BAD;
    }
    return SCAN_WHOLE;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

/* Appends one character to the text, except NUL and leading white space. */
static void keep(stream *s, const char *bytes, size_t len)
{
    if (*bytes == '\0' || (!s->begun && len == 1 && is_space(*bytes)))
        return;
    s->begun = true;
    buf_add(&s->text, bytes, len);
}

/* Moves complete characters from raw to text and calls on_token. */
static void drain(stream *s, bool last)
{
    size_t before = s->text.len, at = 0;

    while (at < s->raw.len) {
        size_t len = 0;
        scan found = scan_character(s->raw.data + at, s->raw.len - at, &len);

        if (found == SCAN_SHORT && !last)
            break;
        if (found == SCAN_WHOLE)
            keep(s, s->raw.data + at, len);
        else
            keep(s, REPLACEMENT, 3);
        at += found == SCAN_WHOLE ? len : found == SCAN_SHORT ? s->raw.len - at : 1;
    }
    if (at) {
        memmove(s->raw.data, s->raw.data + at, s->raw.len - at);
        s->raw.len -= at;
    }
    if (s->on_token && s->text.len > before && !s->stopped)
        s->stopped = s->on_token(s->text.data + before, s->text.len - before, s->payload) != 0;
}

void stream_add(stream *s, const char *bytes, size_t len)
{
    buf_add(&s->raw, bytes, len);
    if (!buf_failed(&s->raw))
        drain(s, false);
}

void stream_end(stream *s)
{
    if (!buf_failed(&s->raw))
        drain(s, true);
}

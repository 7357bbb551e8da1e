/* words.c: see words.h. */
#include "eval/published/words.h"

#include "base/buf.h"
#include "base/text.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

/* The white space of str.split(). */
static bool is_space(unsigned code)
{
    return (code >= 0x09 && code <= 0x0D) || (code >= 0x1C && code <= 0x20) || code == 0x85 ||
           code == 0xA0 || code == 0x1680 || (code >= 0x2000 && code <= 0x200A) || code == 0x2028 ||
           code == 0x2029 || code == 0x202F || code == 0x205F || code == 0x3000;
}

/* Does the regular expression \w match it? Underscores are gone before this is asked. */
static bool is_word(unsigned code)
{
    utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)code);

    return (c >= UTF8PROC_CATEGORY_LU && c <= UTF8PROC_CATEGORY_LO) ||
           (c >= UTF8PROC_CATEGORY_ND && c <= UTF8PROC_CATEGORY_NO);
}

/* The next character and its bytes; what is not UTF-8 is a character a byte. */
static size_t next(unsigned *code, const char *at)
{
    size_t len = text_decode(code, at);

    if (len == 0) {
        *code = (unsigned char)*at;
        return 1;
    }
    return len;
}

static void add_lower(buf *out, const char *at, size_t len, unsigned code)
{
    char bytes[4];
    size_t size;

    if (len == 1 && code >= 0x80) { /* no UTF-8 */
        buf_add(out, at, 1);
        return;
    }
    size = text_encode(bytes, (unsigned)utf8proc_tolower((utf8proc_int32_t)code));
    buf_add(out, bytes, size);
    if (code == 0x130) /* İ: i and a dot above */
        buf_puts(out, "\xCC\x87");
}

char *words_lower(const char *text)
{
    buf out = BUF_INIT;

    for (size_t len; *text; text += len) {
        unsigned code;

        len = next(&code, text);
        add_lower(&out, text, len, code);
    }
    return buf_detach(&out);
}

/* ---- captions ---- */

static bool is_stripped(char c)
{
    return c && strchr(".,!?;:()[]{}\"'-", c);
}

static char *without_end_marks(const char *caption)
{
    static const char mark[] = "</s>";
    buf out = BUF_INIT;

    for (const char *end; (end = strstr(caption, mark)); caption = end + strlen(mark))
        buf_add(&out, caption, (size_t)(end - caption));
    buf_puts(&out, caption);
    return buf_detach(&out);
}

/* Steps over white space, or over everything else. */
static char *skip(char *at, bool space)
{
    unsigned code;
    size_t len;

    for (; *at; at += len) {
        len = next(&code, at);
        if (is_space(code) != space)
            break;
    }
    return at;
}

int words_split(words *out, const char *caption)
{
    char *at;

    memset(out, 0, sizeof *out);
    out->text = without_end_marks(caption);
    out->word = out->text ? calloc(strlen(out->text) / 2 + 1, sizeof *out->word) : NULL;
    if (!out->word) {
        words_release(out);
        return -1;
    }
    for (at = skip(out->text, true); *at;) {
        char *from = at, *end = skip(at, false);

        at = skip(end, true);
        while (from < end && is_stripped(*from))
            from++;
        while (from < end && is_stripped(end[-1]))
            end--;
        *end = '\0';
        if (from < end)
            out->word[out->count++] = from;
    }
    return 0;
}

void words_release(words *w)
{
    free(w->text);
    free(w->word);
    memset(w, 0, sizeof *w);
}

/* ---- answers ---- */

static bool is_punctuation(unsigned code)
{
    return code > 0x20 && code < 0x7F && strchr("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", (int)code);
}

static bool is_article(const char *word, size_t len)
{
    return (len == 1 && *word == 'a') || (len == 2 && memcmp(word, "an", 2) == 0) ||
           (len == 3 && memcmp(word, "the", 3) == 0);
}

static char *without_punctuation(const char *text)
{
    buf out = BUF_INIT;

    for (size_t len; *text; text += len) {
        unsigned code;

        len = next(&code, text);
        if (!is_punctuation(code))
            buf_add(&out, text, len);
    }
    return buf_detach(&out);
}

/* `text` with every article as a space. */
static char *without_articles(const char *text)
{
    buf out = BUF_INIT;

    while (*text) {
        unsigned code;
        size_t len = next(&code, text), word = 0;

        while (text[word] && (len = next(&code, text + word)) && is_word(code))
            word += len;
        if (word == 0)
            buf_add(&out, text, len);
        else if (is_article(text, word))
            buf_putc(&out, ' ');
        else
            buf_add(&out, text, word);
        text += word ? word : len;
    }
    return buf_detach(&out);
}

static char *single_spaces(const char *text)
{
    buf out = BUF_INIT;
    bool gap = false;

    for (size_t len; *text; text += len) {
        unsigned code;

        len = next(&code, text);
        if (is_space(code)) {
            gap = out.len > 0;
            continue;
        }
        if (gap)
            buf_putc(&out, ' ');
        gap = false;
        buf_add(&out, text, len);
    }
    return buf_detach(&out);
}

char *words_normalise(const char *answer)
{
    char *lower = words_lower(answer);
    char *plain = lower ? without_punctuation(lower) : NULL;
    char *rest = plain ? without_articles(plain) : NULL;
    char *out = rest ? single_spaces(rest) : NULL;

    free(lower);
    free(plain);
    free(rest);
    return out;
}

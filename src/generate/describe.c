/* describe.c: see describe.h. First an answer becomes a line, then a pattern becomes an answer. */
#include "generate/describe.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- a line ---- */

static bool starts(const char *text, const char *with)
{
    return strncasecmp(text, with, strlen(with)) == 0;
}

/* The first line that says something, with single spaces. A reply that goes on behind an empty line ends there. */
static void take_line(buf *out, const char *answer)
{
    bool space = false;

    for (size_t used; *answer; answer += used) {
        unsigned c = 0;

        used = text_decode(&c, answer);
        if (used == 0) { /* not UTF-8 */
            used = 1;
            space = true;
        } else if (c == '\n' && out->len > 0) {
            break;
        } else if (c == ' ' || text_is_control(c)) {
            space = true;
        } else if (c != '*' && c != '"' && c != '`' && c != 0x201C && c != 0x201D) {
            if (space && out->len > 0)
                buf_putc(out, ' ');
            space = false;
            buf_add(out, answer, used);
        }
    }
}

static bool is_article(const char *word)
{
    return strcasecmp(word, "a") == 0 || strcasecmp(word, "an") == 0 ||
           strcasecmp(word, "the") == 0 || strcasecmp(word, "some") == 0;
}

/* How many bytes the text begins with the name, in brackets or without, as a word; 0: it does not. A concept may be
 * called "a". */
static size_t name_length(const char *text, const char *name)
{
    size_t len = strlen(name);
    bool bracket = *text == '<';
    char behind;

    if (strncasecmp(text + bracket, name, len) != 0)
        return 0;
    behind = text[bracket + len];
    if (bracket)
        return behind == '>' ? len + 2 : 0;
    return (behind == ' ' || behind == '\0') && !is_article(name) ? len : 0;
}

static bool is_refusal(const char *text)
{
    static const char *const said[] = { "i ", "i'", "sorry", "as an ", "unfortunately", "nothing" };

    for (size_t i = 0; i < sizeof said / sizeof *said; i++)
        if (starts(text, said[i]))
            return true;
    return (starts(text, "yes") || starts(text, "no")) && !strchr(text, ' ');
}

/* What `text` says that the concept is: "a dog" of "The picture shows a dog". */
static const char *skip_start(const char *text, const char *name)
{
    static const char *const start[] = { "it is ",           "it's ",
                                         "this is ",         "the picture shows ",
                                         "the image shows ", "this picture shows ",
                                         "this image shows " };
    size_t name_len = name_length(text, name);

    text += name_len;
    if (name_len > 0) /* "<bo> sits" is no description */
        return strncmp(text, " is ", 4) == 0 ? text + 4 : NULL;
    for (size_t i = 0; i < sizeof start / sizeof *start; i++)
        if (starts(text, start[i])) {
            text += strlen(start[i]);
            break;
        }
    return name_length(text, name) > 0 ? NULL : text; /* nor is "It is <bo>" */
}

/* Cuts at the limit, behind `start`: after a sentence, else before a word. */
static void shorten(buf *line, size_t start)
{
    size_t sentence = 0, word = 0;

    if (line->len <= DESCRIBE_LIMIT)
        return;
    for (size_t i = start + 1; i < DESCRIBE_LIMIT; i++) {
        if (line->data[i] == ' ' && line->data[i - 1] == '.')
            sentence = i;
        if (line->data[i] == ' ')
            word = i;
    }
    if (sentence || word) {
        buf_truncate(line, sentence ? sentence : word);
        return;
    }
    word = DESCRIBE_LIMIT; /* one word: not inside a character */
    while (word > 0 && ((unsigned char)line->data[word] & 0xC0) == 0x80)
        word--;
    buf_truncate(line, word);
}

static void end_sentence(buf *line)
{
    while (line->len > 0 && strchr(" ,;:", line->data[line->len - 1]))
        buf_truncate(line, line->len - 1);
    if (line->len > 0 && !strchr(".!?", line->data[line->len - 1]))
        buf_putc(line, '.');
}

/* "A dog" goes on as "a dog"; a name keeps its capital. */
static void put_looks(buf *line, const char *looks)
{
    static const char *const article[] = { "A ", "An ", "The ", "Some " };
    size_t start = line->len;

    buf_puts(line, looks);
    for (size_t i = 0; line->len > start && i < sizeof article / sizeof *article; i++)
        if (strncmp(looks, article[i], strlen(article[i])) == 0)
            line->data[start] = (char)(line->data[start] - 'A' + 'a');
}

rap_status describe_line(char **out, const char *name, const char *answer, rap_err *err)
{
    buf said = BUF_INIT, line = BUF_INIT;
    const char *looks;
    size_t start;
    rap_status status = RAP_OK;

    *out = NULL;
    take_line(&said, answer);
    looks = skip_start(buf_text(&said), name);
    if (buf_failed(&said))
        status = err_memory(err, "describing a concept");
    else if (!looks || strlen(looks) < 2 || is_refusal(looks))
        status = err_set(err, RAP_E_MODEL, "the model does not describe it; it says '%.120s'",
                         buf_text(&said));
    if (status == RAP_OK) {
        buf_printf(&line, "<%s> is ", name);
        start = line.len;
        put_looks(&line, looks);
        if (!buf_failed(&line))
            shorten(&line, start);
        end_sentence(&line);
        *out = buf_detach(&line);
        if (!*out)
            status = err_memory(err, "describing a concept");
    }
    buf_release(&said);
    buf_release(&line);
    return status;
}

/* ---- a pattern ---- */

typedef struct filling {
    const char *name, *category;
    describe_ask *ask;
    void *payload;
} filling;

static bool says_no(const char *answer)
{
    return !*answer || starts(answer, "no ") || strcasecmp(answer, "no") == 0 ||
           starts(answer, "none") || starts(answer, "nothing") || starts(answer, "i do not") ||
           starts(answer, "i don't");
}

/* Puts a word behind "a ", which becomes "an " where it must. */
static void put_word(buf *out, const char *word)
{
    size_t n = out->len;
    bool article = n >= 2 && out->data[n - 1] == ' ' && out->data[n - 2] == 'a' &&
                   (n == 2 || out->data[n - 3] == ' ');

    if (article && *word && strchr("aeiouAEIOU", *word)) {
        buf_truncate(out, n - 1);
        buf_puts(out, "n ");
    }
    buf_puts(out, word);
}

/* Copies `len` bytes of a pattern with the name in place. */
static void put_text(buf *out, const filling *f, const char *text, size_t len)
{
    static const char mark[] = "<name>";

    for (size_t i = 0; i < len;) {
        if (len - i >= sizeof mark - 1 && strncmp(text + i, mark, sizeof mark - 1) == 0) {
            buf_printf(out, "<%s>", f->name);
            i += sizeof mark - 1;
        } else {
            buf_putc(out, text[i++]);
        }
    }
}

char *describe_name(const char *pattern, const char *name)
{
    const filling f = { .name = name };
    buf out = BUF_INIT;
    char *text;

    put_text(&out, &f, pattern, strlen(pattern));
    text = buf_detach(&out);
    buf_release(&out);
    return text;
}

/* The answer to the question in braces: one line without its final stop. */
static rap_status answer_part(buf *out, const filling *f, const char *question, size_t len,
                              rap_err *err)
{
    buf asked = BUF_INIT;
    char *answer = NULL;
    rap_status status;

    put_text(&asked, f, question, len);
    status = buf_failed(&asked) ? err_memory(err, "describing a concept")
                                : f->ask(&answer, buf_text(&asked), f->payload, err);
    if (status == RAP_OK)
        take_line(out, answer);
    while (out->len > 0 && strchr(" .", out->data[out->len - 1]))
        buf_truncate(out, out->len - 1);
    buf_release(&asked);
    free(answer);
    return status;
}

/* One {…}. *out_known: it has a word; else `out` is unchanged. */
static rap_status put_brace(buf *out, bool *out_known, const filling *f, const char *text,
                            size_t len, bool optional, rap_err *err)
{
    buf word = BUF_INIT;
    rap_status status = RAP_OK;

    if (len == strlen("category") && strncmp(text, "category", len) == 0) {
        buf_puts(&word, f->category ? f->category : optional ? "" : "thing");
        *out_known = word.len > 0;
    } else {
        status = answer_part(&word, f, text, len, err);
        *out_known = status == RAP_OK && !says_no(buf_text(&word));
        if (status == RAP_OK && !*out_known && !optional)
            status = err_set(err, RAP_E_MODEL,
                             "the model does not describe it; it says '%.120s' to '%.*s'",
                             buf_text(&word), (int)len, text);
    }
    if (*out_known)
        put_word(out, buf_text(&word));
    if (status == RAP_OK && buf_failed(&word))
        status = err_memory(err, "describing a concept");
    buf_release(&word);
    return status;
}

/* Fills `len` bytes of a pattern; those in [ ] by a call of its own. *out_known: all braces had a word. */
static rap_status fill(buf *out, bool *out_known, const filling *f, const char *text, size_t len,
                       bool optional, rap_err *err)
{
    rap_status status = RAP_OK;
    size_t i = 0;

    *out_known = true;
    while (status == RAP_OK && i < len && *out_known) {
        char close = text[i] == '[' ? ']' : text[i] == '{' ? '}' : 0;
        const char *end = close ? memchr(text + i, close, len - i) : NULL;
        size_t inside = end ? (size_t)(end - text) - i - 1 : 0, before = out->len;
        bool known = true;

        if (!end) {
            size_t plain = strcspn(text + i + 1, "[{") + 1;

            plain = plain < len - i ? plain : len - i;
            put_text(out, f, text + i, plain);
            i += plain;
            continue;
        }
        if (close == ']') {
            status = fill(out, &known, f, text + i + 1, inside, true, err);
            if (!known)
                buf_truncate(out, before);
        } else {
            status = put_brace(out, &known, f, text + i + 1, inside, optional, err);
            *out_known = known;
        }
        i += inside + 2;
    }
    return status;
}

/* Does the pattern hold a question in braces? */
static bool is_line(const char *pattern)
{
    const char *brace = pattern;

    while ((brace = strchr(brace, '{'))) {
        brace++;
        if (strncmp(brace, "category}", strlen("category}")) != 0 && strchr(brace, '}'))
            return true;
    }
    return false;
}

rap_status describe_write(char **out, const char *pattern, const char *name, const char *category,
                          describe_ask *ask, void *payload, rap_err *err)
{
    const filling f = { name, category && *category ? category : NULL, ask, payload };
    buf text = BUF_INIT;
    char *answer = NULL;
    bool known;
    rap_status status = fill(&text, &known, &f, pattern, strlen(pattern), false, err);

    *out = NULL;
    if (status == RAP_OK && buf_failed(&text))
        status = err_memory(err, "describing a concept");
    if (status == RAP_OK && !is_line(pattern))
        status = ask(&answer, buf_text(&text), payload, err);
    if (status == RAP_OK)
        status = describe_line(out, name, answer ? answer : buf_text(&text), err);
    free(answer);
    buf_release(&text);
    return status;
}

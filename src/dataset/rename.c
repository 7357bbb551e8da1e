/* rename.c: whole words, without case. Captions of published data sets are English, so bytes will do. */
#include "dataset/rename.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

static int is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_' || (c & 0x80);
}

/* Where the word stands as a word of its own, from `from` on; NULL: nowhere. */
static const char *find_word(const char *text, const char *from, const char *word)
{
    size_t len = strlen(word);

    for (const char *at = from; len > 0 && (at = strcasestr(at, word)); at++)
        if ((at == text || !is_word(at[-1])) && !is_word(at[len]))
            return at;
    return NULL;
}

/* Where the article before `at` begins, or `at`. */
static const char *before_article(const char *text, const char *at)
{
    static const char *const articles[] = { "a", "an", "the", "this", "that", "one" };

    for (size_t i = 0; i < sizeof articles / sizeof *articles; i++) {
        size_t len = strlen(articles[i]);
        const char *begin = at - len - 1;

        if (at - text >= (long)len + 1 && at[-1] == ' ' &&
            strncasecmp(begin, articles[i], len) == 0 && (begin == text || !is_word(begin[-1])))
            return begin;
    }
    return at;
}

/* May what follows the category leave it the head of its phrase? "A dog runs", "a dog next to", but not "a dog house". */
static int is_head(const char *after)
{
    static const char *const words[] = {
        "in",      "on",     "at",      "with",  "and",     "or",      "next",   "near",
        "by",      "to",     "from",    "under", "over",    "behind",  "beside", "inside",
        "outside", "during", "while",   "as",    "that",    "which",   "who",    "for",
        "through", "across", "against", "along", "around",  "above",   "below",  "between",
        "before",  "after",  "into",    "onto",  "off",     "out",     "up",     "down",
        "can",     "will",   "then",    "but",   "because", "running", "being",  "without",
        "within",  "among",  "amongst", "atop",  "alone",   "together"
    };
    char word[24] = "";
    size_t len = 0;

    if (*after != ' ') /* the end, or a mark */
        return *after != '-';
    while (after[1 + len] && is_word(after[1 + len]))
        len++;
    if (len == 0 || len >= sizeof word)
        return len == 0;
    memcpy(word, after + 1, len);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcasecmp(word, words[i]) == 0)
            return 1;
    return (len > 3 && strcasecmp(word + len - 3, "ing") == 0) ||
           (len > 2 && strcasecmp(word + len - 2, "ed") == 0) ||
           (len > 1 && strcasecmp(word + len - 1, "s") == 0 &&
            strcasecmp(word + len - 2, "ss") != 0);
}

int rename_category(buf *out, const char *text, const char *category)
{
    const char *at = find_word(text, text, category);
    const char *begin = at ? before_article(text, at) : NULL;
    size_t len = strlen(category);

    /* Without an article "dog" may be part of "hot dog" or "dog park"; a second mention would stay. */
    if (!at || (begin == at && at != text) || find_word(text, at + len, category) ||
        strncasecmp(at + len, "'s", 2) == 0 || !is_head(at + len))
        return 0;
    buf_add(out, text, (size_t)(begin - text));
    buf_puts(out, "{name}");
    buf_puts(out, at + len);
    return 1;
}

int rename_word(buf *out, const char *text, const char *word)
{
    int count = 0;
    size_t len = strlen(word);

    for (const char *at; (at = find_word(text, text, word)); count++) {
        size_t before = (size_t)(at - text), after = len;

        if (before > 0 && at[-1] == '<' && at[len] == '>') {
            before--;
            after++;
        }
        buf_add(out, text, before);
        buf_puts(out, "{name}");
        text = at + after;
    }
    buf_puts(out, text);
    return count;
}

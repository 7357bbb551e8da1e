/* fuzz_names.c: a name (the first line) is looked for in a text (the rest): folding and the name matcher. */
#include "base/mem.h"
#include "base/text.h"
#include "base/text_fold.h"
#include "base/text_search.h"
#include "fuzz/fuzz.h"

#include <string.h>

static void must(bool holds)
{
    if (!holds)
        abort();
}

/* Folding makes UTF-8, and twice is once. */
static void check_fold(const char *text)
{
    char *once = text_fold(text), *twice = once ? text_fold(once) : NULL;

    must(once && twice && text_is_utf8(once));
    must(strcmp(once, twice) == 0);
    if (text_is_utf8(text)) { /* composed or not, it is the same text */
        char *composed = text_compose(text), *folded = composed ? text_fold(composed) : NULL;

        must(folded && strcmp(folded, once) == 0);
        free(composed);
        free(folded);
    }
    free(once);
    free(twice);
}

static void check_places(const char *text, const char *name)
{
    char *folded = text_fold_name(name);
    text_search s;
    size_t from = 0;
    long at;

    must(folded && text_search_init(&s, text));
    while ((at = text_search_find(&s, folded, from)) >= 0) {
        size_t len = strlen(folded);

        must(len > 0 && (size_t)at >= from && (size_t)at + len <= s.len);
        must(memcmp(s.text + at, folded, len) == 0);
        must(((unsigned char)s.text[at] & 0xC0) != 0x80); /* characters are whole */
        from = (size_t)at + len;
    }
    text_search_release(&s);
    free(folded);
}

/* A plain word between blanks is always found. */
static void check_found(const char *text, const char *name)
{
    size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789");
    char *both = NULL;

    if (len == 0 || name[len] != '\0')
        return;
    must(asprintf(&both, "%s . %s . %s", text, name, text) >= 0);
    must(text_search_once(both, name) >= 0);
    free(both);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *name = mem_string_n((const char *)data, size), *text;

    must(name != NULL);
    text = name + strcspn(name, "\n");
    if (*text)
        *text++ = '\0';
    check_fold(name);
    check_fold(text);
    check_places(text, name);
    check_found(text, name);
    free(name);
    return 0;
}

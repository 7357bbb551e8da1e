/* measure_exact.c: see measure_exact.h. */
#include "eval/published/measure_exact.h"

#include "eval/metrics.h"
#include "eval/published/words.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

bool exact_official(const char *answer, const char *expected)
{
    char *a = words_normalise(answer), *e = words_normalise(expected);
    bool same = a && e && strcmp(a, e) == 0;

    free(a);
    free(e);
    return same;
}

static bool is_letter(const char *text)
{
    return isalpha((unsigned char)text[0]) && text[1] == '\0';
}

/* Over "(", "[", "*", quotes and the like in front of an answer. */
static const char *over_openers(const char *at)
{
    return at + strspn(at, "([{<\"'*` \t\r\n");
}

/* The letter that an answer gives: alone, or as a capital in front of words; 0: it begins otherwise. */
static char given_letter(const char *answer)
{
    const char *at = over_openers(answer);
    const char *rest = at + 1;

    if (!isalpha((unsigned char)*at) || isalnum((unsigned char)*rest) || *rest == '_' ||
        (unsigned char)*rest >= 0x80)
        return 0;
    if (rest[strspn(rest, ")]}>\"'*`.,:;! \t\r\n")] == '\0')
        return (char)toupper((unsigned char)*at);
    rest += strspn(rest, "*`\"'");
    return isupper((unsigned char)*at) && *rest && strchr(").:,]", *rest) ? *at : 0;
}

static bool names_right_option(const char *answer, const char *right, const json_t *options)
{
    json_t *texts = json_array(), *option;
    const char *letter;
    bool named;

    json_object_foreach((json_t *)options, letter, option) json_array_append(texts, option);
    named = metrics_answer(answer, right, texts);
    json_decref(texts);
    return named;
}

bool exact_strict(const char *answer, const char *expected, const json_t *options)
{
    const char *right = json_string_value(json_object_get(options, expected));
    char letter;

    if (!is_letter(expected))
        return metrics_answer(answer, expected, NULL);
    letter = given_letter(answer);
    if (letter)
        return letter == toupper((unsigned char)*expected);
    return right && names_right_option(answer, right, options);
}

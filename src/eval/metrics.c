/* metrics.c: see metrics.h. */
#include "eval/metrics.h"

#include "base/text.h"

#include <stdlib.h>
#include <string.h>

double metrics_ratio(int part, int whole)
{
    return whole > 0 ? (double)part / whole : 0.0;
}

double metrics_precision(metrics_counts c)
{
    return metrics_ratio(c.hit, c.hit + c.extra);
}

double metrics_recall(metrics_counts c)
{
    return metrics_ratio(c.hit, c.hit + c.missed);
}

double metrics_f1(metrics_counts c)
{
    return metrics_ratio(2 * c.hit, 2 * c.hit + c.extra + c.missed);
}

/* Does `text` (folded) hold `word` (any case) as a whole word? */
static bool holds_word(const char *text, const char *word)
{
    char *folded = text_fold(word);
    bool found = folded && *folded && text_find_word(text, folded) >= 0;

    free(folded);
    return found;
}

static bool is_listed(const json_t *names, const char *name)
{
    size_t i;
    json_t *value;

    json_array_foreach((json_t *)names, i, value)
    {
        if (strcmp(json_string_value(value), name) == 0)
            return true;
    }
    return false;
}

void metrics_add_names(metrics_counts *c, const char *answer, const json_t *all_names,
                       const json_t *true_names)
{
    char *folded = text_fold(answer);
    size_t i;
    json_t *value;

    json_array_foreach((json_t *)all_names, i, value)
    {
        const char *name = json_string_value(value);
        bool said = folded && holds_word(folded, name);
        bool right = is_listed(true_names, name);

        c->hit += said && right;
        c->extra += said && !right;
        c->missed += !said && right;
    }
    free(folded);
}

int metrics_yes_no(const char *answer)
{
    char *folded = text_fold(answer);
    long yes = folded ? text_find_word(folded, "yes") : -1;
    long no = folded ? text_find_word(folded, "no") : -1;

    free(folded);
    if (yes < 0 && no < 0)
        return -1;
    return no < 0 || (yes >= 0 && yes < no);
}

/* Folded, without an article, white space around and closing punctuation. free(). */
static char *normalise(const char *text)
{
    static const char *const article[] = { "a ", "an ", "the " };
    char *folded = text_fold(text);
    char *start = folded;
    size_t len;

    if (!folded)
        return NULL;
    while (*start == ' ' || *start == '\n' || *start == '\t')
        start++;
    for (size_t i = 0; i < sizeof article / sizeof *article; i++)
        if (strncmp(start, article[i], strlen(article[i])) == 0)
            start += strlen(article[i]);
    len = strlen(start);
    while (len > 0 && strchr(" \n\t.,!;:", start[len - 1]))
        len--;
    memmove(folded, start, len);
    folded[len] = '\0';
    return folded;
}

static bool names_other_option(const char *answer, const char *expected, const json_t *options)
{
    size_t i;
    json_t *value;

    json_array_foreach((json_t *)options, i, value)
    {
        const char *option = json_string_value(value);

        if (option && strcmp(option, expected) != 0 && holds_word(answer, option))
            return true;
    }
    return false;
}

bool metrics_answer(const char *answer, const char *expected, const json_t *options)
{
    char *a = normalise(answer), *e = normalise(expected);
    bool correct = false;

    if (a && e && *e)
        correct = strcmp(a, e) == 0 || (json_array_size(options) > 0 && text_find_word(a, e) >= 0 &&
                                        !names_other_option(a, expected, options));
    free(a);
    free(e);
    return correct;
}

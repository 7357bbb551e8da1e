/* metrics.c: see metrics.h. */
#include "eval/metrics.h"

#include "base/text_fold.h"
#include "base/text_search.h"

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

/* Does the text contain `name`? */
static bool holds_name(const text_search *text, const char *name)
{
    char *folded = text_fold_name(name);
    bool found = folded && text->text && text_search_find(text, folded, 0) >= 0;

    free(folded);
    return found;
}

/* Entries of the list that are not texts are ignored. */
static bool is_listed(const json_t *names, const char *name)
{
    size_t i;
    json_t *value;

    json_array_foreach((json_t *)names, i, value)
    {
        if (json_is_string(value) && text_same_name(json_string_value(value), name))
            return true;
    }
    return false;
}

void metrics_add_names(metrics_counts *c, const char *answer, const json_t *all_names,
                       const json_t *true_names)
{
    text_search said_text;
    size_t i;
    json_t *value;

    text_search_init(&said_text, answer);
    json_array_foreach((json_t *)all_names, i, value)
    {
        const char *name = json_string_value(value);
        bool said = name && holds_name(&said_text, name);
        bool right = name && is_listed(true_names, name);

        c->hit += said && right;
        c->extra += said && !right;
        c->missed += !said && right;
    }
    text_search_release(&said_text);
}

int metrics_yes_no(const char *answer)
{
    text_search text;
    long yes = -1, no = -1;

    if (text_search_init(&text, answer)) {
        yes = text_search_find(&text, "yes", 0);
        no = text_search_find(&text, "no", 0);
    }
    text_search_release(&text);
    if (yes < 0 && no < 0)
        return -1;
    return no < 0 || (yes >= 0 && yes < no);
}

/* Folded, without an article and closing punctuation. free(). */
static char *normalise(const char *text)
{
    static const char *const article[] = { "a ", "an ", "the " };
    char *folded = text_fold(text);
    char *start = folded;
    size_t len;

    if (!folded)
        return NULL;
    for (size_t i = 0; i < sizeof article / sizeof *article; i++)
        if (strncmp(start, article[i], strlen(article[i])) == 0)
            start += strlen(article[i]);
    len = strlen(start);
    while (len > 0 && strchr(" .,!;:", start[len - 1]))
        len--;
    memmove(folded, start, len);
    folded[len] = '\0';
    return folded;
}

static bool names_other_option(const text_search *answer, const char *expected,
                               const json_t *options)
{
    size_t i;
    json_t *value;

    json_array_foreach((json_t *)options, i, value)
    {
        const char *option = json_string_value(value);

        if (option && !text_same_name(option, expected) && holds_name(answer, option))
            return true;
    }
    return false;
}

/* Does the answer name the expected option (also `plain`, normalised) and no other? */
static bool chooses(const char *answer, const char *plain, const char *expected,
                    const json_t *options)
{
    text_search text;
    bool right = text_search_init(&text, answer) && text_search_find(&text, plain, 0) >= 0 &&
                 !names_other_option(&text, expected, options);

    text_search_release(&text);
    return right;
}

bool metrics_answer(const char *answer, const char *expected, const json_t *options)
{
    char *a = normalise(answer), *e = normalise(expected);
    bool correct = a && e && *e && strcmp(a, e) == 0;

    if (!correct && a && e && *e && json_array_size(options) > 0)
        correct = chooses(answer, e, expected, options);
    free(a);
    free(e);
    return correct;
}

/* fuzz_published.c: published lists and answers to them, as JSON or as a table (first byte 't'). What is read can be
 * scored, and every measure lies between 0 and 1. */
#include "eval/published/score.h"
#include "fuzz/fuzz.h"

#include <string.h>

static void score(const list *l)
{
    const char **answer = list_answers(l);
    score_report report;
    rap_err err = { 0 };

    if (!answer || score_list(&report, l, answer, NULL, NULL, &err) != RAP_OK)
        abort();
    for (int i = 0; i < report.rows; i++)
        for (int c = 0; c < SCORE_COLUMNS; c++)
            if (!(report.row[i].value[c] >= 0 && report.row[i].value[c] <= 1))
                abort();
    json_decref(score_json(&report));
    free(answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bool table = size > 0 && data[0] == 't';
    rap_err err = { 0 };
    list l;

    if (list_parse(&l, (const char *)data + table, size - table, table ? "f.csv" : "f", NULL,
                   &err) == RAP_OK)
        score(&l);
    else if (!*err.text || strchr(err.text, '\n'))
        abort();
    list_release(&l);
    return 0;
}

/* list_table.c: MMPB's dataset.csv: a row a question, with the columns question, A, B, C, D, image_path, answer and
 * name; the others are passed over. Empty options are none. */
#include "eval/published/list_inside.h"

#include "base/mem.h"
#include "formats/csv.h"
#include "formats/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { QUESTION, ANSWER, PICTURE, NAME, OPTION, OPTIONS = 4, COLUMNS = OPTION + OPTIONS };
static const char *const column_name[COLUMNS] = { "question", "answer", "image_path", "name",
                                                  "A",        "B",      "C",          "D" };

typedef struct table {
    list_reading *reading;
    int column[COLUMNS]; /* −1: there is none */
    bool has_header;
} table;

static rap_status header(table *t, const csv_row *row, rap_err *err)
{
    t->has_header = true;
    for (int c = 0; c < COLUMNS; c++) {
        t->column[c] = -1;
        for (size_t i = 0; i < row->count; i++)
            if (strcmp(row->field[i], column_name[c]) == 0)
                t->column[c] = (int)i;
        if (t->column[c] < 0 && c <= PICTURE)
            return err_set(err, RAP_E_FORMAT, "%s:%ld: no column \"%s\": MMPB's table has one",
                           t->reading->file, row->line, column_name[c]);
    }
    return RAP_OK;
}

static const char *field(const table *t, const csv_row *row, int column)
{
    int at = t->column[column];

    return at >= 0 && (size_t)at < row->count ? row->field[at] : "";
}

static json_t *options_of(const table *t, const csv_row *row)
{
    json_t *options = json_object();

    for (int i = 0; options && i < OPTIONS; i++)
        if (*field(t, row, OPTION + i))
            list_set(options, column_name[OPTION + i], field(t, row, OPTION + i));
    return options;
}

static rap_status question(const csv_row *row, void *payload, rap_err *err)
{
    table *t = payload;
    list_reading *r = t->reading;
    const char *name, *answer;
    json_t *options, *item;
    rap_status status = RAP_OK;

    snprintf(r->place, sizeof r->place, "line %ld", row->line);
    if (!t->has_header)
        return header(t, row, err);
    name = field(t, row, NAME);
    answer = field(t, row, ANSWER);
    if (!*field(t, row, QUESTION) || !*answer)
        return list_wrong(r, err, "the question or the answer is empty");
    options = options_of(t, row);
    item = list_start(r);
    if (*field(t, row, PICTURE))
        list_set(item, "picture", field(t, row, PICTURE));
    if (*name)
        list_set(item, "concept", name);
    list_set(item, "expected", answer);
    if (!options || !item)
        status = err_memory(err, "reading a list");
    else if (!json_object_get(options, answer))
        status = list_wrong(r, err, "the answer \"%.40s\" is none of the options", answer);
    else
        status = list_choice(r, item, field(t, row, QUESTION), *name ? name : NULL, options, err);
    json_decref(options);
    if (status == RAP_OK)
        return list_add(r, item, err);
    json_decref(item);
    return status;
}

rap_status list_read_table(list_reading *r, const char *text, size_t len, rap_err *err)
{
    table t = { .reading = r };

    r->out->kind = LIST_CHOICE;
    return csv_read(text, len, r->file, question, &t, err);
}

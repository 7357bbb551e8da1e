/* fuzz_csv.c: tables. Every row has as many fields as the first, and every field is text. */
#include "formats/csv.h"
#include "fuzz/fuzz.h"

#include "base/text.h"

#include <string.h>

typedef struct seen {
    size_t columns;
    long line;
} seen;

static rap_status row(const csv_row *r, void *payload, rap_err *err)
{
    seen *s = payload;

    if (r->count == 0 || r->count > CSV_FIELDS || (s->columns && r->count != s->columns) ||
        r->line <= s->line)
        abort();
    for (size_t i = 0; i < r->count; i++)
        if (!text_is_utf8(r->field[i]))
            abort();
    s->columns = r->count;
    s->line = r->line;
    return RAP_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    rap_err err = { 0 };
    seen s = { 0 };

    if (csv_read((const char *)data, size, "fuzz", row, &s, &err) != RAP_OK &&
        (!*err.text || strchr(err.text, '\n')))
        abort();
    return 0;
}

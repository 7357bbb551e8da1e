/* csv.c: see csv.h. A row is read into one buffer, its fields one after another. */
#include "formats/csv.h"

#include "base/buf.h"
#include "base/file_kind.h"
#include "base/text.h"

#include <stdbool.h>
#include <string.h>

typedef struct reader {
    const char *at, *end;
    const char *name;
    long line;
    buf text; /* the fields of the row, each NUL-terminated */
    size_t start[CSV_FIELDS];
    size_t count, columns; /* columns: those of the first row, 0 before it */
} reader;

static rap_status wrong(const reader *r, long line, const char *what, rap_err *err)
{
    return err_set(err, RAP_E_FORMAT, "%s:%ld: %s", r->name, line, what);
}

static bool at_line_end(const reader *r)
{
    return r->at == r->end || *r->at == '\n' || *r->at == '\r';
}

/* Skips LF, CRLF or CR. */
static void end_line(reader *r)
{
    if (r->at < r->end && *r->at == '\r')
        r->at++;
    if (r->at < r->end && *r->at == '\n')
        r->at++;
    r->line++;
}

/* Adds a character to the field and counts lines inside quotes. */
static void take(reader *r)
{
    char c = *r->at++;

    if (c == '\n' || (c == '\r' && (r->at == r->end || *r->at != '\n')))
        r->line++;
    buf_putc(&r->text, c);
}

static rap_status quoted(reader *r, rap_err *err)
{
    long line = r->line;

    for (r->at++; r->at < r->end; take(r)) {
        if (*r->at == '"') {
            if (r->at + 1 == r->end || r->at[1] != '"')
                break;
            r->at++;
        }
        if (r->text.len > CSV_ROW)
            return wrong(r, line, "a row of more than 16 MiB: is a closing quote missing?", err);
    }
    if (r->at == r->end)
        return wrong(r, line, "the quote that begins here is never closed", err);
    r->at++;
    if (!at_line_end(r) && *r->at != ',')
        return wrong(r, r->line, "text after a closing quote", err);
    return RAP_OK;
}

static rap_status plain(reader *r, rap_err *err)
{
    while (!at_line_end(r) && *r->at != ',') {
        if (*r->at == '"')
            return wrong(r, r->line, "a quote inside an unquoted field", err);
        take(r);
        if (r->text.len > CSV_ROW)
            return wrong(r, r->line, "a row of more than 16 MiB", err);
    }
    return RAP_OK;
}

static rap_status one_field(reader *r, rap_err *err)
{
    size_t start = r->text.len;
    rap_status status;

    if (r->count == CSV_FIELDS)
        return wrong(r, r->line, "a row of more than 1,024 fields", err);
    r->start[r->count++] = start;
    status = !at_line_end(r) && *r->at == '"' ? quoted(r, err) : plain(r, err);
    if (status != RAP_OK)
        return status;
    buf_putc(&r->text, '\0');
    if (buf_failed(&r->text))
        return err_memory(err, "reading a table");
    if (strlen(r->text.data + start) + 1 != r->text.len - start ||
        !text_is_utf8(r->text.data + start))
        return wrong(r, r->line, "a field that is not text; save the table as UTF-8", err);
    return RAP_OK;
}

static rap_status one_row(reader *r, csv_on_row *on_row, void *payload, rap_err *err)
{
    const char *field[CSV_FIELDS];
    csv_row row = { .field = field, .line = r->line };
    rap_status status = RAP_OK;

    buf_clear(&r->text);
    r->count = 0;
    for (bool more = true; status == RAP_OK && more;) {
        status = one_field(r, err);
        more = status == RAP_OK && !at_line_end(r);
        r->at += more; /* the comma */
    }
    if (status != RAP_OK)
        return status;
    end_line(r);
    if (r->columns == 0)
        r->columns = r->count;
    if (r->count != r->columns)
        return err_set(err, RAP_E_FORMAT, "%s:%ld: %zu fields, but the first row has %zu", r->name,
                       row.line, r->count, r->columns);
    for (size_t i = 0; i < r->count; i++)
        field[i] = r->text.data + r->start[i];
    row.count = r->count;
    return on_row(&row, payload, err);
}

rap_status csv_read(const char *text, size_t len, const char *name, csv_on_row *on_row,
                    void *payload, rap_err *err)
{
    reader r = { .at = text, .end = text + len, .name = name, .line = 1 };
    rap_status status = RAP_OK;

    r.at += file_kind_mark(text, len);
    while (status == RAP_OK && r.at < r.end) {
        if (at_line_end(&r))
            end_line(&r);
        else
            status = one_row(&r, on_row, payload, err);
    }
    buf_release(&r.text);
    return status;
}

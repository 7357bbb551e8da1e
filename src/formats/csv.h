/* csv.h: tables of RFC 4180: fields separated by commas, rows by line ends (LF, CRLF or CR); a field in double
 * quotes may hold commas, line ends and, doubled, quotes. A byte-order mark is passed over, and so are empty lines. */
#ifndef RAP_FORMATS_CSV_H
#define RAP_FORMATS_CSV_H

#include "base/err.h"

#include <stddef.h>

enum { CSV_FIELDS = 1024, CSV_ROW = 16 << 20 }; /* fields and bytes of a row at most */

typedef struct csv_row {
    size_t count; /* at least 1 */
    const char *const *field;
    long line; /* where it begins, from 1 */
} csv_row;

/* Called with each row, the header included; the row is borrowed until it returns. What it returns other than RAP_OK
 * ends the reading. */
typedef rap_status csv_on_row(const csv_row *row, void *payload, rap_err *err);

/* `name` is what messages call the table; they name the line too. All rows have as many fields as the first. */
rap_status csv_read(const char *text, size_t len, const char *name, csv_on_row *on_row,
                    void *payload, rap_err *err);

#endif

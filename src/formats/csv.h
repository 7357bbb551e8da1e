/* csv.h: tables in RFC 4180 form: fields separated by commas, rows by line ends (LF, CRLF or CR); a field in
 * double quotes may contain commas, line ends and doubled quotes. A byte-order mark and empty lines are
 * skipped. */
#ifndef RAP_FORMATS_CSV_H
#define RAP_FORMATS_CSV_H

#include "base/err.h"

#include <stddef.h>

enum { CSV_FIELDS = 1024, CSV_ROW = 16 << 20 }; /* most fields and bytes per row */

typedef struct csv_row {
    size_t count; /* at least 1 */
    const char *const *field;
    long line; /* where it begins, counted from 1 */
} csv_row;

/* Called with each row, header included; the row is borrowed during the call. Any result but RAP_OK stops
 * the reading. */
typedef rap_status csv_on_row(const csv_row *row, void *payload, rap_err *err);

/* Messages name the table `name` and the line. All rows must have as many fields as the first. */
rap_status csv_read(const char *text, size_t len, const char *name, csv_on_row *on_row,
                    void *payload, rap_err *err);

#endif

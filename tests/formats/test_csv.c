/* Tables: quotes over lines, and what is no table. */
#include "formats/csv.h"

#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static rap_status write_row(const csv_row *row, void *payload, rap_err *err)
{
    buf *out = payload;

    buf_printf(out, "%ld", row->line);
    for (size_t i = 0; i < row->count; i++)
        buf_printf(out, "[%s]", row->field[i]);
    return RAP_OK;
}

static void assert_rows(const char *text, const char *expected)
{
    buf out = BUF_INIT;
    rap_err err = { 0 };

    if (csv_read(text, strlen(text), "t.csv", write_row, &out, &err) != RAP_OK)
        fail_msg("%s", err.text);
    assert_string_equal(buf_text(&out), expected);
    buf_release(&out);
}

static void assert_refused(const char *text, size_t len, const char *line)
{
    buf out = BUF_INIT;
    rap_err err = { 0 };

    assert_int_equal(csv_read(text, len, "t.csv", write_row, &out, &err), RAP_E_FORMAT);
    assert_non_null(strstr(err.text, line));
    buf_release(&out);
}

static void quotes_hold_commas_lines_and_quotes(void **state)
{
    assert_rows("a,b\n\"1,\n\"\"2\"\"\",x\n3,\n", "1[a][b]2[1,\n\"2\"][x]4[3][]");
    assert_rows("a,b\r\n\"x\r\ny\",z\r\nq,r", "1[a][b]2[x\r\ny][z]4[q][r]");
    assert_rows("a\rb\r", "1[a]2[b]");
    assert_rows("\xEF\xBB\xBF\"a\",\"\"\n\n\nb,c", "1[a][]4[b][c]");
    assert_rows("", "");
}

static void what_is_no_table_is_named_with_its_line(void **state)
{
    assert_refused("a,b\nc,\"d\ne\n", 11, "t.csv:2: the quote that begins here is never closed");
    assert_refused("a,b\n\"c\"d,e\n", 11, "t.csv:2: text after a closing quote");
    assert_refused("a,b\nc\"d,e\n", 10, "t.csv:2: a quote inside");
    assert_refused("a,b\nc\n", 6, "t.csv:2: 1 fields, but the first row has 2");
    assert_refused("a,b\nc,\xFF\n", 8, "t.csv:2: a field that is not text");
    assert_refused("a,\0b\n", 5, "t.csv:1: a field that is not text");
}

static void a_row_has_a_bound(void **state)
{
    char *text = malloc(CSV_ROW + 100);

    memset(text, 'x', CSV_ROW + 100);
    assert_refused(text, CSV_ROW + 100, "16 MiB");
    text[0] = '"';
    assert_refused(text, CSV_ROW + 100, "16 MiB");
    memset(text, ',', CSV_FIELDS + 1);
    assert_refused(text, CSV_FIELDS + 1, "1,024 fields");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quotes_hold_commas_lines_and_quotes),
        cmocka_unit_test(what_is_no_table_is_named_with_its_line),
        cmocka_unit_test(a_row_has_a_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

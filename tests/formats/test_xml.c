/* test_xml.c: small XML files flattened into paths (src/formats/xml.c). */
#include "base/buf.h"
#include "formats/xml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static rap_status add(const char *path, const char *text, void *payload, rap_err *err)
{
    buf_printf(payload, "%s=%s;", path, text);
    return strcmp(text, "stop") == 0 ? err_set(err, RAP_E_CANCELLED, "stopped") : RAP_OK;
}

static rap_status parse(buf *out, const char *text, rap_err *err)
{
    buf_clear(out);
    return xml_parse(text, strlen(text), "a.xml", add, out, err);
}

static void elements_come_at_their_end(void **state)
{
    buf b = BUF_INIT;

    assert_int_equal(parse(&b,
                           "<?xml version='1.0'?>\n<a x='1'><b> 5 </b><c><d>t&amp;u</d>"
                           "</c><e/></a>",
                           NULL),
                     RAP_OK);
    assert_string_equal(buf_text(&b), "a/b=5;a/c/d=t&u;a/c=;a/e=;a=;");
    buf_release(&b);
}

static void entities_of_the_file_are_refused(void **state)
{
    buf b = BUF_INIT;
    rap_err err = { 0 };

    assert_int_equal(
        parse(&b, "<!DOCTYPE a [<!ENTITY x 'ha'><!ENTITY y '&x;&x;&x;'>]>\n<a>&y;</a>", &err),
        RAP_E_FORMAT);
    assert_non_null(strstr(err.text, "a.xml:1: a document type is not allowed"));
    assert_string_equal(buf_text(&b), "");
    buf_release(&b);
}

static void faults_name_the_line(void **state)
{
    buf b = BUF_INIT;
    rap_err err = { 0 };
    char deep[800] = "";

    assert_int_equal(parse(&b, "<a>\n<b></a>", &err), RAP_E_FORMAT);
    assert_string_equal(err.text, "a.xml:2: not valid XML: mismatched tag");
    assert_int_equal(parse(&b, "", &err), RAP_E_FORMAT);
    assert_int_equal(parse(&b, "<a><b>stop</b></a>", &err), RAP_E_CANCELLED);
    assert_string_equal(err.text, "stopped");
    for (int i = 0; i < XML_DEPTH + 1; i++)
        snprintf(deep + strlen(deep), sizeof deep - strlen(deep), "<a>");
    assert_int_equal(parse(&b, deep, &err), RAP_E_FORMAT);
    assert_non_null(strstr(err.text, "nested too deep"));
    buf_release(&b);
}

static void long_texts_are_refused(void **state)
{
    buf b = BUF_INIT, text = BUF_INIT;
    rap_err err = { 0 };

    buf_puts(&text, "<a>");
    for (int i = 0; i <= XML_TEXT; i++)
        buf_putc(&text, 'x');
    buf_puts(&text, "</a>");
    assert_int_equal(parse(&b, buf_text(&text), &err), RAP_E_FORMAT);
    assert_non_null(strstr(err.text, "a text of more than"));
    buf_release(&text);
    buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elements_come_at_their_end),
        cmocka_unit_test(entities_of_the_file_are_refused),
        cmocka_unit_test(faults_name_the_line),
        cmocka_unit_test(long_texts_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

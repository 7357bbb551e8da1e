/* fuzz_xml.c: XML of data sets. What is accepted has bounded paths and texts. */
#include "formats/xml.h"
#include "fuzz/fuzz.h"

#include <string.h>

static rap_status element(const char *path, const char *text, void *payload, rap_err *err)
{
    if (strlen(path) >= 1024 || strlen(text) > XML_TEXT)
        abort();
    return RAP_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    rap_err err = { 0 };

    if (xml_parse((const char *)data, size, "fuzz", element, NULL, &err) != RAP_OK &&
        (!*err.text || strchr(err.text, '\n')))
        abort();
    return 0;
}

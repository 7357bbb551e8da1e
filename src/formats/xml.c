/* xml.c: turns Expat's events into paths. */
#include "formats/xml.h"

#include "base/file.h"

#include <expat.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

typedef struct reading {
    XML_Parser parser;
    const char *name;
    xml_element *element;
    void *payload;
    rap_err *err;
    rap_status status;
    char path[1024];
    size_t end[XML_DEPTH]; /* of the path, before each open element */
    int depth;
    char text[XML_TEXT + 1];
    size_t len;
} reading;

static void stop(reading *r, const char *what)
{
    if (r->status == RAP_OK)
        r->status = err_set(r->err, RAP_E_FORMAT, "%s:%lu: %s", r->name,
                            (unsigned long)XML_GetCurrentLineNumber(r->parser), what);
    XML_StopParser(r->parser, XML_FALSE);
}

static void on_start(void *payload, const char *name, const char **attributes)
{
    reading *r = payload;
    size_t used = strlen(r->path), len = strlen(name);

    if (r->depth == XML_DEPTH || used + len + 2 > sizeof r->path) {
        stop(r, "XML nested too deep");
        return;
    }
    r->end[r->depth++] = used;
    if (used)
        r->path[used++] = '/';
    memcpy(r->path + used, name, len + 1);
    r->len = 0;
}

static void on_text(void *payload, const char *text, int len)
{
    reading *r = payload;

    if (r->len + (size_t)len > XML_TEXT) {
        stop(r, "a text of more than 4,096 bytes");
        return;
    }
    memcpy(r->text + r->len, text, (size_t)len);
    r->len += (size_t)len;
}

static void on_end(void *payload, const char *name)
{
    reading *r = payload;
    char *text = r->text;

    r->text[r->len] = '\0';
    while (*text && strchr(" \t\r\n", *text))
        text++;
    while (r->len > 0 && strchr(" \t\r\n", r->text[r->len - 1]))
        r->text[--r->len] = '\0';
    if (r->status == RAP_OK)
        r->status = r->element(r->path, text < r->text + r->len ? text : "", r->payload, r->err);
    if (r->status != RAP_OK)
        XML_StopParser(r->parser, XML_FALSE);
    r->path[r->end[--r->depth]] = '\0';
    r->len = 0;
}

static void on_doctype(void *payload, const char *name, const char *system, const char *public,
                       int internal)
{
    stop(payload,
         "a document type is not allowed, because its entities could expand without limit");
}

rap_status xml_parse(const char *bytes, size_t size, const char *name, xml_element *element,
                     void *payload, rap_err *err)
{
    reading r = { .name = name, .element = element, .payload = payload, .err = err };
    enum XML_Status parsed;

    if (size > XML_FILE)
        return err_set(err, RAP_E_LIMIT, "%s: more than %d MiB of XML", name, XML_FILE >> 20);
    r.parser = XML_ParserCreate(NULL);
    if (!r.parser)
        return err_memory(err, "reading XML");
    XML_SetUserData(r.parser, &r);
    XML_SetElementHandler(r.parser, on_start, on_end);
    XML_SetCharacterDataHandler(r.parser, on_text);
    XML_SetStartDoctypeDeclHandler(r.parser, on_doctype);
    parsed = XML_Parse(r.parser, bytes, (int)size, XML_TRUE);
    if (r.status == RAP_OK && parsed != XML_STATUS_OK) {
        enum XML_Error code = XML_GetErrorCode(r.parser);

        r.status =
            code == XML_ERROR_NO_MEMORY
                ? err_memory(err, "reading XML")
                : err_set(err, RAP_E_FORMAT, "%s:%lu: not valid XML: %s", name,
                          (unsigned long)XML_GetCurrentLineNumber(r.parser), XML_ErrorString(code));
    }
    XML_ParserFree(r.parser);
    return r.status;
}

rap_status xml_read(const char *path, xml_element *element, void *payload, rap_err *err)
{
    char *bytes = NULL;
    size_t size = 0;
    rap_status status = file_read(&bytes, &size, path, XML_FILE, err);

    if (status == RAP_OK)
        status = xml_parse(bytes, size, path, element, payload, err);
    free(bytes);
    return status;
}

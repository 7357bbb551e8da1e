/* xml.h: small XML files of data sets, read with Expat. A document is flattened: the callback gets each
 * element at its end, with its path ("annotation/object/bndbox/xmin") and its text. Document types and
 * custom entities are refused, so nothing expands; depth, text and size are limited. */
#ifndef RAP_FORMATS_XML_H
#define RAP_FORMATS_XML_H

#include "base/err.h"

#include <stddef.h>

enum { XML_DEPTH = 32, XML_TEXT = 4096, XML_FILE = 16 << 20 };

/* text: without surrounding white space, "" if the element has only children. Both are borrowed. */
typedef rap_status xml_element(const char *path, const char *text, void *payload, rap_err *err);

rap_status xml_parse(const char *bytes, size_t size, const char *name, xml_element *element,
                     void *payload, rap_err *err);
rap_status xml_read(const char *path, xml_element *element, void *payload, rap_err *err);

#endif

/* base64.h: bytes as text for JSON and data URIs, and back. */
#ifndef RAP_BASE_BASE64_H
#define RAP_BASE_BASE64_H

#include "base/buf.h"

/* Appends the bytes with padding, without line breaks. */
void base64_encode(buf *out, const void *bytes, size_t size);

/* Appends the bytes that `text` encodes; white space is skipped. false: it is not base64, and `out` is as it
 * was. Whether memory ran out says buf_failed(). */
bool base64_decode(buf *out, const char *text, size_t len);

#endif

/* buf.h: the one growable byte buffer. Always NUL-ended past `len`, so text can be read as a string.
 * Growth failures are sticky: check buf_failed() once at the end. */
#ifndef RAP_BASE_BUF_H
#define RAP_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>

typedef struct buf {
    char *data; /* NULL until the first byte; "" semantics through buf_text() */
    size_t len, cap;
    bool failed;
} buf;
#define BUF_INIT { NULL, 0, 0, false }

void buf_add(buf *b, const void *bytes, size_t len);
void buf_puts(buf *b, const char *text);
void buf_putc(buf *b, char c);
void buf_printf(buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buf_clear(buf *b);                        /* keeps the memory */
void buf_truncate(buf *b, size_t len);         /* to its first `len` bytes */
const char *buf_text(const buf *b);            /* never NULL, borrowed until the next change */
char *buf_detach(buf *b);                      /* the caller frees; never NULL unless failed */
bool buf_failed(const buf *b);
void buf_release(buf *b);

#endif

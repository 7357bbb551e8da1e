/* err.c: writing the one line of a failure. */
#include "base/err.h"
#include "base/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A line may quote untrusted names and bytes, and is printed on terminals and in JSON: control characters, line
 * separators and broken UTF-8 become '?'. Works in place, never grows. */
static void err_make_line(char *text)
{
    char *to = text;
    const char *from = text;

    while (*from) {
        unsigned code = 0;
        size_t used = text_decode(&code, from);
        if (used == 0 || text_is_control(code)) {
            *to++ = '?';
            from += used ? used : 1;
        } else {
            memmove(to, from, used);
            to += used;
            from += used;
        }
    }
    *to = '\0';
}

static bool is_inside_character(char byte)
{
    return ((unsigned char)byte & 0xC0) == 0x80;
}

/* A text that is too long loses its middle: it begins with the name of what failed and ends with the reason. */
static void err_shorten(char *out, size_t size, const char *text, size_t len)
{
    static const char gap[] = "\u2026";
    size_t head = size / 2, tail = size - head - sizeof gap;
    const char *end = text + len - tail;

    while (head > 0 && is_inside_character(text[head]))
        head--;
    while (is_inside_character(*end))
        end++;
    memcpy(out, text, head);
    memcpy(out + head, gap, sizeof gap - 1);
    memmove(out + head + sizeof gap - 1, end, strlen(end) + 1);
}

/* A text of `len` bytes. Without memory for it `out` keeps what vsnprintf() could write. */
static void err_write_long(char *out, size_t size, size_t len, const char *format, va_list args)
{
    char *text = malloc(len + 1);

    if (text && vsnprintf(text, len + 1, format, args) >= 0)
        err_shorten(out, size, text, len);
    free(text);
}

rap_status err_set(rap_err *err, rap_status status, const char *format, ...)
{
    va_list args, again;
    int len;

    if (!err)
        return status;
    err->status = status;
    va_start(args, format);
    va_copy(again, args);
    len = vsnprintf(err->text, sizeof err->text, format, args);
    if (len < 0)
        err->text[0] = '\0';
    else if ((size_t)len >= sizeof err->text)
        err_write_long(err->text, sizeof err->text, (size_t)len, format, again);
    va_end(again);
    va_end(args);
    err_make_line(err->text);
    return status;
}

rap_status err_memory(rap_err *err, const char *doing)
{
    return err_set(err, RAP_E_MEMORY, "out of memory while %s", doing);
}

rap_status err_file(rap_err *err, const char *path, const char *doing)
{
    int reason = errno;
    char memory[128];
    const char *text = strerror_r(reason, memory, sizeof memory);

    if (reason == ENOENT || reason == ENOTDIR)
        return err_set(err, RAP_E_NOT_FOUND, "%s: no such file or folder", path);
    if (reason == ENXIO)
        return err_set(err, RAP_E_ARGUMENT, "%s: is a socket or an absent device, not a file",
                       path);
    if (reason == ENOMEM)
        return err_memory(err, doing);
    return err_set(err, RAP_E_IO, "%s: %s failed: %s", path, doing, text);
}

void err_clear(rap_err *err)
{
    if (!err)
        return;
    err->status = RAP_OK;
    err->text[0] = '\0';
}

/* err.c: writing the one line of a failure. */
#include "base/err.h"
#include "base/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
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

/* vsnprintf may have split a character at the end, which would become a row of '?'. */
static void err_cut_partial(char *text, size_t size)
{
    size_t len = strlen(text), back = 0;
    unsigned code;

    if (len + 1 < size)
        return;
    while (back < 3 && back < len && ((unsigned char)text[len - 1 - back] & 0xC0) == 0x80)
        back++;
    if (back < len && text_decode(&code, text + len - 1 - back) != back + 1)
        text[len - 1 - back] = '\0';
}

rap_status err_set(rap_err *err, rap_status status, const char *format, ...)
{
    va_list args;

    if (!err)
        return status;
    err->status = status;
    va_start(args, format);
    if (vsnprintf(err->text, sizeof err->text, format, args) < 0)
        err->text[0] = '\0';
    va_end(args);
    err_cut_partial(err->text, sizeof err->text);
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

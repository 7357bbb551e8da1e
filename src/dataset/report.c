/* report.c: counts by reason. */
#include "dataset/report.h"

#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *drop_reason_text(drop_reason reason)
{
    static const char *const text[] = {
        "the picture is missing or damaged",
        "the box is not in its picture",
        "the box is too small",
        "a crowd under one box",
        "an image or category that the file does not define",
        "only one usable picture of the object",
        "a text that cannot be used",
        "more concepts than the limit",
        "a path that leads out of its folder",
        "the picture has another size than the annotation says",
        "an id that an earlier entry has",
    };

    return reason >= 0 && reason < DROP_REASONS ? text[reason] : "unknown";
}

void report_copy(char *out, size_t size, const char *text)
{
    size_t used = 0;

    while (*text && used + 1 < size) {
        unsigned code_point;
        size_t len = text_decode(&code_point, text);

        if (len == 0 || text_is_control(code_point)) {
            out[used++] = '?';
            text += len ? len : 1;
        } else if (used + len < size) {
            memcpy(out + used, text, len);
            used += len;
            text += len;
        } else {
            break;
        }
    }
    out[used] = '\0';
}

void report_drop(dataset_report *r, drop_reason reason, const char *format, ...)
{
    char line[1024];
    va_list args;

    if (r->dropped[reason]++ > 0)
        return;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    report_copy(r->first[reason], sizeof r->first[reason], line);
}

void report_add(dataset_report *to, const dataset_report *from)
{
    to->read += from->read;
    for (int i = 0; i < DROP_REASONS; i++) {
        if (to->dropped[i] == 0)
            memcpy(to->first[i], from->first[i], sizeof to->first[i]);
        to->dropped[i] += from->dropped[i];
    }
}

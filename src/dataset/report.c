/* report.c: counts by reason. */
#include "dataset/report.h"

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
    };

    return reason >= 0 && reason < DROP_REASONS ? text[reason] : "unknown";
}

void report_drop(dataset_report *r, drop_reason reason, const char *format, ...)
{
    va_list args;

    if (r->dropped[reason]++ > 0)
        return;
    va_start(args, format);
    vsnprintf(r->first[reason], sizeof r->first[reason], format, args);
    va_end(args);
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

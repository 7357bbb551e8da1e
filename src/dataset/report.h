/* report.h: what was read, what was left out and why: counted by reason, with the first case of each in full. */
#ifndef RAP_DATASET_REPORT_H
#define RAP_DATASET_REPORT_H

#include "base/buf.h"

#include <stdint.h>

typedef enum drop_reason {
    DROP_NO_PICTURE,  /* the file is not there or cannot be decoded   */
    DROP_OUTSIDE,     /* a box that is not in its picture             */
    DROP_SMALL,       /* a box with a side under the least            */
    DROP_CROWD,       /* a group marked as one (iscrowd)              */
    DROP_REFERENCE,   /* names an image or category that is not there */
    DROP_NO_PAIR,     /* a track or folder with one usable picture    */
    DROP_TEXT,        /* a caption or answer that cannot be used      */
    DROP_CONCEPTS,    /* more concepts than the limit                 */
    DROP_PATH,        /* a path that leads out of its folder          */
    DROP_SIZE,        /* a picture of another size than annotated     */
    DROP_TWICE,       /* an id that an earlier entry has              */
    DROP_REASONS
} drop_reason;

typedef struct dataset_report {
    uint64_t read; /* annotations, frames, pictures, conversations */
    uint64_t dropped[DROP_REASONS];
    char first[DROP_REASONS][256]; /* "" or the first case */
} dataset_report;

void report_drop(dataset_report *r, drop_reason reason, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void report_add(dataset_report *to, const dataset_report *from);
/* `text` as a line can hold it, in at most size − 1 bytes: whole characters, what is no UTF-8 or a control character
 * as '?'. */
void report_copy(char *out, size_t size, const char *text);
const char *drop_reason_text(drop_reason reason); /* "the picture is missing or damaged" */

#endif

/* bars.h: measures as bars on a page, a group a measure. */
#ifndef RAP_EVAL_BARS_H
#define RAP_EVAL_BARS_H

#include "base/err.h"

typedef struct bar {
    char label[32];
    double share; /* 0 to 1: the bar; drawn in percent beside it */
    int items;    /* of how many, in brackets */
} bar;

enum { BARS = 16 };

typedef struct bar_group {
    char title[96];
    bar bar[BARS];
    int bars;
} bar_group;

/* Writes a PNG. */
rap_status bars_draw(const bar_group *group, int groups, const char *png, rap_err *err);

#endif

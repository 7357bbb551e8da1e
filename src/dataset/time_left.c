/* time_left.c: see time_left.h. */
#include "dataset/time_left.h"

#include <stdio.h>

void time_left(char out[64], const char *what, double ms, uint64_t done, uint64_t total)
{
    double left = done > 0 && done < total ? ms / (double)done * (double)(total - done) / 1000 : 0;

    if (left <= 0)
        snprintf(out, 64, "%s", what);
    else if (left < 90)
        snprintf(out, 64, "%s, %3.0f s left  ", what, left);
    else if (left < 5400)
        snprintf(out, 64, "%s, %3.0f min left", what, left / 60);
    else
        snprintf(out, 64, "%s, %3.0f h left  ", what, left / 3600);
}

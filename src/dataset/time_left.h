/* time_left.h: what is under way, with the time that it will still take, for a line of progress. */
#ifndef RAP_DATASET_TIME_LEFT_H
#define RAP_DATASET_TIME_LEFT_H

#include <stdint.h>

/* "asking,  12 s left"; `what` alone where nothing is done yet, or all. ms: since `done` was 0. */
void time_left(char out[64], const char *what, double ms, uint64_t done, uint64_t total);

#endif

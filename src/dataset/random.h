/* random.h: numbers drawn by name. A draw depends on the seed, on what it is for and on whom it is about, never on
 * how many were drawn before, so that threads and interruptions change nothing. */
#ifndef RAP_DATASET_RANDOM_H
#define RAP_DATASET_RANDOM_H

#include <stddef.h>
#include <stdint.h>

typedef struct draw {
    uint64_t state;
} draw;

/* purpose: "name", "template" …; key: of the item. */
draw draw_for(uint64_t seed, const char *purpose, const char *key);
uint64_t draw_bits(draw *d);
double draw_share(draw *d);                 /* 0 ≤ x < 1 */
double draw_between(draw *d, double low, double high);
size_t draw_below(draw *d, size_t count);   /* 0 … count−1; count > 0 */

#endif

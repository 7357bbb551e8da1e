/* feature_cache.h: pictures' features kept on disk between trainings.
 *
 * One file a picture, named by what decides the numbers: the picture's bytes, the models, how it is shown, and whether the
 * numbers are those before the projector. A damaged file counts as none. Files lie in $RAP_FEATURE_CACHE (0: nothing is
 * kept), $XDG_CACHE_HOME/rap/features or ~/.cache/rap/features, 8 GiB at most: those that were not used for longest make
 * room; what this run has used stays. */
#ifndef RAP_TRAIN_FEATURE_CACHE_H
#define RAP_TRAIN_FEATURE_CACHE_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct feature_cache feature_cache;

/* NULL: nothing is kept, which all calls take. */
feature_cache *feature_cache_open(void);
void feature_cache_close(feature_cache *c);
void feature_cache_limit(feature_cache *c, uint64_t bytes); /* instead of 8 GiB */

typedef struct features {
    int32_t *cells; /* [count] what it takes in a sequence: tokens, −1 for each row */
    float *rows;    /* [row_count, width] */
    int32_t count, row_count;
    int64_t width;
} features;
void features_release(features *f);

/* The name of a picture's file from its path and what else decides (text). False: it cannot be read. */
bool feature_cache_name(char out[65], const char *picture, const char *text);
bool feature_cache_read(features *out, feature_cache *c, const char *name, int64_t width);
/* Keeps it where it can; failing costs time later and nothing else. */
void feature_cache_write(feature_cache *c, const char *name, const features *f);

#endif

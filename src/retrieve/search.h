/* search.h: exact nearest neighbours over L2-normalised vectors. */
#ifndef RAP_RETRIEVE_SEARCH_H
#define RAP_RETRIEVE_SEARCH_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

typedef struct search_index search_index;

/* Copies and normalises data [count, dim]; several rows may share one id (views of one concept). */
rap_status search_index_new(search_index **out, const float *data, const int64_t *id, size_t count,
                            int dim, rap_err *err);
void search_index_free(search_index *index);
size_t search_index_count(const search_index *index);

typedef struct search_hit {
    int64_t id;
    float distance; /* Euclidean on unit vectors */
} search_hit;

/* The k nearest distinct ids of each query: out [queries, k], unused entries id -1. query
 * [queries, dim] need not be normalised. threads ≥ 1. */
rap_status search_nearest(const search_index *index, const float *query, int queries, int k,
                          int threads, search_hit *out, rap_err *err);

#endif

/* search.h: exact nearest neighbours over L2-normalised vectors. */
#ifndef RAP_RETRIEVE_SEARCH_H
#define RAP_RETRIEVE_SEARCH_H

#include "base/err.h"
#include "retrieve/sketch.h"

typedef struct search_index search_index;

/* Copies and normalises data [count, dim]; several rows may share one id (views of one concept). */
rap_status search_index_new(search_index **out, const float *data, const int64_t *id, size_t count,
                            int dim, rap_err *err);

/* Packed rows in the caller's memory, such as a mapped file; borrowed. */
typedef struct search_rows {
    size_t count;
    const int64_t *id;         /* [count], −1: no row */
    const search_bound *bound; /* [count] */
    const int8_t *code;        /* [count, stride], 64-byte aligned */
    const float *unit;         /* [count, stride], 64-byte aligned */
    const uint64_t *sum;       /* [count], search_sum() of each unit row; NULL: not checked */
    const sketch_line *sketch[SKETCH_LINES]; /* [count], 64-byte aligned; unused without `basis` */
    const float *basis; /* [SKETCH_LINES, SKETCH_DIMS, dim]; one that is not orthonormal, or NULL: none */
} search_rows;
rap_status search_index_over(search_index **out, const search_rows *rows, int dim, rap_err *err);
uint64_t search_sum(const float *unit, int stride);

/* Appends copies. Vectors without a direction (zero, not finite) are left out. */
rap_status search_index_add(search_index *index, const float *data, const int64_t *id, size_t count,
                            rap_err *err);
void search_index_free(search_index *index);
size_t search_index_count(const search_index *index);

typedef struct search_hit {
    int64_t id;
    float distance; /* Euclidean on unit vectors */
} search_hit;

/* The k nearest distinct ids of each query: out [queries, k], unused entries id -1. query
 * [queries, dim] need not be normalised. threads ≥ 1. RAP_E_FORMAT: a row does not match its sum. */
rap_status search_nearest(const search_index *index, const float *query, int queries, int k,
                          int threads, search_hit *out, rap_err *err);

/* The same with a given kernel of search_kernel_get(), for tests and benchmarks. */
rap_status search_nearest_by(const search_kernel *kernel, const search_index *index,
                             const float *query, int queries, int k, int threads, search_hit *out,
                             rap_err *err);

#endif

/* search_rows.h: a vector as it is searched, and the dot products of many of them.
 *
 * A row is kept twice. `unit` is the vector at length 1 in f32: what distances are computed from. `code`
 * is the same in a quarter of the bytes, one signed byte per number times the row's `scale`; `slack` is
 * the length of what the bytes leave out. A scan reads codes only: unit · query lies within
 * slack (and the query's own slack) of the codes' dot product, for certain (Cauchy–Schwarz), so a row
 * whose upper bound is below the k-th best can be passed over without reading it in f32. */
#ifndef RAP_RETRIEVE_SEARCH_ROWS_H
#define RAP_RETRIEVE_SEARCH_ROWS_H

#include <stddef.h>
#include <stdint.h>

#define SEARCH_PACKING 3 /* changes whenever a row would be packed otherwise */
#define SEARCH_TILE 4    /* queries are padded to whole tiles */

typedef struct search_bound {
    float scale, slack;
} search_bound;

/* Numbers of a packed row: the dimension, padded with zeros to whole cache lines of codes. */
int search_stride(int dim);

/* code [stride], unit [stride]. False, and all zero, where no direction exists: zero, infinite or not a
 * number. */
int search_pack(search_bound *bound, int8_t *code, float *unit, const float *vector, int dim);

/* A query of unit length [dim] in 16 bits: code [stride]. */
void search_pack_query(search_bound *bound, int16_t *code, const float *unit, int dim);

/* The largest that unit · query can be, given the codes' dot product. */
static inline float search_upper(int32_t dot, search_bound row, search_bound query)
{
    return (float)dot * (row.scale * query.scale) + row.slack +
           (query.slack * (1 + row.slack) + 2e-6f); /* what f32 itself leaves out, generously */
}

/* out [queries, room] of `rows` rows of codes with `queries` (a whole number of tiles); room ≥ rows. */
typedef void search_dots(int32_t *out, int room, const int8_t *row, int rows, const int16_t *query,
                         int queries, int stride);
/* |a − b|² */
typedef double search_square(const float *a, const float *b, int stride);
/* out [count] = basis [count, dim] · vector [dim]; count is a multiple of four */
typedef void search_project(float *out, const float *basis, int count, const float *vector, int dim);

typedef struct search_kernel {
    const char *name;
    search_dots *dots;
    search_square *square;
    search_project *project;
} search_kernel;

/* The best that this processor can run; number 1, 2, … are the lesser ones, NULL at the end. */
const search_kernel *search_kernel_get(int number);

#endif

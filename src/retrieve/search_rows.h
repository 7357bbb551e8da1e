/* search_rows.h: the packed form of a vector, and dot products of many of them.
 *
 * A row is kept twice. `unit` is the normalised vector in f32, from which distances are computed. `code` is the same in
 * a quarter of the bytes: one signed byte per number, times the row's `scale`; `slack` is the length of the rounding
 * error. A scan reads only codes: by Cauchy–Schwarz, unit · query differs from the codes' dot product by at most slack
 * (and the query's own slack), so a row whose upper bound is below the k-th best is skipped without reading its f32. */
#ifndef RAP_RETRIEVE_SEARCH_ROWS_H
#define RAP_RETRIEVE_SEARCH_ROWS_H

#include <stddef.h>
#include <stdint.h>

#define SEARCH_PACKING 3 /* changes whenever the packed form does */
#define SEARCH_TILE 4    /* queries are padded to whole tiles */

typedef struct search_bound {
    float scale, slack;
} search_bound;

/* Numbers of a packed row: the dimension, padded with zeros to whole cache lines of codes. */
int search_stride(int dim);

/* code [stride], unit [stride]. False, and all zero, if the vector has no direction: zero, infinite or NaN. */
int search_pack(search_bound *bound, int8_t *code, float *unit, const float *vector, int dim);

/* A query of unit length [dim] in 16 bits: code [stride]. */
void search_pack_query(search_bound *bound, int16_t *code, const float *unit, int dim);

/* The upper bound of unit · query, given the codes' dot product. */
static inline float search_upper(int32_t dot, search_bound row, search_bound query)
{
    return (float)dot * (row.scale * query.scale) + row.slack +
           (query.slack * (1 + row.slack) + 2e-6f); /* for rounding in f32, generously */
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

/* Number 0 is the fastest kernel that this processor can run, 1, 2, … are slower ones, then NULL. */
const search_kernel *search_kernel_get(int number);

#endif

/* sketch.h: two cache lines per row that tell of most rows that they are not near a query.
 *
 * The features of an encoder lie close to a plane of few dimensions. `basis` spans the 112 in which a sample
 * of the store's vectors has most of its length (principal components, the mean not taken off), the longest
 * first. A sketch is a row's coordinates there, a byte each, 56 to a line. Each line has `rest` as well: the
 * length of what neither it nor the line before it holds. For unit vectors
 *
 *     x · q  =  x in the plane · q in the plane  +  outside · outside  ≤  the coordinates' product + rest · rest
 *
 * for certain (Cauchy–Schwarz), whatever the basis, as long as it is orthonormal; a good one makes the bound
 * tight. So a scan that reads the first line of all rows, an eighth of the codes' bytes, and the second of
 * those that are left, looks at few codes, and the answer is exact. Vectors without such a plane, made-up noise
 * for one, gain nothing: search.c notices, and scans codes. */
#ifndef RAP_RETRIEVE_SKETCH_H
#define RAP_RETRIEVE_SKETCH_H

#include "retrieve/search_rows.h"

#define SKETCH_LINES 2
#define SKETCH_DIMS 56     /* of a line */
#define SKETCH_BYTES 64    /* of a line */
#define SKETCH_SAMPLE 4096 /* vectors that a basis is made from: no fewer */

typedef struct sketch_line {
    int8_t code[SKETCH_DIMS];
    float scale, rest; /* where the code of a query is zero */
} sketch_line;

/* Whether vectors of this many numbers are long enough to be worth it. */
int sketch_useful(int dim);

/* basis [SKETCH_LINES, SKETCH_DIMS, dim] from sample [count, dim], at any length. False, and all zero: too few, too
 * short, no memory. */
int sketch_basis_make(float *basis, const float *sample, size_t count, int dim);
/* Orthonormal, as every bound needs it; a basis of zeros is not. */
int sketch_basis_is_whole(const float *basis, int dim);

/* Of a unit vector [dim]. */
void sketch_pack(sketch_line *const out[SKETCH_LINES], const float *basis, const float *unit,
                 int dim);
/* Queries go through a sieve eight at a time. What makes the upper bound of a row's dot product with each:
 * Σ over the lines of (dot · its `dot` + its `code`) · the row's scale + its `slack`, then `rest` · rest of the
 * last line. Of a query that is not there `slack` is −∞. */
#define SKETCH_GROUP 8

typedef struct sketch_group {
    _Alignas(64) int16_t code_of[SKETCH_LINES][SKETCH_GROUP][SKETCH_BYTES];
    struct {
        float dot[SKETCH_GROUP], code[SKETCH_GROUP], slack[SKETCH_GROUP], rest[SKETCH_GROUP];
    } line[SKETCH_LINES];
} sketch_group;

/* `out` begins as zeros. */
void sketch_pack_query(sketch_group *out, int number, const float *basis, const float *unit, int dim);
void sketch_no_query(sketch_group *out, int number);

/* Rows of a block on their way through the lines. */
typedef struct sketch_left {
    int count;
    int *row;    /* [count] */
    float *base; /* [count, groups, SKETCH_GROUP]: the sums of the bounds so far, without the rests */
} sketch_left;

/* Leaves the rows whose bound, with one line more, reaches that of any query: reach [groups,
 * SKETCH_GROUP]. Line 0 comes first: its `left` names the rows 0 to count − 1, and `base` is not read. */
void sketch_sieve(sketch_left *left, int number, const sketch_line *line,
                  const sketch_group *group, int groups, const float *reach);

/* The same without vector instructions: for comparing them. */
void sketch_sieve_plain(sketch_left *left, int number, const sketch_line *line,
                        const sketch_group *group, int groups, const float *reach);

#endif

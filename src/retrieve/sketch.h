/* sketch.h: two cache lines per row that rule out most rows for a query.
 *
 * The features of an encoder lie close to a subspace of few dimensions, the plane. `basis` spans the 112 principal
 * components of a sample of the store's vectors (mean not subtracted), largest first. A sketch is a row's coordinates
 * there, one byte each, 56 per line. Each line also has `rest`: the length of the part of the row that neither this
 * line nor the one before it holds. For unit vectors
 *
 *     x · q  =  x in the plane · q in the plane  +  outside · outside  ≤  the coordinates' product + rest · rest
 *
 * by Cauchy–Schwarz, for every orthonormal basis; a good basis makes the bound tight. So a scan reads the first line of
 * all rows (an eighth of the codes' bytes), the second line of the rows that are left, and few codes, and the result is
 * exact. Vectors without such a plane, such as random noise, gain nothing; search.c notices and scans the codes. */
#ifndef RAP_RETRIEVE_SKETCH_H
#define RAP_RETRIEVE_SKETCH_H

#include "retrieve/search_rows.h"

#define SKETCH_LINES 2
#define SKETCH_DIMS 56     /* of a line */
#define SKETCH_BYTES 64    /* of a line */
#define SKETCH_SAMPLE 4096 /* the least number of vectors that a basis is made from */

typedef struct sketch_line {
    int8_t code[SKETCH_DIMS];
    float scale, rest; /* the code of zero in a query */
} sketch_line;

/* Whether sketches pay off for vectors of this dimension. */
int sketch_useful(int dim);

/* basis [SKETCH_LINES, SKETCH_DIMS, dim] from sample [count, dim], not necessarily normalised. False, and all zero, if
 * there are too few vectors, they are too short, or memory ran out. */
int sketch_basis_make(float *basis, const float *sample, size_t count, int dim);
/* Is the basis orthonormal, as the bounds require? A basis of zeros is not. */
int sketch_basis_is_whole(const float *basis, int dim);

/* Of a unit vector [dim]. */
void sketch_pack(sketch_line *const out[SKETCH_LINES], const float *basis, const float *unit,
                 int dim);
/* Eight queries for the sieve. The upper bound of a row's dot product with each is
 * Σ over the lines of (dot · its `dot` + its `code`) · the row's scale + its `slack`, plus `rest` · rest of the
 * last line. Unused queries have a `slack` of −∞. */
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

/* The rows of a block that are left after the lines so far. */
typedef struct sketch_left {
    int count;
    int *row;    /* [count] */
    float *base; /* [count, groups, SKETCH_GROUP]: the sums of the bounds so far, without the rests */
} sketch_left;

/* Keeps the rows whose bound, with one more line, reaches that of any query: reach [groups, SKETCH_GROUP]. For line 0
 * `left` must name the rows 0 to count − 1, and `base` is not read. */
void sketch_sieve(sketch_left *left, int number, const sketch_line *line,
                  const sketch_group *group, int groups, const float *reach);

/* The same without vector instructions, for tests. */
void sketch_sieve_plain(sketch_left *left, int number, const sketch_line *line,
                        const sketch_group *group, int groups, const float *reach);

#endif

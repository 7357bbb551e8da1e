/* vector.h: arithmetic on vectors of f32, overlap of boxes, principal axes. Sums are kept in double. */
#ifndef RAP_BASE_VECTOR_H
#define RAP_BASE_VECTOR_H

#include "rap.h"

#include <stdbool.h>

double vector_dot(const float *a, const float *b, int dim);
double vector_square_distance(const float *a, const float *b, int dim);

/* 1 / length; 0 for a vector without a direction: all zeros, or not finite. */
double vector_unit_scale(const float *x, int dim);
/* out = in / length, in place too. False, and all zeros, for a vector without a direction. */
bool vector_normalise(float *out, const float *in, int dim);

/* Intersection over union; 0 for boxes without an area. */
float box_iou(rap_box a, rap_box b);

/* out [count, dim] = axes [count, dim] · a symmetric matrix [dim, dim] that `payload` knows. */
typedef void vector_times_fn(float *out, const float *axes, void *payload);

/* axes [count, dim] = the first principal components of a positive semidefinite matrix, by orthogonal iteration from a
 * fixed start. It ends after `rounds`, or when a round adds no more than the share `enough` to the variance along all axes.
 * next [count, dim] = axes · matrix. Returns the number of axes with a direction; the others are zeros. */
int vector_principal_axes(float *axes, float *next, int count, int dim, int rounds, double enough,
                          vector_times_fn *times, void *payload);

#endif

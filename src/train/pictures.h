/* pictures.h: the projected features of a data set's pictures, each computed once and kept in an unnamed temporary file. */
#ifndef RAP_TRAIN_PICTURES_H
#define RAP_TRAIN_PICTURES_H

#include "generate/vlm.h"

#include <stdbool.h>

typedef struct pictures pictures;

/* Its file lies in `folder`; NULL: only the first picture is encoded, and all are counted as long as that one.
 * before_projector: what LLaVA's projector takes in, of tower_keep_features(), instead of what it makes. */
rap_status pictures_open(pictures **out, vlm *v, const char *folder, bool before_projector, rap_err *err);
void pictures_close(pictures *p); /* NULL-safe */

/* The number of the picture at `path`, encoded now if it is new. A concept's is made smaller, as when it is asked about. */
rap_status pictures_add(size_t *out_number, pictures *p, const char *path, bool of_concept, rap_err *err);
/* What it takes in a sequence: tokens around its rows, −1 for each row. */
const int32_t *pictures_cells(int32_t *out_count, const pictures *p, size_t number);
int64_t pictures_width(const pictures *p); /* of a row */
/* out [rows, width] */
rap_status pictures_read(float *out, const pictures *p, size_t number, rap_err *err);
int32_t pictures_rows(const pictures *p, size_t number);
size_t pictures_count(const pictures *p);
size_t pictures_from_cache(const pictures *p); /* of them not encoded in this run (feature_cache.h) */

#endif

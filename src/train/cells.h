/* cells.h: what stands in the places of a training sequence, wherever it is made (lesson.h, concept/sequence.h). */
#ifndef RAP_TRAIN_CELLS_H
#define RAP_TRAIN_CELLS_H

#include "generate/vlm.h"

#include <stdint.h>

struct picture; /* generate/picture.h */

enum { CELL_ROW = -1 }; /* a row of a picture; other cells are tokens */

/* The places of a picture in mtmd's order: tokens around its rows. free(*out). */
rap_status cells_of_picture(int32_t **out, int32_t *out_count, const struct picture *pic,
                            rap_err *err);

/* What stands between "ASSISTANT:" and the answer: a space, as LLaVA writes it, unless the vocabulary begins texts
 * without one. */
const char *cells_before_answer(const vlm *v);

#endif

/* projector_part.h: the projector's part in a training: whether it is trained, its rows before a batch runs, its gradient
 * behind one, its step. */
#ifndef RAP_TRAIN_PROJECTOR_PART_H
#define RAP_TRAIN_PROJECTOR_PART_H

#include "generate/vlm.h"
#include "train/batch.h"
#include "train/projector.h"

typedef struct projector_part {
    gguf_file *mmproj; /* NULL: the projector is not trained */
    projector p;
    real *m, *v, *dout; /* Adam's; [rows, out] */
} projector_part;

/* Opens the mmproj when the projector can be trained, and has the tower keep features. Where it cannot, the reason is the
 * error with `must`, and else written to `why`. */
rap_status projector_part_choose(projector_part *out, bool must, vlm *v, char why[160], rap_err *err);
/* Numbers and room for `rows` rows. */
rap_status projector_part_open(projector_part *out, int64_t rows, int threads, rap_err *err);
void projector_part_close(projector_part *p);
double projector_part_bytes(const projector_part *p, int64_t rows); /* with Adam's; 0 when it is not trained */

/* Each does nothing where the projector is not trained. */
void projector_part_run(projector_part *p, const batch *b);
void projector_part_back(projector_part *p, const batch *b, const real *input_gradient);
void projector_part_step(projector_part *p, int64_t t, double lr, double scale, int threads);
double projector_part_norm(const projector_part *p, int threads); /* of the gradient */
/* Writes mmproj to `path`. */
rap_status projector_part_write(const projector_part *p, const char *path, rap_err *err);

#endif

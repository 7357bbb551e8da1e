/* ours.h: one network of ours as bench_compare runs it: pixels in, the numbers of the exported network out. */
#ifndef RAP_BENCH_OURS_H
#define RAP_BENCH_OURS_H

#include "nn/nn.h"
#include "vision/yolo_world.h"

typedef struct ours {
    gguf_file *file; /* of an encoder; a detector has its own */
    nn *n;
    nn_graph *graph;
    yolo_world *detector;  /* NULL: an encoder */
    yolo_vocabulary *names; /* of the detector */
    int64_t size, numbers; /* side of the picture; of the result */
    int64_t boxes;         /* of these, the numbers of boxes, which come first; 0: an encoder */
    float *out;
} ours;

/* MODEL.gguf, and for a detector the embeddings of its names in MODEL.names. */
rap_status ours_open(ours *out, const char *model, int threads, nn_precision p, rap_err *err);
void ours_close(ours *o);
/* pixels [size, size, 3] → o->out [numbers] */
rap_status ours_run(ours *o, const float *pixels, rap_err *err);

#endif

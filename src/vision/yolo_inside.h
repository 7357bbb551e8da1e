/* yolo_inside.h: the parts of the YOLO-World detector, shared by the yolo_*.c files only.
 *
 * Reading order: yolo_detect.c (open, detect), yolo_graph.c (backbone, neck and head as one graph),
 * yolo_text.c (everything that depends on the vocabulary), yolo_letterbox.c (picture in), yolo_boxes.c
 * (boxes out). Letters: S image size, T names, E width of a text embedding, R bins of a box side, C
 * channels, P = H · W positions of a map. */
#ifndef RAP_VISION_YOLO_INSIDE_H
#define RAP_VISION_YOLO_INSIDE_H

#include "nn/nn.h"
#include "vision/yolo_world.h"

#include <pthread.h>

#define YOLO_ATTENTIONS 4
#define YOLO_LEVELS 3
#define YOLO_MAX_SIZE 2048
#define YOLO_BLOCK 64 /* positions per matrix product in an attention */

/* Max-sigmoid attention of one C2fAttn: weights each head's channels by its best name. */
typedef struct yolo_attention {
    int64_t places, width; /* P, and all heads together */
    int heads;
    float *gl;      /* [width, E] */
    float *gl_bias; /* [width] */
    float *bias;    /* [heads] */
    int index;      /* 0 to 3 */
    const struct yolo_run *run;
} yolo_attention;

/* The names of one vocabulary, premultiplied with the weights they are used with. */
struct yolo_vocabulary {
    int names;                     /* T */
    float *guide[YOLO_ATTENTIONS]; /* [T, width]: gl of the names */
    float *text[YOLO_LEVELS];      /* [T, C]: cv3's last layer, norm, scale and names in one */
    float *text_bias[YOLO_LEVELS]; /* [T] */
};

/* The per-run memory that depends on the vocabulary. */
typedef struct yolo_run {
    const yolo_vocabulary *vocabulary;
    float *block;     /* [threads, YOLO_BLOCK, T]: shared, since the attentions run one by one */
    float *scores;    /* [anchors, T] */
    size_t names;     /* names there is memory for */
} yolo_run;

/* One of the three maps that boxes are read from. */
typedef struct yolo_level {
    int side, stride;          /* P = side² */
    int64_t width;             /* C of `features` */
    float *sides;              /* [P, 4 · R]: the graph's output */
    float *features;           /* [P, C]: the graph's output */
    float *embed, *embed_bias; /* [E, C], [E]: the last layer of cv3, not in the graph */
    float *scale, *shift;      /* [E]: batch norm of the contrastive head */
    float bias, logit_scale;
} yolo_level;

struct yolo_world {
    gguf_file *file;
    nn *n;
    nn_graph *graph;
    int size, text_dim, bins; /* S, E, R */
    int heads[YOLO_ATTENTIONS];
    yolo_attention attention[YOLO_ATTENTIONS];
    yolo_level level[YOLO_LEVELS];
    int anchors; /* positions of the three maps together */
    pthread_mutex_t lock; /* guards what a run writes: the graph, the levels' outputs, and these */
    float *canvas;        /* [S, S, 3] */
    yolo_run run;
};

/* ---- yolo_detect.c */
/* Runs the network on the canvas and scores every position: fills the levels and y->run.scores. */
rap_status yolo_forward(yolo_world *y, const yolo_vocabulary *v, rap_err *err);

/* ---- yolo_graph.c */
rap_status yolo_build(yolo_world *y, rap_err *err);

/* ---- yolo_text.c */
rap_status yolo_read_attention(yolo_world *y, int which, int model_index, rap_err *err);
rap_status yolo_read_head(yolo_world *y, int level, rap_err *err);
/* The custom step of an attention: in[0] embedding [P, width], in[1] values [P, width]. */
nn_custom_fn yolo_attend;
/* Allocates memory for a run with this vocabulary, which it borrows. */
rap_status yolo_run_prepare(yolo_world *y, const yolo_vocabulary *v, rap_err *err);
/* Computes scores [P, T] of one level from its features. */
rap_status yolo_score(const yolo_world *y, int level, float *scores, rap_err *err);
void yolo_text_release(yolo_world *y);

/* ---- yolo_letterbox.c */
typedef struct yolo_letterbox {
    float gain_x, gain_y; /* canvas pixels per picture pixel; sides are rounded separately */
    int left, top;        /* of the picture on the canvas */
} yolo_letterbox;
/* canvas [size, size, 3] in 0..1. */
yolo_letterbox yolo_fit(float *canvas, int size, const image *im);

/* ---- yolo_boxes.c */
/* The box at position p of a level: xyxy in canvas pixels. */
void yolo_decode(float out[4], const yolo_level *level, int bins, int p);
rap_status yolo_collect(const yolo_world *y, const image *im, yolo_letterbox fit,
                        const detect_options *options, detection **out, int *out_count,
                        rap_err *err);

#endif

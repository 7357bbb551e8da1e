/* yolo_inside.h: the parts of the YOLO-World detector, shared by the yolo_*.c files only.
 *
 * Reading order: yolo_world.c (open, vocabulary, detect), yolo_graph.c (backbone, neck and head as one
 * graph), yolo_text.c (everything that depends on the vocabulary), yolo_letterbox.c (picture in),
 * yolo_boxes.c (boxes out). Letters: S image size, T names, E width of a text embedding, R bins of a
 * box side, C channels, P = H · W places of a map. */
#ifndef RAP_VISION_YOLO_INSIDE_H
#define RAP_VISION_YOLO_INSIDE_H

#include "nn/nn.h"
#include "vision/yolo_world.h"

#define YOLO_ATTENTIONS 4
#define YOLO_LEVELS 3
#define YOLO_MAX_SIZE 2048
#define YOLO_BLOCK 64 /* places that one matrix product of an attention takes together */

/* Max-sigmoid attention of one C2fAttn: weighs each head's channels by its best name. */
typedef struct yolo_attention {
    int64_t places, width; /* P, and all heads together */
    int heads;
    float *gl;      /* [width, E] */
    float *gl_bias; /* [width] */
    float *bias;    /* [heads] */
    float *guide;   /* [T, width]: gl of the vocabulary */
    const struct yolo_text_room *room;
} yolo_attention;

/* Scores of a block of places, one piece for each thread; shared, since steps run one by one. */
typedef struct yolo_text_room {
    float *scores; /* [threads, YOLO_BLOCK, T] */
    int names;     /* T; 0 before a vocabulary is set */
} yolo_text_room;

/* One of the three maps that boxes are read from. */
typedef struct yolo_level {
    int side, stride;          /* P = side² */
    int64_t width;             /* C of `features` */
    float *sides;              /* [P, 4 · R]: the graph's output */
    float *features;           /* [P, C]: the graph's output */
    float *embed, *embed_bias; /* [E, C], [E]: the last layer of cv3, not in the graph */
    float *scale, *shift;      /* [E]: batch norm of the contrastive head */
    float bias, logit_scale;
    float *text;      /* [T, C]: that layer, norm, scale and vocabulary in one */
    float *text_bias; /* [T] */
} yolo_level;

struct yolo_world {
    gguf_file *file;
    nn *n;
    nn_graph *graph;
    int size, text_dim, bins; /* S, E, R */
    int heads[YOLO_ATTENTIONS];
    yolo_attention attention[YOLO_ATTENTIONS];
    yolo_text_room room;
    yolo_level level[YOLO_LEVELS];
    int anchors;   /* places of the three maps together */
    float *canvas; /* [S, S, 3] */
    float *scores; /* [anchors, T] */
};

/* ---- yolo_world.c */
/* Runs the network on the canvas and scores every place: fills the levels and y->scores. */
rap_status yolo_forward(yolo_world *y, rap_err *err);

/* ---- yolo_graph.c */
rap_status yolo_build(yolo_world *y, rap_err *err);

/* ---- yolo_text.c */
rap_status yolo_read_attention(yolo_world *y, int which, int model_index, rap_err *err);
rap_status yolo_read_head(yolo_world *y, int level, rap_err *err);
/* What nn runs for an attention: in[0] embedding [P, width], in[1] values [P, width]. */
nn_custom_fn yolo_attend;
/* scores [P, T] of one level from its features. */
rap_status yolo_score(const yolo_world *y, const yolo_level *level, float *scores, rap_err *err);
void yolo_text_release(yolo_world *y);

/* ---- yolo_letterbox.c */
typedef struct yolo_letterbox {
    float gain_x, gain_y; /* canvas pixels per picture pixel; sides are rounded, each by itself */
    int left, top;        /* of the picture on the canvas */
} yolo_letterbox;
/* canvas [size, size, 3] in 0..1. */
yolo_letterbox yolo_fit(float *canvas, int size, const image *im);

/* ---- yolo_boxes.c */
/* The box of place p of a level: xyxy in canvas pixels. */
void yolo_decode(float out[4], const yolo_level *level, int bins, int p);
rap_status yolo_collect(const yolo_world *y, const image *im, yolo_letterbox fit,
                        const detect_options *options, detection **out, int *out_count,
                        rap_err *err);

#endif

/* convert_inside.h: one conversion under way, for convert.c and the name maps. */
#ifndef RAP_CONVERT_CONVERT_INSIDE_H
#define RAP_CONVERT_CONVERT_INSIDE_H

#include "base/gguf_file.h"
#include "convert/state_dict.h"

typedef struct conversion {
    const state_dict *in;
    const char *vocab; /* NULL: none */
    gguf_writer *out;
    bool *used;        /* [tensors of in] */
    rap_status status; /* the first failure; later calls do nothing */
    rap_err *err;
} conversion;

/* A tensor's size along an axis counted from the end (0 is the last); 0 when it is not there. */
int64_t convert_size(const conversion *c, const char *name, int axis_from_end);
bool convert_has(const conversion *c, const char *name);

/* The side of the square of patches: the root of the position rows without the class token; 0: none. */
int64_t convert_grid(int64_t rows);

typedef struct convert_shape {
    int dims; /* 1..4; outermost first, as PyTorch writes it */
    int64_t d[4];
} convert_shape;

/* Copies tensor `from` (axes of one in front are dropped) as `to` after comparing its shape. f16 and
 * bf16 stay what they are; f64 becomes f32. */
void convert_tensor(conversion *c, const char *from, const char *to, convert_shape shape);

/* A weight and bias pair: from + ".weight", ".bias". */
void convert_pair(conversion *c, const char *from, const char *to, convert_shape weight);

/* Says that a tensor carries nothing we need. A trailing '*' stands for any ending. */
void convert_ignore(conversion *c, const char *name);

rap_status convert_fail(conversion *c, rap_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* One transformer block of both kinds of model, under its published names and ours. */
typedef struct block_names {
    const char *ln1, *ln2, *qkv_weight, *qkv_bias, *out, *up, *down;
} block_names;
/* Copies blocks 0, 1, … as long as they are there; gives their number and the hidden width. */
int convert_blocks(conversion *c, const char *from, const char *to, const block_names *names,
                   int64_t width, int64_t *out_hidden);

/* How pictures are prepared; the same keys for every encoder. */
void convert_preprocessing(conversion *c, const char *prefix, int64_t size, const float mean[3],
                           const float std[3]);

/* The name maps. */
bool clip_recognise(const conversion *c);
void clip_convert(conversion *c);
bool vit_recognise(const conversion *c);
void vit_convert(conversion *c);

/* Reads `count` merges ("a b") from a BPE file, plain or gzip, and writes them as an array. */
void vocab_convert(conversion *c, const char *path, size_t count);

#endif

/* convert_inside.h: the state of one conversion, for convert_file.c and the name maps. */
#ifndef RAP_CONVERT_CONVERT_INSIDE_H
#define RAP_CONVERT_CONVERT_INSIDE_H

#include "formats/gguf_file.h"
#include "convert/convert.h"
#include "formats/state_dict.h"

typedef struct conversion {
    const state_dict *in;
    const json_t *config;    /* config.json, or the file that stands in its place; NULL: none */
    const char *config_path; /* for errors */
    const convert_options *options;
    uint64_t written; /* tensors */
    gguf_writer *out;
    bool *used;        /* [tensors of in] */
    rap_status status; /* the first failure; later calls do nothing */
    rap_err *err;
} conversion;

/* A tensor's size along an axis counted from the end (0 is the last); 0 when it is not there. */
int64_t convert_size(const conversion *c, const char *name, int axis_from_end);
bool convert_has(const conversion *c, const char *name);

/* start + middle + end as one name, truncated to 255 bytes; returns out. */
const char *convert_name(char out[256], const char *start, const char *middle, const char *end);

/* The side of the square of patches: the root of the position rows without the class token; 0: none. */
int64_t convert_grid(int64_t rows);

typedef struct convert_shape {
    int dims; /* 1..4; outermost first, as PyTorch writes it */
    int64_t d[4];
} convert_shape;

/* ---- tensors: convert_tensor.c ---- */

/* Copies tensor `from` (axes of one in front are dropped) as `to` after comparing its shape. */
void convert_tensor(conversion *c, const char *from, const char *to, convert_shape shape);
/* The same with both names in two parts. */
void convert_joined(conversion *c, const char *from, const char *from_end, const char *to,
                    const char *to_end, convert_shape shape);
/* A weight and bias pair: from + ".weight", ".bias". */
void convert_pair(conversion *c, const char *from, const char *to, convert_shape weight);
/* from [columns, rows] becomes to [rows, columns]. */
void convert_transposed(conversion *c, const char *from, const char *to, int64_t rows,
                        int64_t columns);
/* Several tensors of shape `one`, one after the other along the first axis. */
void convert_stacked(conversion *c, const char *const *from, int count, const char *to,
                     convert_shape one);

/* For what has to be computed: the numbers of a tensor after comparing its shape (free(); NULL after a
 * failure), and numbers that become a tensor. */
float *convert_read(conversion *c, const char *from, convert_shape shape);
void convert_floats(conversion *c, const char *to, convert_shape shape, const float *values);

/* Says that a tensor carries nothing we need. A trailing '*' stands for any ending. */
void convert_ignore(conversion *c, const char *name);

/* Fails when a tensor is left over that nothing used or ignored. */
void convert_check_leftovers(conversion *c);
/* What the checkpoint is called: the file's name without its extension, or the folder's where the file has a name that
 * all of them have. In the hub's own cache (models--ORG--NAME/snapshots/…) it is NAME. */
void convert_title(char out[256], const conversion *c);

/* Says what a user should know but need not act upon: what was assumed, and how to say otherwise. */
void convert_remark(const conversion *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

rap_status convert_fail(conversion *c, rap_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- transformer blocks: convert_blocks.c ---- */

/* One transformer block under its published names. Query, key and value are one matrix (qkv_weight,
 * qkv_bias) or, when qkv_weight is NULL, three (q, k, v). NULL: this kind of model has none. */
typedef struct block_names {
    const char *ln1, *ln2, *qkv_weight, *qkv_bias, *out, *up, *down;
    const char *q, *k, *v;
    bool bias_optional;          /* q, k and v may be without bias; it is written as zeros */
    const char *scale1, *scale2; /* layer scale, folded into out and down, where block 0 has it */
    const char *gate_and_up, *down_gated; /* a gated MLP, gate and up packed into one matrix */
} block_names;

extern const block_names convert_hf_block; /* of CLIP and SigLIP in Hugging Face's layout */
/* Copies blocks 0, 1, … as long as they are there; gives their number and the hidden width. */
int convert_blocks(conversion *c, const char *from, const char *to, const block_names *names,
                   int64_t width, int64_t *out_hidden);
/* Is the MLP gated? A packed one may share its names with a plain one; the sizes tell. */
bool convert_gated(const conversion *c, const char *from, const block_names *names);

typedef struct block_sizes {
    int64_t width, hidden; /* D, and of the MLP */
    int layers, heads;
    bool gated;
    float eps;
    const char *activation; /* as transformer.h names it */
} block_sizes;
/* Writes "<keys>.embedding_length" and so on. */
void convert_put_sizes(conversion *c, const char *keys, const block_sizes *s);

/* The attention pooling of SigLIP: map_siglip.c. Without kv_weight the three projections are one matrix,
 * q first. */
typedef struct head_names {
    const char *probe, *q_weight, *q_bias, *kv_weight, *kv_bias, *out, *norm, *up, *down;
} head_names;
void siglip_convert_head(conversion *c, const head_names *n, const block_sizes *s);

/* ---- preprocessing: convert_pictures.c ---- */

typedef struct picture_recipe {
    bool squash;      /* both sides become `resize`; else the shorter one, keeping proportions */
    int resize, size; /* the side to scale to, the side of the center crop */
    double share; /* timm's crop_pct, which gives `resize`; 0: resize is given */
    bool floor;   /* half a pixel of the crop offset is rounded down (Hugging Face), else to even (torchvision) */
    const char *interpolation; /* "bicubic", "bilinear" */
    float mean[3], std[3];
} picture_recipe;

/* Reads preprocessor_config.json, or that part of processor_config.json, over what *out holds; refuses what
 * we do not do, and, where it is `needed`, a checkpoint without one. Was there one? */
bool convert_read_recipe(conversion *c, bool needed, picture_recipe *out);
bool convert_has_recipe(conversion *c); /* is one of both files there? */
/* "mean …, deviation …, scaled to … and cropped to …": for a remark on numbers that were assumed. */
const char *convert_recipe_text(char out[200], const picture_recipe *r);
/* Has the user given mean and deviation? Then convert_put_recipe() writes these. */
bool convert_colours_given(const conversion *c);
/* The keys are the same for every encoder: "<keys>.image_size" and so on. */
void convert_put_recipe(conversion *c, const char *keys, const picture_recipe *r);

/* Three numbers of `root` (of `file`, for errors) into out; left alone where there is no such field. */
void convert_json_triple(conversion *c, const json_t *root, const char *file, const char *field,
                         float low, float out[3]);

/* ---- another size of pictures: convert_positions.c ---- */

typedef struct position_table {
    int64_t rows; /* in front of the patches' that it has: at most `lead` */
    int64_t lead; /* tokens in front of the patches; those without a row get zeros */
    int64_t grid; /* patches a side */
    int64_t width;
    bool antialias; /* how its authors resample it: resample.h */
} position_table;

/* The patches a side that are written: `grid`, or what fits into the size that was asked for. */
int64_t convert_wanted_grid(conversion *c, int64_t patch, int64_t grid);
/* Scaling and center crop for that size, as in timm or in the same proportion to each other. */
void convert_size_wanted(const conversion *c, picture_recipe *r);
/* Table `from` becomes v.position_embd.weight [lead + to_grid², D]. */
void convert_positions(conversion *c, const char *from, const position_table *t, int64_t to_grid);

/* ---- config.json: convert_config.c. Fields are dotted paths ("vision_config.hidden_size"). ---- */

bool convert_config_is(const conversion *c, const char *field, const char *text);
/* Each leaves *out as it was when there is no config or no such field. */
void convert_config_int(conversion *c, const char *field, int low, int high, int *out);
void convert_config_float(conversion *c, const char *field, float low, float high, float *out);
void convert_config_string(conversion *c, const char *field, const char **out);
/* Fails when the field is there and says something else than the tensors. */
void convert_config_agrees(conversion *c, const char *field, int64_t tensors_say);
/* Our name for the activation that the field names, or for `fallback` if there is none. */
const char *convert_config_act(conversion *c, const char *field, const char *fallback);

/* ---- whose checkpoint: convert_names.c ---- */

/* Takes parts off the front of all names ("module.", "model.", whatever the trainer called it) until
 * `recognise` knows them; true when it does. */
bool convert_unwrap(conversion *c, state_dict *d, bool recognise(const conversion *c));
/* Says what kind of model this is when it is one that is known but not read; NULL otherwise. */
const char *convert_stranger(const conversion *c);

/* ---- timm's config.json: convert_timm.c ---- */

/* Preprocessing over what *out holds. */
void convert_timm_recipe(conversion *c, picture_recipe *out);
int convert_timm_heads(conversion *c, int64_t width);
const char *convert_timm_act(conversion *c);

/* ---- what the tensors of a CLIP cannot tell: map_clip_config.c ---- */

typedef struct clip_tower {
    int64_t width, hidden, layers;
    int64_t patch, side;    /* of the image tower, in pixels; else 0 */
    int64_t vocab, context; /* of the text tower, else 0 */
    int heads;
    float eps;
} clip_tower;

typedef struct clip_config clip_config;

/* Finds out whose file it is. `hugging_face`: its tensors are named as there. NULL after a failure. */
clip_config *clip_config_open(conversion *c, bool hugging_face, int64_t width);
void clip_config_close(conversion *c, clip_config *k); /* NULL-safe */
bool clip_config_gelu(conversion *c, const clip_config *k, bool text);
/* Fills in heads and eps; everything else must agree with the file. */
void clip_config_tower(conversion *c, const clip_config *k, clip_tower *t);
void clip_config_shared(conversion *c, const clip_config *k, int64_t width);
/* How pictures are prepared, over what *out holds. */
void clip_config_pictures(conversion *c, const clip_config *k, picture_recipe *out);

/* The name maps. */
bool clip_recognise(const conversion *c);
void clip_convert(conversion *c);
bool siglip_recognise(const conversion *c);
void siglip_convert(conversion *c);
bool timm_siglip_recognise(const conversion *c);
void timm_siglip_convert(conversion *c);
bool dinov2_recognise(const conversion *c); /* in both layouts */
void dinov2_convert(conversion *c);
bool vit_recognise(const conversion *c);
void vit_convert(conversion *c);
bool yolo_recognise(const conversion *c);
void yolo_convert(conversion *c);

/* Writes `count` merges ("a b") as an array: from c->vocab (a BPE file, plain or gzip), else from the
 * merges.txt or the tokenizer.json beside the checkpoint, whose numbering is compared with CLIP's. */
void vocab_convert(conversion *c, size_t count);

#endif

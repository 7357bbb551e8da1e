/* yolo_text.c: what depends on the vocabulary: the guides of the attentions and the rows that a level's
 * features are compared with. Both are computed when the vocabulary is set; a picture then costs one
 * matrix product for each. Nothing here touches the graph, so that names change at any time. */
#include "vision/yolo_inside.h"

#include "base/mem.h"
#include "base/vector.h"

#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NORM_EPS 1e-3f /* of every batch norm of the published models */

/* ---- reading ------------------------------------------------------------------------------ */

/* rows · columns numbers whose outermost axis is `rows`. */
static rap_status read_weight(yolo_world *y, float **out, int64_t rows, int64_t columns,
                              rap_err *err, const char *format, int i)
{
    char name[128];
    nn_shape shape;
    snprintf(name, sizeof name, format, i);
    rap_status s = nn_weight_shape(y->n, name, &shape, err);
    if (s == RAP_OK && shape.d[0] != rows)
        s = err_set(err, RAP_E_FORMAT, "%s: the tensor '%s' has %lld rows where %lld are needed",
                    gguf_file_path(y->file), name, (long long)shape.d[0], (long long)rows);
    return s == RAP_OK ? nn_weight_read(y->n, name, rows * columns, out, err) : s;
}

rap_status yolo_read_attention(yolo_world *y, int which, int layer, rap_err *err)
{
    yolo_attention *a = &y->attention[which];
    rap_status s =
        read_weight(y, &a->gl, a->width, y->text_dim, err, "model.%d.attn.gl.weight", layer);
    if (s == RAP_OK)
        s = read_weight(y, &a->gl_bias, a->width, 1, err, "model.%d.attn.gl.bias", layer);
    return s != RAP_OK ? s
                       : read_weight(y, &a->bias, a->heads, 1, err, "model.%d.attn.bias", layer);
}

static rap_status read_number(yolo_world *y, float *out, const char *format, int i, rap_err *err)
{
    float *one = NULL;
    rap_status s = read_weight(y, &one, 1, 1, err, format, i);
    if (s == RAP_OK)
        *out = *one;
    free(one);
    return s;
}

/* Batch norm as scale and shift: in place of weight and bias. */
static rap_status read_norm(yolo_world *y, yolo_level *l, int i, rap_err *err)
{
    float *mean = NULL, *var = NULL;
    int64_t e = y->text_dim;
    rap_status s = read_weight(y, &l->scale, e, 1, err, "model.22.cv4.%d.norm.weight", i);
    if (s == RAP_OK)
        s = read_weight(y, &l->shift, e, 1, err, "model.22.cv4.%d.norm.bias", i);
    if (s == RAP_OK)
        s = read_weight(y, &mean, e, 1, err, "model.22.cv4.%d.norm.running_mean", i);
    if (s == RAP_OK)
        s = read_weight(y, &var, e, 1, err, "model.22.cv4.%d.norm.running_var", i);
    for (int64_t k = 0; s == RAP_OK && k < e; k++) {
        l->scale[k] /= sqrtf(fmaxf(var[k], 0) + NORM_EPS);
        l->shift[k] -= mean[k] * l->scale[k];
    }
    free(mean);
    free(var);
    return s;
}

rap_status yolo_read_head(yolo_world *y, int i, rap_err *err)
{
    yolo_level *l = &y->level[i];
    int64_t e = y->text_dim;
    rap_status s = read_weight(y, &l->embed, e, l->width, err, "model.22.cv3.%d.2.weight", i);
    if (s == RAP_OK)
        s = read_weight(y, &l->embed_bias, e, 1, err, "model.22.cv3.%d.2.bias", i);
    if (s == RAP_OK)
        s = read_norm(y, l, i, err);
    if (s == RAP_OK)
        s = read_number(y, &l->bias, "model.22.cv4.%d.bias", i, err);
    return s != RAP_OK ? s : read_number(y, &l->logit_scale, "model.22.cv4.%d.logit_scale", i, err);
}

/* ---- setting ------------------------------------------------------------------------------ */

/* What a vocabulary of T names needs; swapped into the detector when all of it is there. */
typedef struct vocabulary {
    float *unit;                                       /* [T, E] */
    float *guide[YOLO_ATTENTIONS];                     /* [T, width] */
    float *text[YOLO_LEVELS], *text_bias[YOLO_LEVELS]; /* [T, C], [T] */
    float *room, *scores;
} vocabulary;

static void vocabulary_release(vocabulary *v)
{
    free(v->unit);
    free(v->room);
    free(v->scores);
    for (int i = 0; i < YOLO_ATTENTIONS; i++)
        free(v->guide[i]);
    for (int i = 0; i < YOLO_LEVELS; i++) {
        free(v->text[i]);
        free(v->text_bias[i]);
    }
}

static bool vocabulary_init(vocabulary *v, const yolo_world *y, size_t t)
{
    size_t threads = (size_t)nn_threads(y->n);
    v->unit = mem_array(t * (size_t)y->text_dim, sizeof(float));
    v->room = mem_array(threads * YOLO_BLOCK * t, sizeof(float));
    v->scores = mem_array((size_t)y->anchors * t, sizeof(float));
    bool ok = v->unit && v->room && v->scores;
    for (int i = 0; i < YOLO_ATTENTIONS; i++) {
        v->guide[i] = mem_array(t * (size_t)y->attention[i].width, sizeof(float));
        ok = ok && v->guide[i];
    }
    for (int i = 0; i < YOLO_LEVELS; i++) {
        v->text[i] = mem_array(t * (size_t)y->level[i].width, sizeof(float));
        v->text_bias[i] = mem_array(t, sizeof(float));
        ok = ok && v->text[i] && v->text_bias[i];
    }
    return ok;
}

static rap_status normalise(float *out, const float *text, int count, int dim, rap_err *err)
{
    for (int i = 0; i < count; i++) {
        const float *x = text + (size_t)i * (size_t)dim;
        if (!isfinite(vector_dot(x, x, dim)))
            return err_set(err, RAP_E_ARGUMENT, "the embedding of name %d is not finite", i);
        vector_normalise(out + (size_t)i * (size_t)dim, x, dim);
    }
    return RAP_OK;
}

/* The names of a piece: all of a vocabulary are cut into blocks of YOLO_BLOCK. */
typedef struct set_job {
    const yolo_world *y;
    vocabulary *v;
    float *weighted; /* [T, E] scratch */
    int count;
    atomic_bool failed;
} set_job;

/* guide [T, width] = unit · glᵀ + bias, of names first .. first + count */
static rap_status make_guide(const set_job *j, int which, int64_t first, int64_t count)
{
    const yolo_attention *a = &j->y->attention[which];
    int64_t e = j->y->text_dim;
    float *guide = j->v->guide[which] + first * a->width;
    rap_status s =
        nn_matmul(guide, a->width, j->v->unit + first * e, e, a->gl, e, true, count, a->width, e);
    for (int64_t i = 0; i < count; i++)
        for (int64_t k = 0; k < a->width; k++)
            guide[i * a->width + k] += a->gl_bias[k];
    return s;
}

/* A name's score is a · norm(embed · f + embed_bias) · t + b: linear in the features f, so the whole of
 * it becomes one row of C numbers and a bias. */
static rap_status make_rows(const set_job *j, int which, int64_t first, int64_t count)
{
    const yolo_level *l = &j->y->level[which];
    int64_t e = j->y->text_dim;
    float factor = expf(l->logit_scale), *weighted = j->weighted + first * e;
    for (int64_t t = 0; t < count; t++) {
        double bias = l->bias;
        for (int64_t k = 0; k < e; k++) {
            float u = j->v->unit[(first + t) * e + k] * factor, w = u * l->scale[k];
            weighted[t * e + k] = w;
            bias += (double)w * l->embed_bias[k] + (double)u * l->shift[k];
        }
        j->v->text_bias[which][first + t] = (float)bias;
    }
    return nn_matmul(j->v->text[which] + first * l->width, l->width, weighted, e, l->embed,
                     l->width, false, count, l->width, e);
}

static void set_piece(void *payload, int64_t piece, int lane)
{
    set_job *j = payload;
    int64_t first = piece * YOLO_BLOCK, left = j->count - first;
    int64_t count = left < YOLO_BLOCK ? left : YOLO_BLOCK;
    rap_status s = RAP_OK;
    for (int i = 0; s == RAP_OK && i < YOLO_ATTENTIONS; i++)
        s = make_guide(j, i, first, count);
    for (int i = 0; s == RAP_OK && i < YOLO_LEVELS; i++)
        s = make_rows(j, i, first, count);
    if (s != RAP_OK)
        atomic_store(&j->failed, true);
}

static void swap_floats(float **a, float **b)
{
    float *c = *a;
    *a = *b;
    *b = c;
}

static void adopt(yolo_world *y, vocabulary *v, int count)
{
    for (int i = 0; i < YOLO_ATTENTIONS; i++)
        swap_floats(&y->attention[i].guide, &v->guide[i]);
    for (int i = 0; i < YOLO_LEVELS; i++) {
        swap_floats(&y->level[i].text, &v->text[i]);
        swap_floats(&y->level[i].text_bias, &v->text_bias[i]);
    }
    swap_floats(&y->room.scores, &v->room);
    swap_floats(&y->scores, &v->scores);
    y->room.names = count;
}

rap_status yolo_world_set_vocabulary(yolo_world *y, const float *text, int count, rap_err *err)
{
    vocabulary v = { 0 };
    float *weighted = NULL;
    if (count < 1 || count > YOLO_MAX_NAMES)
        return err_set(err, count < 1 ? RAP_E_ARGUMENT : RAP_E_LIMIT,
                       "a vocabulary has 1 to %d names, not %d", YOLO_MAX_NAMES, count);
    weighted = mem_array((size_t)count * (size_t)y->text_dim, sizeof *weighted);
    rap_status s = weighted && vocabulary_init(&v, y, (size_t)count)
                       ? normalise(v.unit, text, count, y->text_dim, err)
                       : err_memory(err, "setting a vocabulary");
    if (s != RAP_OK)
        goto cleanup;
    set_job j = { .y = y, .v = &v, .weighted = weighted, .count = count };
    nn_each(nn_threads(y->n), (count + YOLO_BLOCK - 1) / YOLO_BLOCK, set_piece, &j);
    if (atomic_load(&j.failed))
        s = err_set(err, RAP_E_MODEL, "a matrix product failed while setting a vocabulary");
    else
        adopt(y, &v, count);
cleanup:
    free(weighted);
    vocabulary_release(&v); /* the former one, after adopt */
    return s;
}

void yolo_text_release(yolo_world *y)
{
    for (int i = 0; i < YOLO_ATTENTIONS; i++) {
        yolo_attention *a = &y->attention[i];
        float *all[] = { a->gl, a->gl_bias, a->bias, a->guide };
        for (size_t k = 0; k < sizeof all / sizeof *all; k++)
            free(all[k]);
    }
    for (int i = 0; i < YOLO_LEVELS; i++) {
        yolo_level *l = &y->level[i];
        float *all[] = { l->embed, l->embed_bias, l->scale, l->shift, l->text, l->text_bias };
        for (size_t k = 0; k < sizeof all / sizeof *all; k++)
            free(all[k]);
    }
    free(y->room.scores);
    free(y->scores);
}

/* ---- running ------------------------------------------------------------------------------ */

static float sigmoid(float x)
{
    return 1.0f / (1.0f + expf(-x));
}

/* Places first .. first + rows of one head. scores [rows, T] is scratch. */
static rap_status attend_block(float *out, const float *embed, const float *value,
                               const yolo_attention *a, int64_t first, int64_t rows, int64_t head,
                               float *scores)
{
    int64_t width = a->width / a->heads, at = head * width, names = a->room->names;
    rap_status s = nn_matmul(scores, names, embed + first * a->width + at, a->width, a->guide + at,
                             a->width, true, rows, names, width);
    float root = sqrtf((float)width);
    for (int64_t i = 0; i < rows; i++) {
        float best = scores[i * names];
        for (int64_t t = 1; t < names; t++)
            best = scores[i * names + t] > best ? scores[i * names + t] : best;
        float weight = sigmoid(best / root + a->bias[head]);
        int64_t place = (first + i) * a->width + at;
        for (int64_t k = 0; k < width; k++)
            out[place + k] = value[place + k] * weight;
    }
    return s;
}

typedef struct attend_job {
    const yolo_attention *a;
    const float *embed, *value;
    float *out;
    atomic_bool failed;
} attend_job;

static void attend_piece(void *payload, int64_t i, int lane)
{
    attend_job *j = payload;
    const yolo_attention *a = j->a;
    int64_t first = i / a->heads * YOLO_BLOCK, left = a->places - first;
    float *scores = a->room->scores + (int64_t)lane * YOLO_BLOCK * a->room->names;
    if (attend_block(j->out, j->embed, j->value, a, first, left < YOLO_BLOCK ? left : YOLO_BLOCK,
                     i % a->heads, scores))
        atomic_store(&j->failed, true);
}

static rap_status told(const atomic_bool *failed, rap_err *err)
{
    return atomic_load(failed)
               ? err_set(err, RAP_E_MODEL, "a matrix product failed in the detector")
               : RAP_OK;
}

rap_status yolo_attend(float *out, const float *const *in, int threads, void *payload, rap_err *err)
{
    attend_job j = { .a = payload, .embed = in[0], .value = in[1], .out = out };
    nn_each(threads, (j.a->places + YOLO_BLOCK - 1) / YOLO_BLOCK * j.a->heads, attend_piece, &j);
    return told(&j.failed, err);
}

typedef struct score_job {
    const yolo_level *l;
    int64_t names, places;
    float *scores;
    atomic_bool failed;
} score_job;

static void score_piece(void *payload, int64_t i, int lane)
{
    score_job *j = payload;
    const yolo_level *l = j->l;
    int64_t first = i * YOLO_BLOCK, left = j->places - first;
    int64_t rows = left < YOLO_BLOCK ? left : YOLO_BLOCK;
    float *scores = j->scores + first * j->names;
    if (nn_matmul(scores, j->names, l->features + first * l->width, l->width, l->text, l->width,
                  true, rows, j->names, l->width))
        atomic_store(&j->failed, true);
    for (int64_t p = 0; p < rows; p++, scores += j->names) {
        for (int64_t t = 0; t < j->names; t++)
            scores[t] += l->text_bias[t];
        nn_activate_row(scores, j->names, NN_SIGMOID);
    }
}

rap_status yolo_score(const yolo_world *y, const yolo_level *l, float *scores, rap_err *err)
{
    score_job j = { .l = l, .names = y->room.names, .scores = scores };
    j.places = (int64_t)l->side * l->side;
    nn_each(nn_threads(y->n), (j.places + YOLO_BLOCK - 1) / YOLO_BLOCK, score_piece, &j);
    return told(&j.failed, err);
}

/* yolo_text.c: everything that depends on the vocabulary: the attentions' guides and the rows that
 * a level's features are compared with. Both are computed when a vocabulary is created, so each
 * costs one matrix product per picture. A vocabulary is passed to each run and changes nothing in
 * the detector. */
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

/* Reads rows · columns values whose outermost axis is `rows`. */
static rap_status read_weight(yolo_world *y, float **out, int64_t rows, int64_t columns,
                              rap_err *err, const char *format, int i)
{
    char name[128];
    nn_shape shape;
    snprintf(name, sizeof name, format, i);
    rap_status s = nn_weight_shape(y->n, name, &shape, err);
    if (s == RAP_OK && shape.d[0] != rows)
        s = err_set(err, RAP_E_FORMAT, "%s: the tensor '%s' has %lld rows, expected %lld",
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

/* Converts batch norm to scale and shift, replacing weight and bias. */
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

/* ---- a vocabulary ------------------------------------------------------------------------- */

void yolo_vocabulary_free(yolo_vocabulary *v)
{
    if (!v)
        return;
    for (int i = 0; i < YOLO_ATTENTIONS; i++)
        free(v->guide[i]);
    for (int i = 0; i < YOLO_LEVELS; i++) {
        free(v->text[i]);
        free(v->text_bias[i]);
    }
    free(v);
}

static yolo_vocabulary *new_vocabulary(const yolo_world *y, int names)
{
    yolo_vocabulary *v = mem_array(1, sizeof *v);
    size_t t = (size_t)names;
    bool ok = v != NULL;
    for (int i = 0; v && i < YOLO_ATTENTIONS; i++) {
        v->guide[i] = mem_array(t * (size_t)y->attention[i].width, sizeof(float));
        ok = ok && v->guide[i];
    }
    for (int i = 0; v && i < YOLO_LEVELS; i++) {
        v->text[i] = mem_array(t * (size_t)y->level[i].width, sizeof(float));
        v->text_bias[i] = mem_array(t, sizeof(float));
        ok = ok && v->text[i] && v->text_bias[i];
    }
    if (!ok) {
        yolo_vocabulary_free(v);
        return NULL;
    }
    v->names = names;
    return v;
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

/* Creates a vocabulary's matrices in blocks of YOLO_BLOCK names. */
typedef struct set_job {
    const yolo_world *y;
    yolo_vocabulary *v;
    float *unit, *weighted; /* [T, E] scratch */
    atomic_bool failed;
} set_job;

/* guide [T, width] = unit · glᵀ + bias, for names first .. first + count */
static rap_status make_guide(const set_job *j, int which, int64_t first, int64_t count)
{
    const yolo_attention *a = &j->y->attention[which];
    int64_t e = j->y->text_dim;
    float *guide = j->v->guide[which] + first * a->width;
    rap_status s =
        nn_matmul(guide, a->width, j->unit + first * e, e, a->gl, e, true, count, a->width, e);
    for (int64_t i = 0; i < count; i++)
        for (int64_t k = 0; k < a->width; k++)
            guide[i * a->width + k] += a->gl_bias[k];
    return s;
}

/* A name's score is a · norm(embed · f + embed_bias) · t + b: linear in the features f, so it
 * reduces to one row of C values and a bias. */
static rap_status make_rows(const set_job *j, int which, int64_t first, int64_t count)
{
    const yolo_level *l = &j->y->level[which];
    int64_t e = j->y->text_dim;
    float factor = expf(l->logit_scale), *weighted = j->weighted + first * e;
    for (int64_t t = 0; t < count; t++) {
        double bias = l->bias;
        for (int64_t k = 0; k < e; k++) {
            float u = j->unit[(first + t) * e + k] * factor, w = u * l->scale[k];
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
    int64_t first = piece * YOLO_BLOCK, left = j->v->names - first;
    int64_t count = left < YOLO_BLOCK ? left : YOLO_BLOCK;
    rap_status s = RAP_OK;
    for (int i = 0; s == RAP_OK && i < YOLO_ATTENTIONS; i++)
        s = make_guide(j, i, first, count);
    for (int i = 0; s == RAP_OK && i < YOLO_LEVELS; i++)
        s = make_rows(j, i, first, count);
    if (s != RAP_OK)
        atomic_store(&j->failed, true);
}

static rap_status fill(yolo_vocabulary *v, const yolo_world *y, const float *text, float *scratch,
                       rap_err *err)
{
    set_job j = { .y = y, .v = v, .unit = scratch };
    rap_status s = normalise(scratch, text, v->names, y->text_dim, err);
    if (s != RAP_OK)
        return s;
    j.weighted = scratch + (size_t)v->names * (size_t)y->text_dim;
    nn_each(nn_threads(y->n), (v->names + YOLO_BLOCK - 1) / YOLO_BLOCK, set_piece, &j);
    return atomic_load(&j.failed)
               ? err_set(err, RAP_E_MODEL, "a matrix product failed while preparing a vocabulary")
               : RAP_OK;
}

rap_status yolo_vocabulary_new(yolo_vocabulary **out, const yolo_world *y, const float *text,
                               int count, rap_err *err)
{
    *out = NULL;
    if (count < 1 || count > YOLO_MAX_NAMES)
        return err_set(err, count < 1 ? RAP_E_ARGUMENT : RAP_E_LIMIT,
                       "a vocabulary must have 1 to %d names, not %d", YOLO_MAX_NAMES, count);
    float *scratch = mem_array(2 * (size_t)count * (size_t)y->text_dim, sizeof *scratch);
    yolo_vocabulary *v = new_vocabulary(y, count);
    rap_status s =
        scratch && v ? fill(v, y, text, scratch, err) : err_memory(err, "preparing a vocabulary");
    free(scratch);
    if (s == RAP_OK)
        *out = v;
    else
        yolo_vocabulary_free(v);
    return s;
}

void yolo_text_release(yolo_world *y)
{
    for (int i = 0; i < YOLO_ATTENTIONS; i++) {
        yolo_attention *a = &y->attention[i];
        float *all[] = { a->gl, a->gl_bias, a->bias };
        for (size_t k = 0; k < sizeof all / sizeof *all; k++)
            free(all[k]);
    }
    for (int i = 0; i < YOLO_LEVELS; i++) {
        yolo_level *l = &y->level[i];
        float *all[] = { l->embed, l->embed_bias, l->scale, l->shift };
        for (size_t k = 0; k < sizeof all / sizeof *all; k++)
            free(all[k]);
    }
    free(y->run.block);
    free(y->run.scores);
}

/* ---- running ------------------------------------------------------------------------------ */

rap_status yolo_run_prepare(yolo_world *y, const yolo_vocabulary *v, rap_err *err)
{
    yolo_run *r = &y->run;
    size_t t = (size_t)v->names, threads = (size_t)nn_threads(y->n);
    r->vocabulary = v;
    if (r->names >= t)
        return RAP_OK;
    free(r->block);
    free(r->scores);
    r->block = mem_array(threads * YOLO_BLOCK * t, sizeof *r->block);
    r->scores = mem_array((size_t)y->anchors * t, sizeof *r->scores);
    r->names = r->block && r->scores ? t : 0;
    return r->names ? RAP_OK : err_memory(err, "detecting");
}

static float sigmoid(float x)
{
    return 1.0f / (1.0f + expf(-x));
}

/* Positions first .. first + rows of one head. scores [rows, T] is scratch. */
static rap_status attend_block(float *out, const float *embed, const float *value,
                               const yolo_attention *a, int64_t first, int64_t rows, int64_t head,
                               float *scores)
{
    const yolo_vocabulary *v = a->run->vocabulary;
    int64_t width = a->width / a->heads, at = head * width, names = v->names;
    rap_status s = nn_matmul(scores, names, embed + first * a->width + at, a->width,
                             v->guide[a->index] + at, a->width, true, rows, names, width);
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
    float *scores = a->run->block + (int64_t)lane * YOLO_BLOCK * a->run->vocabulary->names;
    if (attend_block(j->out, j->embed, j->value, a, first, left < YOLO_BLOCK ? left : YOLO_BLOCK,
                     i % a->heads, scores))
        atomic_store(&j->failed, true);
}

static rap_status result_of(const atomic_bool *failed, rap_err *err)
{
    return atomic_load(failed)
               ? err_set(err, RAP_E_MODEL, "a matrix product failed in the detector")
               : RAP_OK;
}

rap_status yolo_attend(float *out, const float *const *in, int threads, void *payload, rap_err *err)
{
    attend_job j = { .a = payload, .embed = in[0], .value = in[1], .out = out };
    nn_each(threads, (j.a->places + YOLO_BLOCK - 1) / YOLO_BLOCK * j.a->heads, attend_piece, &j);
    return result_of(&j.failed, err);
}

typedef struct score_job {
    const yolo_level *l;
    const float *text, *text_bias;
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
    if (nn_matmul(scores, j->names, l->features + first * l->width, l->width, j->text, l->width,
                  true, rows, j->names, l->width))
        atomic_store(&j->failed, true);
    for (int64_t p = 0; p < rows; p++, scores += j->names) {
        for (int64_t t = 0; t < j->names; t++)
            scores[t] += j->text_bias[t];
        nn_activate_row(scores, j->names, NN_SIGMOID);
    }
}

rap_status yolo_score(const yolo_world *y, int level, float *scores, rap_err *err)
{
    const yolo_vocabulary *v = y->run.vocabulary;
    const yolo_level *l = &y->level[level];
    score_job j = { .l = l,
                    .text = v->text[level],
                    .text_bias = v->text_bias[level],
                    .names = v->names,
                    .places = (int64_t)l->side * l->side,
                    .scores = scores };
    nn_each(nn_threads(y->n), (j.places + YOLO_BLOCK - 1) / YOLO_BLOCK, score_piece, &j);
    return result_of(&j.failed, err);
}

/* forward.c: the decoder from top to bottom, forwards and backwards. Each layer:
 *
 *     n1 = norm(x, w1);  q, k, v = Wq n1, Wk n1, Wv n1;  (qwen3: q, k = norm of each head);  q, k turned by position
 *     x2 = x + Wo attention(q, k, v)
 *     n2 = norm(x2, w2);  x' = x2 + Wd (silu(Wg n2) · (Wu n2))
 *
 * and the way back in the opposite order; dx, the gradient by the residual stream, passes through both sums unchanged. */
#include "nn/nn.h"
#include "train/decoder_inside.h"

#include <math.h>
#include <string.h>

/* ---- small steps ---- */

typedef struct split {
    real *joint, *part;
    int64_t wide, from, width;
    bool join;
} split;

static void split_row(void *payload, int64_t t, int lane)
{
    const split *s = payload;
    real *joint = s->joint + t * s->wide + s->from, *part = s->part + t * s->width;
    memcpy(s->join ? joint : part, s->join ? part : joint, (size_t)s->width * sizeof *part);
}

/* part [T, width] out of joint [T, wide] from column `from` on, or into it. */
static void split_columns(real *joint, int64_t wide, int64_t from, real *part, int64_t width,
                          int64_t t, bool join, int threads)
{
    nn_each(threads, t, split_row, &(split){ joint, part, wide, from, width, join });
}

typedef struct sum {
    real *out;
    const real *a, *b;
    int64_t width;
} sum;

static void add_row(void *payload, int64_t t, int lane)
{
    const sum *s = payload;
    for (int64_t i = t * s->width; i < (t + 1) * s->width; i++)
        s->out[i] = s->a[i] + s->b[i];
}

/* out = a + b, [T, D] each */
static void add(real *out, const real *a, const real *b, int64_t t, const decoder *d)
{
    nn_each(d->shop.threads, t, add_row, &(sum){ out, a, b, d->shape.width });
}

typedef struct embedding {
    real *x;
    const rows *r;
    const decoder *d;
} embedding;

static void embed_row(void *payload, int64_t t, int lane)
{
    const embedding *e = payload;
    int64_t width = e->d->shape.width;
    real *x = e->x + t * width;
    if (e->r->token[t] >= 0)
        frozen_read_row(x, e->d->table, e->r->token[t]);
    else
        for (int64_t i = 0; i < width; i++)
            x[i] = e->r->picture[t][i];
}

/* ---- a layer forwards ---- */

static void queries_keys_values(layer *l, acts *c, int64_t t, decoder *d)
{
    int64_t q = d->shape.heads * d->shape.head, k = d->shape.groups * d->shape.head,
            all = q + 2 * k;
    real *to_q = c->q0 ? c->q0 : c->q, *to_k = c->k0 ? c->k0 : c->k;
    int threads = d->shop.threads;
    if (!d->shape.fused) {
        linear_run(to_q, c->z[LINEAR_Q], d->n, t, &l->linear[LINEAR_Q], &d->shop);
        linear_run(to_k, c->z[LINEAR_K], d->n, t, &l->linear[LINEAR_K], &d->shop);
        linear_run(c->v, c->z[LINEAR_V], d->n, t, &l->linear[LINEAR_V], &d->shop);
        return;
    }
    linear_run(d->wide, c->z[LINEAR_QKV], d->n, t, &l->linear[LINEAR_QKV], &d->shop);
    split_columns(d->wide, all, 0, to_q, q, t, false, threads);
    split_columns(d->wide, all, q, to_k, k, t, false, threads);
    split_columns(d->wide, all, q + k, c->v, k, t, false, threads);
}

static void attend(layer *l, acts *c, const rows *r, decoder *d)
{
    const shape *s = &d->shape;
    int64_t t = r->count;
    int threads = d->shop.threads;
    queries_keys_values(l, c, t, d);
    if (s->head_norm) {
        rms_norm(c->q, c->q0, l->norm_q, t * s->heads, s->head, (real)s->eps, threads);
        rms_norm(c->k, c->k0, l->norm_k, t * s->groups, s->head, (real)s->eps, threads);
    }
    rope_turn(c->q, &d->rope, &r->spans, s->heads, s->head, false, threads);
    rope_turn(c->k, &d->rope, &r->spans, s->groups, s->head, false, threads);
    attention_run(c->att, c->q, c->k, c->v, &d->attention, &r->spans, d->rest, threads);
}

static void gate_and_up(layer *l, acts *c, int64_t t, decoder *d)
{
    int64_t inner = d->shape.inner;
    if (!d->shape.fused) {
        linear_run(c->g, c->z[LINEAR_GATE], d->n, t, &l->linear[LINEAR_GATE], &d->shop);
        linear_run(c->u, c->z[LINEAR_UP], d->n, t, &l->linear[LINEAR_UP], &d->shop);
        return;
    }
    linear_run(d->wide, c->z[LINEAR_GATE_UP], d->n, t, &l->linear[LINEAR_GATE_UP], &d->shop);
    split_columns(d->wide, 2 * inner, 0, c->g, inner, t, false, d->shop.threads);
    split_columns(d->wide, 2 * inner, inner, c->u, inner, t, false, d->shop.threads);
}

/* out [T, D] from l->x; with out NULL only what backward needs. */
static void layer_run(real *out, layer *l, const rows *r, decoder *d)
{
    const shape *s = &d->shape;
    acts *c = &l->acts;
    int64_t t = r->count;
    int threads = d->shop.threads;
    rms_norm(d->n, l->x, l->norm1, t, s->width, (real)s->eps, threads);
    attend(l, c, r, d);
    linear_run(d->dn, c->z[LINEAR_OUT], c->att, t, &l->linear[LINEAR_OUT], &d->shop);
    add(c->x2, l->x, d->dn, t, d);
    rms_norm(d->n, c->x2, l->norm2, t, s->width, (real)s->eps, threads);
    gate_and_up(l, c, t, d);
    swiglu(d->h, c->g, c->u, t * s->inner, threads);
    /* also without out: z of the LoRA is needed */
    linear_run(d->dn, c->z[LINEAR_DOWN], d->h, t, &l->linear[LINEAR_DOWN], &d->shop);
    if (out)
        add(out, c->x2, d->dn, t, d);
}

/* ---- a layer backwards: d->dx is the gradient by its output, and becomes the one by its input ---- */

static void mlp_back(layer *l, int64_t t, decoder *d)
{
    const shape *s = &d->shape;
    acts *c = &l->acts;
    int threads = d->shop.threads;
    swiglu(d->h, c->g, c->u, t * s->inner, threads);
    linear_back(d->dg, false, d->dx, c->z[LINEAR_DOWN], d->h, t, &l->linear[LINEAR_DOWN], &d->shop);
    swiglu_back(d->dg, d->du, d->dg, c->g, c->u, t * s->inner, threads);
    rms_norm(d->n, c->x2, l->norm2, t, s->width, (real)s->eps, threads);
    if (s->fused) {
        split_columns(d->wide, 2 * s->inner, 0, d->dg, s->inner, t, true, threads);
        split_columns(d->wide, 2 * s->inner, s->inner, d->du, s->inner, t, true, threads);
        linear_back(d->dn, false, d->wide, c->z[LINEAR_GATE_UP], d->n, t,
                    &l->linear[LINEAR_GATE_UP], &d->shop);
    } else {
        linear_back(d->dn, false, d->dg, c->z[LINEAR_GATE], d->n, t, &l->linear[LINEAR_GATE],
                    &d->shop);
        linear_back(d->dn, true, d->du, c->z[LINEAR_UP], d->n, t, &l->linear[LINEAR_UP], &d->shop);
    }
    rms_norm_back(d->dx, d->dn, c->x2, l->norm2, t, s->width, (real)s->eps, threads);
}

/* dx [T, heads · head] becomes the gradient before the norm of heads; datt is used meanwhile. */
static void head_norm_back(real *dx, const real *x, const real *w, int64_t heads, int64_t t,
                           decoder *d)
{
    size_t count = (size_t)(t * heads * d->shape.head);
    memcpy(d->datt, dx, count * sizeof *dx);
    memset(dx, 0, count * sizeof *dx);
    rms_norm_back(dx, d->datt, x, w, t * heads, d->shape.head, (real)d->shape.eps, d->shop.threads);
}

static void projections_back(layer *l, int64_t t, decoder *d)
{
    const shape *s = &d->shape;
    acts *c = &l->acts;
    int64_t q = s->heads * s->head, k = s->groups * s->head, all = q + 2 * k;
    int threads = d->shop.threads;
    rms_norm(d->n, l->x, l->norm1, t, s->width, (real)s->eps, threads);
    if (!s->fused) {
        linear_back(d->dn, false, d->dq, c->z[LINEAR_Q], d->n, t, &l->linear[LINEAR_Q], &d->shop);
        linear_back(d->dn, true, d->dk, c->z[LINEAR_K], d->n, t, &l->linear[LINEAR_K], &d->shop);
        linear_back(d->dn, true, d->dv, c->z[LINEAR_V], d->n, t, &l->linear[LINEAR_V], &d->shop);
        return;
    }
    split_columns(d->wide, all, 0, d->dq, q, t, true, threads);
    split_columns(d->wide, all, q, d->dk, k, t, true, threads);
    split_columns(d->wide, all, q + k, d->dv, k, t, true, threads);
    linear_back(d->dn, false, d->wide, c->z[LINEAR_QKV], d->n, t, &l->linear[LINEAR_QKV], &d->shop);
}

static void attention_part_back(layer *l, const rows *r, decoder *d)
{
    const shape *s = &d->shape;
    acts *c = &l->acts;
    int64_t t = r->count;
    int threads = d->shop.threads;
    linear_back(d->datt, false, d->dx, c->z[LINEAR_OUT], c->att, t, &l->linear[LINEAR_OUT],
                &d->shop);
    attention_back(d->dq, d->dk, d->dv, d->datt, c->q, c->k, c->v, &d->attention, &r->spans,
                   d->rest, threads);
    rope_turn(d->dq, &d->rope, &r->spans, s->heads, s->head, true, threads);
    rope_turn(d->dk, &d->rope, &r->spans, s->groups, s->head, true, threads);
    if (s->head_norm) {
        head_norm_back(d->dq, c->q0, l->norm_q, s->heads, t, d);
        head_norm_back(d->dk, c->k0, l->norm_k, s->groups, t, d);
    }
    projections_back(l, t, d);
    rms_norm_back(d->dx, d->dn, l->x, l->norm1, t, s->width, (real)s->eps, threads);
}

static void layer_back(layer *l, const rows *r, decoder *d)
{
    if (d->options.recompute)
        layer_run(NULL, l, r, d);
    mlp_back(l, r->count, d);
    attention_part_back(l, r, d);
}

/* ---- the head: norm, logits, loss ---- */

static real *output_of(decoder *d, int64_t i)
{
    return i + 1 < d->shape.layers ? d->layers[i + 1].x : d->x;
}

static void run_layers(const rows *r, decoder *d)
{
    nn_each(d->shop.threads, r->count, embed_row, &(embedding){ d->layers[0].x, r, d });
    for (int64_t i = 0; i < d->shape.layers; i++)
        layer_run(output_of(d, i), &d->layers[i], r, d);
}

/* picked, heads [n, D] and logits [blocks][n, HEAD_BLOCK] of the n rows in d->place. */
static void pick_logits(int64_t n, decoder *d)
{
    int64_t width = d->shape.width;
    for (int64_t i = 0; i < n; i++)
        memcpy(d->picked + i * width, d->x + d->place[i] * width, (size_t)width * sizeof(real));
    rms_norm(d->heads, d->picked, d->norm, n, width, (real)d->shape.eps, d->shop.threads);
    for (int64_t i = 0; i < frozen_blocks(&d->head); i++)
        frozen_product(d->logits + i * HEAD_BLOCK * n, d->heads, n, false, &d->head, i, NN_ROWS,
                       &d->shop);
}

/* From d->logits, which hold their gradient, into dx. */
static void head_back(int64_t n, decoder *d)
{
    int64_t width = d->shape.width;
    if (d->words)
        words_back(d, n);
    for (int64_t i = 0; i < frozen_blocks(&d->head); i++)
        frozen_product(d->heads, d->logits + i * HEAD_BLOCK * n, n, i > 0, &d->head, i, NN_COLUMNS,
                       &d->shop);
    if (d->words)
        words_add(d, n);
    memset(d->dpicked, 0, (size_t)(n * width) * sizeof(real));
    rms_norm_back(d->dpicked, d->heads, d->picked, d->norm, n, width, (real)d->shape.eps,
                  d->shop.threads);
    for (int64_t i = 0; i < n; i++)
        memcpy(d->dx + d->place[i] * width, d->dpicked + i * width, (size_t)width * sizeof(real));
}

/* The next rows with a target; `*at` goes on behind the last one. */
static int64_t next_targets(int64_t *at, const rows *r, decoder *d)
{
    int64_t n = 0;
    for (; *at < r->count && n < HEAD_ROWS; ++*at)
        if (r->target[*at] >= 0) {
            d->place[n] = (int32_t)*at;
            d->weight[n] = r->weight ? r->weight[*at] : 1;
            d->target[n++] = r->target[*at];
        }
    return n;
}

static double head_loss(const rows *r, bool learn, double scale, decoder *d)
{
    double total = 0;
    int64_t at = 0, n;
    if (learn)
        memset(d->dx, 0, (size_t)(r->count * d->shape.width) * sizeof(real));
    while ((n = next_targets(&at, r, d)) > 0) {
        pick_logits(n, d);
        if (d->words)
            words_run(d, n);
        cross_entropy(d->loss, d->logits, d->target, d->weight, n, d->shape.vocab, HEAD_BLOCK,
                      d->words, (real)scale, d->shop.threads);
        for (int64_t i = 0; i < n; i++)
            total += d->loss[i];
        if (learn)
            head_back(n, d);
    }
    return total;
}

/* ---- calls ---- */

static rap_status check_rows(const rows *r, const decoder *d, rap_err *err)
{
    if (r->count < 1 || r->count > d->options.rows || r->spans.begin[r->spans.count] != r->count)
        return err_set(err, RAP_E_ARGUMENT, "%lld tokens at once; there is room for %d",
                       (long long)r->count, d->options.rows);
    for (int64_t t = 0; t < r->count; t++)
        if (r->token[t] >= d->shape.vocab ||
            (r->target && r->target[t] >= d->shape.vocab + d->words))
            return err_set(err, RAP_E_ARGUMENT, "a token that the vocabulary of %lld does not have",
                           (long long)d->shape.vocab);
    return RAP_OK;
}

rap_status decoder_loss(double *out, decoder *d, const rows *r, uint64_t dropout_key, rap_err *err)
{
    rap_status status = check_rows(r, d, err);
    if (status)
        return status;
    d->shop.dropout_key = dropout_key;
    run_layers(r, d);
    *out = head_loss(r, false, 1, d);
    return RAP_OK;
}

rap_status decoder_learn(double *out, decoder *d, const rows *r, double scale, uint64_t dropout_key,
                         rap_err *err)
{
    rap_status status = check_rows(r, d, err);
    if (status)
        return status;
    d->shop.dropout_key = dropout_key;
    run_layers(r, d);
    *out = head_loss(r, true, scale, d);
    for (int64_t i = d->shape.layers - 1; i >= 0 && isfinite(*out); i--)
        layer_back(&d->layers[i], r, d);
    return RAP_OK;
}

rap_status decoder_logits(real *out, decoder *d, const rows *r, rap_err *err)
{
    rap_status status = check_rows(r, d, err);
    if (status)
        return status;
    d->shop.dropout_key = 0;
    run_layers(r, d);
    for (int64_t at = 0; at < r->count; at += HEAD_ROWS) {
        int64_t n = r->count - at < HEAD_ROWS ? r->count - at : HEAD_ROWS;
        for (int64_t i = 0; i < n; i++)
            d->place[i] = (int32_t)(at + i);
        pick_logits(n, d);
        for (int64_t i = 0; i < n * d->shape.vocab; i++)
            out[at * d->shape.vocab + i] = *logit(d->logits, i / d->shape.vocab, i % d->shape.vocab,
                                                  n, d->shape.vocab, HEAD_BLOCK, 0);
    }
    return RAP_OK;
}

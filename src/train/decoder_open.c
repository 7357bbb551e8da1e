/* decoder_open.c: a decoder's memory: one arena, laid out by one function that also counts it. */
#include "train/decoder_inside.h"

#include "base/mem.h"
#include "train/lora.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the arena ---- */

typedef struct arena {
    real *base; /* NULL: only counts */
    size_t used;
} arena;

static real *take(arena *a, size_t reals)
{
    real *at = a->base ? a->base + a->used : NULL;

    a->used += (reals + 15) & ~(size_t)15;
    return at;
}

static int64_t most(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static void lay_acts(acts *c, arena *a, const decoder *d)
{
    const shape *s = &d->shape;
    size_t t = (size_t)d->options.rows, q = (size_t)(s->heads * s->head);
    size_t k = (size_t)(s->groups * s->head), width = (size_t)s->width, inner = (size_t)s->inner;

    c->q0 = s->head_norm ? take(a, t * q) : NULL;
    c->k0 = s->head_norm ? take(a, t * k) : NULL;
    c->q = take(a, t * q);
    c->k = take(a, t * k);
    c->v = take(a, t * k);
    c->att = take(a, t * q);
    c->x2 = take(a, t * width);
    c->g = take(a, t * inner);
    c->u = take(a, t * inner);
    for (int i = 0; i < LINEAR_KINDS; i++)
        c->z[i] = shape_has(s, (linear_kind)i) ? take(a, t * (size_t)d->options.rank) : NULL;
}

static void lay_frozen(frozen *f, arena *a, int64_t height, int64_t width, int64_t block,
                       const decoder *d)
{
    f->rows = height;
    f->width = width;
    f->block = block < height ? block : height;
    if (d->kept) {
        f->forth = take(a, frozen_reals(f, NN_ROWS, d->options.bf16));
        f->back = take(a, frozen_reals(f, NN_COLUMNS, d->options.bf16));
    }
}

static void lay_layer(layer *l, arena *a, const decoder *d)
{
    const shape *s = &d->shape;

    l->norm1 = take(a, (size_t)s->width);
    l->norm2 = take(a, (size_t)s->width);
    l->norm_q = s->head_norm ? take(a, (size_t)s->head) : NULL;
    l->norm_k = s->head_norm ? take(a, (size_t)s->head) : NULL;
    l->x = take(a, (size_t)(d->options.rows * s->width));
    for (int i = 0; i < LINEAR_KINDS; i++) {
        linear *w = &l->linear[i];

        if (!shape_has(s, (linear_kind)i))
            continue;
        shape_linear(&w->out, &w->in, s, (linear_kind)i);
        w->bias = take(a, (size_t)w->out);
        lay_frozen(&w->w, a, w->out, w->in, w->out, d);
    }
}

static void lay_loras(decoder *d, layer *l, size_t *place)
{
    size_t rank = (size_t)d->options.rank;

    for (int i = 0; i < LINEAR_KINDS && rank; i++) {
        linear *w = &l->linear[i];

        if (!shape_has(&d->shape, (linear_kind)i))
            continue;
        w->place = *place;
        *place += rank * (size_t)(w->in + w->out);
        if (!d->param)
            continue;
        w->a = d->param + w->place;
        w->b = w->a + rank * (size_t)w->in;
        w->da = d->grad + w->place;
        w->db = w->da + rank * (size_t)w->in;
    }
}

static size_t count_params(const shape *s, int rank)
{
    size_t numbers = 0;

    for (int i = 0; i < LINEAR_KINDS; i++) {
        int64_t in, out;

        shape_linear(&out, &in, s, (linear_kind)i);
        numbers += shape_has(s, (linear_kind)i) ? (size_t)(rank * (in + out)) : 0;
    }
    return numbers * (size_t)s->layers;
}

static void lay_shop(decoder *d, arena *a)
{
    const shape *s = &d->shape;
    workshop *w = &d->shop;
    int64_t q = (s->heads + 2 * s->groups) * s->head, inner = s->fused ? 2 * s->inner : s->inner;
    int64_t widest = most(most(q, inner), s->width);
    int64_t widest_in = most(most(s->width, s->inner), s->heads * s->head);
    int64_t block = most(s->vocab < HEAD_BLOCK ? s->vocab : HEAD_BLOCK, widest);
    size_t t = (size_t)d->options.rows, rank = (size_t)d->options.rank;

    w->rank = d->options.rank;
    w->rows = d->options.rows;
    w->threads = d->options.threads;
    w->dropout = d->options.dropout;
    w->half = d->options.bf16;
    w->scale = w->rank ? (real)(d->options.alpha / d->options.rank) : 0;
    w->strip_reals = (FROZEN_ROWS * widest_in + 15) & ~(int64_t)15;
    w->strip = take(a, (size_t)(w->threads * w->strip_reals));
    if (!d->kept) /* as wide as the widest, padding to panels included, whichever way it is packed */
        w->packed = take(a, (size_t)((block + 64) * (widest_in + 64)));
    w->rounded = NULL;
    if (w->half) /* rows of activations, and a LoRA's turned ones */
        w->rounded = take(a, factor_half_reals(most((int64_t)t, HEAD_ROWS), most(block, widest)) +
                                 factor_half_reals(most((int64_t)t, 1), most((int64_t)rank, 1)));
    w->x = take(a, t * (size_t)widest_in);
    w->z = take(a, t * rank);
    w->turned = take(a, t * rank);
    w->gradient = take(a, rank * (size_t)widest);
    w->factor = take(a, workshop_factor_reals(most(w->rank, 1), d->options.rows, widest));
}

static void lay_desk(decoder *d, arena *a)
{
    const shape *s = &d->shape;
    size_t t = (size_t)d->options.rows, q = (size_t)(s->heads * s->head);
    size_t k = (size_t)(s->groups * s->head), width = (size_t)s->width, inner = (size_t)s->inner;
    const int32_t all[2] = { 0, d->options.rows };
    spans one = { all, 1 };

    d->x = take(a, t * width);
    d->n = take(a, t * width);
    d->h = take(a, t * inner);
    d->dx = take(a, t * width);
    d->dn = take(a, t * width);
    d->dq = take(a, t * q);
    d->dk = take(a, t * k);
    d->dv = take(a, t * k);
    d->datt = take(a, t * q);
    d->dg = take(a, t * inner);
    d->du = take(a, t * inner);
    d->wide = s->fused ? take(a, t * (q + 2 * k > 2 * inner ? q + 2 * k : 2 * inner)) : NULL;
    d->rest = take(a, attention_reals(&d->attention, &one, d->options.threads));
    d->heads = take(a, HEAD_ROWS * width);
    d->picked = take(a, HEAD_ROWS * width);
    d->dpicked = take(a, HEAD_ROWS * width);
    d->logits = take(a, HEAD_ROWS * (size_t)(s->vocab + DECODER_WORDS));
    d->norm = take(a, width);
    d->rope.cos = take(a, t * (size_t)(s->rope_dims / 2));
    d->rope.sin = take(a, t * (size_t)(s->rope_dims / 2));
}

/* Gives the reals that are needed; with layers also sets every pointer. */
static size_t lay_out(decoder *d, real *base)
{
    arena a = { base, 0 };
    acts shared = { 0 };
    layer none = { 0 };
    size_t place = 0;

    d->params = count_params(&d->shape, d->options.rank);
    d->param = take(&a, d->params);
    d->grad = take(&a, d->params);
    if (d->options.recompute)
        lay_acts(&shared, &a, d);
    for (int64_t i = 0; i < d->shape.layers; i++) {
        layer *l = base ? &d->layers[i] : &none;

        lay_layer(l, &a, d);
        lay_loras(d, l, &place);
        l->acts = shared;
        if (!d->options.recompute)
            lay_acts(&l->acts, &a, d);
    }
    lay_frozen(&d->head, &a, d->shape.vocab, d->shape.width, HEAD_BLOCK, d);
    lay_shop(d, &a);
    lay_desk(d, &a);
    return a.used;
}

static size_t frozen_bytes(const shape *s, bool half)
{
    size_t reals = 2 * (size_t)(s->vocab * s->width);

    for (int i = 0; i < LINEAR_KINDS; i++) {
        int64_t in, out;

        shape_linear(&out, &in, s, (linear_kind)i);
        reals += shape_has(s, (linear_kind)i) ? 2 * (size_t)(in * out * s->layers) : 0;
    }
    return half ? reals * sizeof(uint16_t) : reals * sizeof(real);
}

bool decoder_keeps(const shape *s, const decoder_options *o)
{
    return frozen_bytes(s, o->bf16) <= o->keep;
}

static void settle(decoder *d, const shape *s, const decoder_options *o)
{
    d->shape = *s;
    d->options = *o;
    d->kept = decoder_keeps(s, o);
    d->attention = (attention){ s->heads, s->groups, s->head, (real)s->attention_scale };
    d->rope = (rope){ .positions = o->rows, .dims = s->rope_dims, .neox = s->neox };
}

size_t decoder_bytes(const shape *s, const decoder_options *o)
{
    decoder d = { .file = NULL };

    settle(&d, s, o);
    return lay_out(&d, NULL) * sizeof(real) + sizeof d;
}

/* ---- weights ---- */

static rap_status read_vector(real **place, const decoder *d, int64_t block, const char *name,
                              int64_t count, bool optional, rap_err *err)
{
    const gguf_tensor *t = NULL;
    rap_status status = shape_tensor(&t, d->file, block, name, count, 1, optional, err);

    if (status || !t) {
        *place = NULL;
        return status;
    }
    frozen_read(*place, t, 1, 1);
    return RAP_OK;
}

/* The adapters' parts of a frozen matrix. */
static void wear_adapters(frozen *f, const decoder *d)
{
    const decoder_options *o = &d->options;

    f->loras = 0;
    for (int i = 0; i < o->adapters; i++) {
        const lora_pair *p = lora_find(&o->adapter[i], f->tensor->name);

        if (p)
            f->lora[f->loras++] = (frozen_lora){ p->a, p->b, p->rank,
                                                 (real)(o->adapter_scale[i] * o->adapter[i].alpha /
                                                        (double)p->rank) };
    }
}

/* An adapter of anything but the linear layers and the output would be left out silently. */
static rap_status check_adapters(const decoder *d, rap_err *err)
{
    size_t used = (size_t)d->head.loras, all = 0;
    const linear *l;

    for (size_t i = 0; (l = decoder_linear(d, i)) != NULL; i++)
        used += (size_t)l->w.loras;
    for (int i = 0; i < d->options.adapters; i++)
        all += d->options.adapter[i].count;
    if (used == all && !(d->shape.tied && d->head.loras))
        return RAP_OK;
    return err_set(err, RAP_E_UNSUPPORTED,
                   "%s: the profile's adapter changes more than linear layers; training cannot go "
                   "on from it: merge it (`rap lora merge`)",
                   gguf_file_path(d->file));
}

/* Packed once, where there is room: then the file's own pages are not needed. */
static void keep(const frozen *f, decoder *d)
{
    if (!d->kept)
        return;
    frozen_keep(f, &d->shop);
    gguf_let_go(d->file, f->tensor);
}

static rap_status read_linear(linear *l, decoder *d, rap_err *err)
{
    char name[64];
    rap_status status;

    snprintf(name, sizeof name, "%s.weight", linear_name(l->kind));
    status = shape_tensor(&l->w.tensor, d->file, l->layer, name, l->in, l->out, false, err);
    if (status)
        return status;
    wear_adapters(&l->w, d);
    keep(&l->w, d);
    snprintf(name, sizeof name, "%s.bias", linear_name(l->kind));
    return read_vector(&l->bias, d, l->layer, name, l->out, true, err);
}

static rap_status read_layer(decoder *d, int64_t i, rap_err *err)
{
    layer *l = &d->layers[i];
    const shape *s = &d->shape;
    rap_status status = read_vector(&l->norm1, d, i, "attn_norm.weight", s->width, false, err);

    if (!status)
        status = read_vector(&l->norm2, d, i, "ffn_norm.weight", s->width, false, err);
    if (!status && s->head_norm)
        status = read_vector(&l->norm_q, d, i, "attn_q_norm.weight", s->head, false, err);
    if (!status && s->head_norm)
        status = read_vector(&l->norm_k, d, i, "attn_k_norm.weight", s->head, false, err);
    for (int k = 0; !status && k < LINEAR_KINDS; k++) {
        l->linear[k].kind = (linear_kind)k;
        l->linear[k].layer = i;
        l->linear[k].number = (uint64_t)(i * LINEAR_KINDS + k);
        if (shape_has(s, (linear_kind)k))
            status = read_linear(&l->linear[k], d, err);
    }
    return status;
}

static rap_status fill_rope(decoder *d, rap_err *err)
{
    const gguf_tensor *t = NULL;
    int64_t half = d->shape.rope_dims / 2;
    real factors[4096];
    rap_status status;

    if (half > 4096)
        return err_set(err, RAP_E_UNSUPPORTED, "%s: heads of %lld rotated numbers",
                       gguf_file_path(d->file), (long long)d->shape.rope_dims);
    status = shape_tensor(&t, d->file, -1, "rope_freqs.weight", half, 1, true, err);
    if (!status && t)
        frozen_read(factors, t, 1, 1);
    for (int64_t i = 0; !status && i < half; i++) {
        double turn = pow(d->shape.rope_base, -2.0 * (double)i / (double)d->shape.rope_dims);

        turn /= t ? (double)factors[i] : 1;
        for (int64_t p = 0; p < d->rope.positions; p++) {
            d->rope.cos[p * half + i] = (real)cos((double)p * turn);
            d->rope.sin[p * half + i] = (real)sin((double)p * turn);
        }
    }
    return status;
}

static rap_status read_weights(decoder *d, rap_err *err)
{
    const shape *s = &d->shape;
    const char *head = s->tied ? "token_embd.weight" : "output.weight";
    rap_status status =
        shape_tensor(&d->table, d->file, -1, "token_embd.weight", s->width, s->vocab, false, err);

    if (!status)
        status = shape_tensor(&d->head.tensor, d->file, -1, head, s->width, s->vocab, false, err);
    if (!status)
        status = read_vector(&d->norm, d, -1, "output_norm.weight", s->width, false, err);
    if (!status)
        wear_adapters(&d->head, d);
    if (!status)
        keep(&d->head, d);
    for (int64_t i = 0; !status && i < s->layers; i++)
        status = read_layer(d, i, err);
    if (!status)
        status = check_adapters(d, err);
    return status ? status : fill_rope(d, err);
}

/* A: uniform in ± 1/√in, as PEFT's Kaiming with a = √5; B: zeros. */
static void draw_loras(decoder *d)
{
    const linear *l;

    memset(d->param, 0, d->params * sizeof *d->param);
    memset(d->grad, 0, d->params * sizeof *d->grad);
    for (size_t n = 0; (l = decoder_linear(d, n)) != NULL; n++) {
        double reach = 1 / sqrt((double)l->in);
        int64_t count = l->in * d->options.rank;

        for (int64_t i = 0; l->a && i < count; i++)
            l->a[i] = (real)((2 * uniform_at(d->options.seed, l->number, (uint64_t)i) - 1) * reach);
    }
}

/* ---- life ---- */

rap_status decoder_open(decoder **out, const gguf_file *g, const decoder_options *o, rap_err *err)
{
    decoder *d = mem_array(1, sizeof *d);
    shape s;
    rap_status status;

    *out = NULL;
    if (!d)
        return err_memory(err, "opening a decoder");
    status = shape_read(&s, g, err);
    if (!status && o->bf16 && !half_is_there())
        status = err_set(err, RAP_E_UNSUPPORTED,
                         "training in bf16 takes a processor that multiplies it (AVX512-BF16), "
                         "which this one does "
                         "not; leave out --bf16");
    if (status)
        goto cleanup;
    d->file = g;
    settle(d, &s, o);
    d->layers = mem_array((size_t)s.layers, sizeof *d->layers);
    d->arena = d->layers ? mem_aligned_raw(lay_out(d, NULL) * sizeof(real)) : NULL;
    if (!d->arena) {
        status =
            err_set(err, RAP_E_MEMORY,
                    "%s: training takes %.1f GB of memory, which is not there; try --recompute, "
                    "or fewer --max-tokens",
                    gguf_file_path(g), (double)decoder_bytes(&s, o) / 1e9);
        goto cleanup;
    }
    lay_out(d, d->arena);
    status = read_weights(d, err);
    if (!status)
        draw_loras(d);
cleanup:
    if (status) {
        decoder_close(d);
        return status;
    }
    *out = d;
    return RAP_OK;
}

void decoder_close(decoder *d)
{
    if (!d)
        return;
    free(d->layers);
    free(d->arena);
    free(d);
}

const shape *decoder_shape(const decoder *d)
{
    return &d->shape;
}

void decoder_token_rows(real *in, real *out, const decoder *d, int32_t token)
{
    if (in)
        frozen_read_row(in, d->table, token);
    if (out)
        frozen_read_row(out, d->head.tensor, token);
}

int64_t decoder_rows(const decoder *d)
{
    return d->options.rows;
}

size_t decoder_params(const decoder *d)
{
    return d->params;
}

real *decoder_param(decoder *d)
{
    return d->param;
}

real *decoder_grad(decoder *d)
{
    return d->grad;
}

const linear *decoder_linear(const decoder *d, size_t i)
{
    size_t seen = 0, each = 0;

    for (int k = 0; k < LINEAR_KINDS; k++)
        each += shape_has(&d->shape, (linear_kind)k);
    if (i >= each * (size_t)d->shape.layers)
        return NULL;
    for (int k = 0; k < LINEAR_KINDS; k++)
        if (shape_has(&d->shape, (linear_kind)k) && seen++ == i % each)
            return &d->layers[i / each].linear[k];
    return NULL;
}

const double *decoder_times(const decoder *d, linear_kind kind)
{
    return d->shop.spent[kind];
}

void decoder_clear_times(decoder *d)
{
    memset(d->shop.spent, 0, sizeof d->shop.spent);
}

const real *decoder_input_gradient(const decoder *d)
{
    return d->dx;
}

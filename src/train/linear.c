/* linear.c: see linear.h. */
#include "train/linear.h"

#include "nn/nn.h"

#include <ggml.h>

#include <string.h>

/* ---- numbers by name ---- */

static uint64_t mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

double uniform_at(uint64_t key, uint64_t stream, uint64_t i)
{
    return (double)(mix(mix(mix(key) ^ stream) ^ i) >> 11) * 0x1p-53;
}

/* ---- frozen weights ---- */

typedef struct reading {
    real *out;
    const gguf_tensor *t;
    size_t row_bytes;
} reading;

static void read_floats(float *out, const gguf_tensor *t, const void *from)
{
    if (t->type == GGML_TYPE_F32)
        memcpy(out, from, (size_t)t->ne[0] * sizeof *out);
    else
        ggml_get_type_traits((enum ggml_type)t->type)->to_float(from, out, t->ne[0]);
}

/* out [ne0] */
static void read_one(real *out, const reading *r, int64_t row)
{
    const char *from = (const char *)r->t->data + (size_t)row * r->row_bytes;
#ifdef RAP_TRAIN_DOUBLE
    float *half = (float *)out; /* the row's first half, widened from its end */
    read_floats(half, r->t, from);
    for (int64_t i = r->t->ne[0] - 1; i >= 0; i--) {
        float value;
        memcpy(&value, half + i, sizeof value);
        memcpy(out + i, &(double){ value }, sizeof(double));
    }
#else
    read_floats(out, r->t, from);
#endif
}

static void read_row(void *payload, int64_t row, int lane)
{
    const reading *r = payload;
    read_one(r->out + row * r->t->ne[0], r, row);
}

static reading reading_of(real *out, const gguf_tensor *t)
{
    return (reading){ out, t, t->bytes / (size_t)(t->ne[1] * t->ne[2] * t->ne[3]) };
}

void frozen_read(real *out, const gguf_tensor *t, int64_t rows, int threads)
{
    reading r = reading_of(out, t);
    nn_each(threads, rows, read_row, &r);
}

void frozen_read_row(real *out, const gguf_tensor *t, int64_t row)
{
    reading r = reading_of(out, t);
    read_one(out, &r, row);
}

factor frozen_factor(const frozen *f, nn_matrix_layout layout, workshop *shop)
{
    int64_t n = layout == NN_ROWS ? f->rows : f->width, k = layout == NN_ROWS ? f->width : f->rows;
    real *kept = layout == NN_ROWS ? f->forth : f->back;
    factor out = { kept, n, k };
    if (kept)
        return out;
    frozen_read(shop->plain, f->tensor, f->rows, shop->threads);
    factor_pack(&out, shop->packed, shop->plain, f->width, layout, n, k, shop->threads);
    return out;
}

/* ---- dropout: x̃ = x / (1 − p) where a number drawn for the place is p or more, else 0 ---- */

typedef struct dropping {
    real *out;
    const real *x;
    int64_t width;
    uint64_t key, stream;
    double p;
    bool add;
} dropping;

static void drop_row(void *payload, int64_t t, int lane)
{
    const dropping *d = payload;
    uint64_t base = mix(mix(d->key) ^ d->stream), least = (uint64_t)(d->p * 0x1p53);
    real keep = (real)(1 / (1 - d->p));
    for (int64_t i = t * d->width; i < (t + 1) * d->width; i++) {
        real value = mix(base ^ (uint64_t)i) >> 11 >= least ? d->x[i] * keep : 0;
        d->out[i] = d->add ? d->out[i] + value : value;
    }
}

static void drop(real *out, const real *x, int64_t t, const linear *l, const workshop *shop,
                 bool add)
{
    dropping d = { out, x, l->in, shop->dropout_key, l->number, shop->dropout, add };
    nn_each(shop->threads, t, drop_row, &d);
}

static bool drops(const workshop *shop)
{
    return shop->dropout > 0 && shop->dropout_key != 0;
}

/* ---- the layer ---- */

size_t workshop_factor_reals(int64_t rank, int64_t rows, int64_t widest)
{
    size_t most = 0;
    const int64_t pairs[][2] = {
        { rank, widest }, { widest, rank }, { rank, rows }, { widest, rows }
    };
    for (size_t i = 0; i < 4; i++) {
        size_t reals = factor_reals(pairs[i][0], pairs[i][1]);
        most = reals > most ? reals : most;
    }
    return most;
}

typedef struct row_job {
    real *x;
    const real *bias;
    int64_t width;
    real scale;
} row_job;

static void add_bias_row(void *payload, int64_t t, int lane)
{
    const row_job *j = payload;
    for (int64_t i = 0; i < j->width; i++)
        j->x[t * j->width + i] += j->bias[i];
}

static void scale_row(void *payload, int64_t t, int lane)
{
    const row_job *j = payload;
    for (int64_t i = 0; i < j->width; i++)
        j->x[t * j->width + i] *= j->scale;
}

/* out [n] = s · in [n] */
static void scaled(real *out, const real *in, int64_t n, real s)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = s * in[i];
}

void linear_run(real *out, real *z, const real *x, int64_t t, const linear *l, workshop *shop)
{
    factor f = frozen_factor(&l->w, NN_ROWS, shop);
    int threads = shop->threads;
    product(out, x, &f, t, false, threads);
    if (l->bias)
        nn_each(threads, t, add_bias_row, &(row_job){ out, l->bias, l->out, 1 });
    if (!l->a)
        return;
    if (drops(shop)) {
        drop(shop->x, x, t, l, shop, false);
        x = shop->x;
    }
    factor_pack(&f, shop->factor, l->a, l->in, NN_ROWS, shop->rank, l->in, threads);
    product(z, x, &f, t, false, threads);
    scaled(shop->z, z, t * shop->rank, shop->scale);
    factor_pack(&f, shop->factor, l->b, shop->rank, NN_ROWS, l->out, shop->rank, threads);
    product(out, shop->z, &f, t, true, threads);
}

void linear_back(real *dx, bool add, const real *dout, const real *z, const real *x, int64_t t,
                 const linear *l, workshop *shop)
{
    int64_t rank = shop->rank;
    int threads = shop->threads;
    factor f = frozen_factor(&l->w, NN_COLUMNS, shop);
    product(dx, dout, &f, t, add, threads);
    if (!l->a)
        return;
    /* dB [out, rank] += doutᵀ · (s z) */
    scaled(shop->z, z, t * rank, shop->scale);
    transpose(shop->turned, dout, t, l->out, threads);
    factor_pack(&f, shop->factor, shop->z, rank, NN_COLUMNS, rank, t, threads);
    product(l->db, shop->turned, &f, l->out, true, threads);
    /* dz [T, rank] = s · dout B */
    factor_pack(&f, shop->factor, l->b, rank, NN_COLUMNS, rank, l->out, threads);
    product(shop->z, dout, &f, t, false, threads);
    nn_each(threads, t, scale_row, &(row_job){ shop->z, NULL, rank, shop->scale });
    /* dA [rank, in] += dzᵀ x̃ */
    if (drops(shop)) {
        drop(shop->x, x, t, l, shop, false);
        x = shop->x;
    }
    transpose(shop->turned, shop->z, t, rank, threads);
    factor_pack(&f, shop->factor, x, l->in, NN_COLUMNS, l->in, t, threads);
    product(l->da, shop->turned, &f, rank, true, threads);
    /* dx [T, in] += mask ∘ (dz A) */
    factor_pack(&f, shop->factor, l->a, l->in, NN_COLUMNS, l->in, rank, threads);
    if (!drops(shop)) {
        product(dx, shop->z, &f, t, true, threads);
        return;
    }
    product(shop->x, shop->z, &f, t, false, threads);
    drop(dx, shop->x, t, l, shop, true);
}

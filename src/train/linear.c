/* linear.c: see linear.h. */
#include "train/linear.h"

#include "nn/nn.h"

#include <ggml.h>

#include <string.h>
#include <time.h>

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

/* ---- frozen factors ---- */

int64_t frozen_blocks(const frozen *f)
{
    return (f->rows + f->block - 1) / f->block;
}

static int64_t rows_of(const frozen *f, int64_t i)
{
    return i + 1 < frozen_blocks(f) ? f->block : f->rows - i * f->block;
}

static size_t reals_of(const frozen *f, int64_t rows, nn_matrix_layout layout, bool half)
{
    int64_t n = layout == NN_ROWS ? rows : f->width, k = layout == NN_ROWS ? f->width : rows;
    return half ? factor_half_reals(n, k) : factor_reals(n, k);
}

size_t frozen_reals(const frozen *f, nn_matrix_layout layout, bool half)
{
    size_t reals = 0;
    for (int64_t i = 0; i < frozen_blocks(f); i++)
        reals += reals_of(f, rows_of(f, i), layout, half);
    return reals;
}

/* w [width] += the adapters' part of a row of W */
static void add_loras(real *w, const frozen *f, int64_t row)
{
    for (int i = 0; i < f->loras; i++) {
        const frozen_lora *l = &f->lora[i];
        for (int64_t j = 0; j < l->rank; j++) {
            real b = l->scale * (real)l->b[row * l->rank + j];
            const float *a = l->a + j * f->width;
            for (int64_t k = 0; k < f->width; k++)
                w[k] += b * (real)a[k];
        }
    }
}

typedef struct unpacking {
    factor to;
    nn_matrix_layout layout;
    const frozen *f;
    reading from;
    int64_t first; /* row of the block */
    const workshop *shop;
} unpacking;

static void unpack_strip(void *payload, int64_t i, int lane)
{
    const unpacking *u = payload;
    nn_strip s = factor_strip(u->layout, u->to.n, u->to.k, i);
    int64_t width = u->from.t->ne[0];
    real *rows = u->shop->strip + lane * u->shop->strip_reals;
    for (int64_t r = 0; r < s.rows; r++) {
        read_one(rows + r * width, &u->from, u->first + s.first + r);
        add_loras(rows + r * width, u->f, u->first + s.first + r);
    }
    factor_pack_strip(&u->to, rows, width, u->layout, i);
}

/* Reads block i and packs it into `memory`, strip by strip. */
static factor unpack(real *memory, const frozen *f, int64_t i, nn_matrix_layout layout,
                     workshop *shop)
{
    int64_t rows = rows_of(f, i);
    unpacking u = { .to = { memory, rows, f->width, shop->half },
                    .layout = layout,
                    .f = f,
                    .from = reading_of(NULL, f->tensor),
                    .first = i * f->block,
                    .shop = shop };
    if (layout == NN_COLUMNS) {
        u.to.n = f->width;
        u.to.k = rows;
    }
    nn_each(shop->threads, factor_strips(layout, u.to.n, u.to.k), unpack_strip, &u);
    return u.to;
}

void frozen_keep(const frozen *f, workshop *shop)
{
    for (int64_t i = 0; i < frozen_blocks(f); i++) {
        unpack(f->forth + (size_t)i * reals_of(f, f->block, NN_ROWS, shop->half), f, i, NN_ROWS,
               shop);
        unpack(f->back + (size_t)i * reals_of(f, f->block, NN_COLUMNS, shop->half), f, i,
               NN_COLUMNS, shop);
    }
}

void frozen_product(real *out, const real *a, int64_t m, bool add, const frozen *f, int64_t i,
                    nn_matrix_layout layout, workshop *shop)
{
    real *kept = layout == NN_ROWS ? f->forth : f->back;
    int64_t rows = rows_of(f, i);
    factor w = { kept, layout == NN_ROWS ? rows : f->width, layout == NN_ROWS ? f->width : rows,
                 shop->half };
    if (kept)
        w.packed += (size_t)i * reals_of(f, f->block, layout, shop->half);
    else
        w = unpack(shop->packed, f, i, layout, shop);
    if (shop->half)
        product_half(out, a, &w, m, add, shop->rounded, shop->threads);
    else
        product(out, a, &w, m, add, shop->threads);
}

/* ---- dropout: x̃ = x / (1 − p) where a number of 32 bits drawn for the place is p · 2³² or more, else 0 ---- */

typedef struct dropping {
    real *out;
    const real *x;
    int64_t width;
    uint64_t base;
    double p;
    bool add;
} dropping;

static void drop_row(void *payload, int64_t t, int lane)
{
    const dropping *d = payload;
    row_drop(d->out + t * d->width, d->x + t * d->width, d->width,
             (uint32_t)mix(d->base ^ (uint64_t)t), (uint32_t)(d->p * 0x1p32),
             (real)(1 / (1 - d->p)), d->add);
}

static void drop(real *out, const real *x, int64_t t, const linear *l, const workshop *shop,
                 bool add)
{
    dropping d = { out, x, l->in, mix(mix(shop->dropout_key) ^ l->number), shop->dropout, add };
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
    const int64_t pairs[][2] = { { rank, widest }, { widest, rank }, { widest, rows } };
    for (size_t i = 0; i < 3; i++) {
        size_t reals = factor_reals(pairs[i][0], pairs[i][1]);
        most = reals > most ? reals : most;
    }
    return most;
}

/* out [n] = s · in [n] */
static void scaled(real *out, const real *in, int64_t n, real s)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = s * in[i];
}

typedef struct turned_sum {
    real *out;
    const real *in;
    int64_t m, n;
} turned_sum;

static void add_column(void *payload, int64_t j, int lane)
{
    const turned_sum *s = payload;
    for (int64_t i = 0; i < s->m; i++)
        s->out[j * s->m + i] += s->in[i * s->n + j];
}

/* out [n, m] += in [m, n]ᵀ */
static void add_transposed(real *out, const real *in, int64_t m, int64_t n, int threads)
{
    nn_each(threads, n, add_column, &(turned_sum){ out, in, m, n });
}

/* Of all threads of the process: what a layer costs, whatever else the machine does. */
static double processor_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return 1e3 * (double)t.tv_sec + 1e-6 * (double)t.tv_nsec;
}

/* Adds what has passed since `began`; the time now. */
static double spend(double *sum, double began)
{
    double now = processor_ms();
    *sum += now - began;
    return now;
}

/* out [m, n] (+)= a [m, k] · b, which is packed first. */
static void lora_product(real *out, const real *a, int64_t m, const real *b,
                         nn_matrix_layout layout, int64_t n, int64_t k, bool add, workshop *shop)
{
    factor f;
    factor_pack(&f, shop->factor, shop->half, b, layout == NN_ROWS ? k : n, layout, n, k,
                shop->threads);
    if (shop->half)
        product_half(out, a, &f, m, add, shop->rounded, shop->threads);
    else
        product(out, a, &f, m, add, shop->threads);
}

void linear_run(real *out, real *z, const real *x, int64_t t, const linear *l, workshop *shop)
{
    int threads = shop->threads;
    double began = processor_ms();
    frozen_product(out, x, t, false, &l->w, 0, NN_ROWS, shop);
    if (l->bias)
        add_to_rows(out, l->bias, t, l->out, threads);
    began = spend(&shop->spent[l->kind][0], began);
    if (!l->a)
        return;
    if (drops(shop)) {
        drop(shop->x, x, t, l, shop, false);
        x = shop->x;
    }
    lora_product(z, x, t, l->a, NN_ROWS, shop->rank, l->in, false, shop);
    scaled(shop->z, z, t * shop->rank, shop->scale);
    lora_product(out, shop->z, t, l->b, NN_ROWS, l->out, shop->rank, true, shop);
    spend(&shop->spent[l->kind][2], began);
}

void linear_back(real *dx, bool add, const real *dout, const real *z, const real *x, int64_t t,
                 const linear *l, workshop *shop)
{
    int64_t rank = shop->rank;
    int threads = shop->threads;
    double began = processor_ms();
    frozen_product(dx, dout, t, add, &l->w, 0, NN_COLUMNS, shop);
    began = spend(&shop->spent[l->kind][1], began);
    if (!l->a)
        return;
    /* dBᵀ [rank, out] = (s z)ᵀ dout */
    scaled(shop->z, z, t * rank, shop->scale);
    transpose(shop->turned, shop->z, t, rank, threads);
    lora_product(shop->gradient, shop->turned, rank, dout, NN_COLUMNS, l->out, t, false, shop);
    add_transposed(l->db, shop->gradient, rank, l->out, threads);
    /* dz [T, rank] = s · dout B */
    lora_product(shop->z, dout, t, l->b, NN_COLUMNS, rank, l->out, false, shop);
    scaled(shop->z, shop->z, t * rank, shop->scale);
    /* dA [rank, in] += dzᵀ x̃ */
    if (drops(shop)) {
        drop(shop->x, x, t, l, shop, false);
        x = shop->x;
    }
    transpose(shop->turned, shop->z, t, rank, threads);
    lora_product(l->da, shop->turned, rank, x, NN_COLUMNS, l->in, t, true, shop);
    /* dx [T, in] += mask ∘ (dz A) */
    lora_product(drops(shop) ? shop->x : dx, shop->z, t, l->a, NN_COLUMNS, l->in, rank,
                 !drops(shop), shop);
    if (drops(shop))
        drop(dx, shop->x, t, l, shop, true);
    spend(&shop->spent[l->kind][2], began);
}

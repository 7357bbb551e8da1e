/* projector.c: see projector.h. */
#include "train/projector.h"

#include "base/mem.h"
#include "nn/nn.h"
#include "train/linear.h"
#include "train/lora.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- its numbers in the mmproj ---- */

enum { W0, B0, W2, B2, PARTS };
static const char *const part_name[PARTS] = { "mm.0.weight", "mm.0.bias", "mm.2.weight",
                                              "mm.2.bias" };

/* False: not these two layers. */
static bool find_parts(const gguf_tensor *part[PARTS], const gguf_file *g)
{
    for (size_t i = 0; i < gguf_tensor_count(g); i++) {
        const char *name = gguf_tensor_at(g, i)->name;
        bool known = strncmp(name, "mm.", 3) != 0;

        for (int k = 0; k < PARTS; k++)
            known = known || strcmp(name, part_name[k]) == 0;
        if (!known)
            return false;
    }
    for (int k = 0; k < PARTS; k++)
        if (!(part[k] = gguf_find(g, part_name[k])))
            return false;
    return part[W0]->dims == 2 && part[W2]->dims == 2 && part[B0]->ne[0] == part[W0]->ne[1] &&
           part[W2]->ne[0] == part[W0]->ne[1] && part[B2]->ne[0] == part[W2]->ne[1];
}

static bool read_sizes(projector *out, const gguf_tensor *part[PARTS], const gguf_file *g,
                       int64_t rows)
{
    *out = (projector){ .rows = rows };
    if (!find_parts(part, g))
        return false;
    out->in = part[W0]->ne[0];
    out->inner = part[W0]->ne[1];
    out->out = part[W2]->ne[1];
    out->params = (size_t)(out->inner * (out->in + 1) + out->out * (out->inner + 1));
    return true;
}

int64_t projector_width(const gguf_file *mmproj)
{
    const gguf_tensor *part[PARTS];
    projector p;

    return read_sizes(&p, part, mmproj, 0) ? p.in : 0;
}

size_t projector_numbers(const gguf_file *mmproj)
{
    const gguf_tensor *part[PARTS];
    projector p;

    return read_sizes(&p, part, mmproj, 0) ? p.params : 0;
}

/* Where part k lies in param and grad. */
static size_t place_of(const projector *p, int k)
{
    size_t w0 = (size_t)(p->in * p->inner), b0 = (size_t)p->inner, w2 = (size_t)(p->inner * p->out);

    return k == W0 ? 0 : k == B0 ? w0 : k == W2 ? w0 + b0 : w0 + b0 + w2;
}

static size_t most(size_t a, size_t b)
{
    return a > b ? a : b;
}

static size_t factor_room(const projector *p)
{
    size_t weights = most(factor_reals(p->inner, p->in),
                          most(factor_reals(p->out, p->inner), factor_reals(p->inner, p->out)));

    return most(weights, most(factor_reals(p->inner, p->rows), factor_reals(p->in, p->rows)));
}

size_t projector_bytes(const gguf_file *mmproj, int64_t rows)
{
    const gguf_tensor *part[PARTS];
    projector p;

    if (!read_sizes(&p, part, mmproj, rows))
        return 0;
    return (2 * p.params + (size_t)(rows * (3 * p.inner + p.out)) +
            (size_t)rows * most((size_t)p.inner, (size_t)p.out) + factor_room(&p)) *
           sizeof(real);
}

rap_status projector_open(projector *out, const gguf_file *mmproj, int64_t rows, int threads,
                          rap_err *err)
{
    const gguf_tensor *part[PARTS];
    projector *p = out;

    if (!read_sizes(p, part, mmproj, rows))
        return err_set(err, RAP_E_UNSUPPORTED,
                       "%s: its projector is not LLaVA's of two layers, which is the only one that "
                       "can be trained; "
                       "give --projector off",
                       gguf_file_path(mmproj));
    p->threads = threads;
    p->param = mem_array(p->params, sizeof *p->param);
    p->grad = mem_array(p->params, sizeof *p->grad);
    p->h = mem_array((size_t)(rows * p->inner), sizeof *p->h);
    p->a = mem_array((size_t)(rows * p->inner), sizeof *p->a);
    p->dh = mem_array((size_t)(rows * p->inner), sizeof *p->dh);
    p->result = mem_array((size_t)(rows * p->out), sizeof *p->result);
    p->turned = mem_array((size_t)rows * most((size_t)p->inner, (size_t)p->out), sizeof *p->turned);
    p->factor = mem_aligned_raw(factor_room(p) * sizeof *p->factor);
    if (!p->param || !p->grad || !p->h || !p->a || !p->dh || !p->result || !p->turned ||
        !p->factor) {
        projector_close(p);
        return err_memory(err, "opening a projector");
    }
    for (int k = 0; k < PARTS; k++)
        frozen_read(p->param + place_of(p, k), part[k], part[k]->dims == 2 ? part[k]->ne[1] : 1, 1);
    return RAP_OK;
}

void projector_close(projector *p)
{
    free(p->param);
    free(p->grad);
    free(p->h);
    free(p->a);
    free(p->dh);
    free(p->result);
    free(p->turned);
    free(p->factor);
    *p = (projector){ .in = 0 };
}

/* ---- forwards ---- */

#define ROOT_HALF 0.70710678118654752440
#define ROOT_TWO_PI 2.50662827463100050242

typedef struct piece {
    real *h, *a; /* or dh */
    int64_t width;
} piece;

/* a = gelu(h) */
static void gelu_row(void *payload, int64_t row, int lane)
{
    const piece *j = payload;
    for (int64_t i = row * j->width; i < (row + 1) * j->width; i++)
        j->a[i] = (real)(0.5 * (double)j->h[i] * (1 + erf((double)j->h[i] * ROOT_HALF)));
}

void projector_run(projector *p, const real *features, int64_t r)
{
    const real *w0 = p->param, *b0 = p->param + place_of(p, B0), *w2 = p->param + place_of(p, W2),
               *b2 = p->param + place_of(p, B2);
    factor f;

    if (r < 1)
        return;
    factor_pack(&f, p->factor, false, w0, p->in, NN_ROWS, p->inner, p->in, p->threads);
    product(p->h, features, &f, r, false, p->threads);
    add_to_rows(p->h, b0, r, p->inner, p->threads);
    nn_each(p->threads, r, gelu_row, &(piece){ p->h, p->a, p->inner });
    factor_pack(&f, p->factor, false, w2, p->inner, NN_ROWS, p->out, p->inner, p->threads);
    product(p->result, p->a, &f, r, false, p->threads);
    add_to_rows(p->result, b2, r, p->out, p->threads);
}

/* ---- backwards ---- */

/* dh, which holds da, ∘= gelu'(h) */
static void gelu_row_back(void *payload, int64_t row, int lane)
{
    const piece *j = payload;
    for (int64_t i = row * j->width; i < (row + 1) * j->width; i++) {
        double x = (double)j->h[i];
        j->a[i] *= (real)(0.5 * (1 + erf(x * ROOT_HALF)) + x * exp(-0.5 * x * x) / ROOT_TWO_PI);
    }
}

/* db [width] += Σ rows of d [r, width] */
static void add_rows(real *db, const real *d, int64_t r, int64_t width)
{
    for (int64_t row = 0; row < r; row++)
        for (int64_t i = 0; i < width; i++)
            db[i] += d[row * width + i];
}

/* dw [n, k] += d [r, n]ᵀ x [r, k] */
static void add_outer(projector *p, real *dw, const real *d, const real *x, int64_t r, int64_t n,
                      int64_t k)
{
    factor f;
    transpose(p->turned, d, r, n, p->threads);
    factor_pack(&f, p->factor, false, x, k, NN_COLUMNS, k, r, p->threads);
    product(dw, p->turned, &f, n, true, p->threads);
}

void projector_back(projector *p, const real *features, const real *dout, int64_t r)
{
    factor f;

    if (r < 1)
        return;
    add_outer(p, p->grad + place_of(p, W2), dout, p->a, r, p->out, p->inner);
    add_rows(p->grad + place_of(p, B2), dout, r, p->out);
    factor_pack(&f, p->factor, false, p->param + place_of(p, W2), p->inner, NN_COLUMNS, p->inner,
                p->out, p->threads);
    product(p->dh, dout, &f, r, false, p->threads);
    nn_each(p->threads, r, gelu_row_back, &(piece){ p->h, p->dh, p->inner });
    add_outer(p, p->grad + place_of(p, W0), p->dh, features, r, p->inner, p->in);
    add_rows(p->grad + place_of(p, B0), p->dh, r, p->inner);
}

/* ---- the file ---- */

#ifndef RAP_TRAIN_DOUBLE

static rap_status trained(float **out, const gguf_tensor *t, void *payload, rap_err *err)
{
    const projector *p = payload;

    *out = NULL;
    for (int k = 0; k < PARTS; k++)
        if (strcmp(t->name, part_name[k]) == 0) {
            *out =
                mem_copy(p->param + place_of(p, k), (size_t)(t->ne[0] * t->ne[1]) * sizeof **out);
            return *out ? RAP_OK : err_memory(err, "writing a projector");
        }
    return RAP_OK;
}

rap_status projector_write(const projector *p, const gguf_file *mmproj, const char *path,
                           rap_err *err)
{
    return gguf_renumber(mmproj, path, trained, (void *)p, err);
}

#endif

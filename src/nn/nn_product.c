/* nn_product.c: plain matrix products using the linear layer kernels, without a graph. */
#include "nn/nn_product.h"

#include "nn/nn_linear.h"
#include "nn/nn_panel.h"

#include <string.h>

size_t nn_product_floats(int64_t n, int64_t k)
{
    return (size_t)(nn_panel_columns(nn_kernels_used(), n) * k);
}

/* ---- packing ---- */

enum { COLUMN_ROWS = 32 }; /* of a strip of NN_COLUMNS */

int64_t nn_product_strips(nn_matrix_layout layout, int64_t n, int64_t k)
{
    return layout == NN_ROWS ? nn_panel_count(nn_kernels_used(), n)
                             : (k + COLUMN_ROWS - 1) / COLUMN_ROWS;
}

nn_strip nn_product_strip(nn_matrix_layout layout, int64_t n, int64_t k, int64_t i)
{
    int64_t first = i * COLUMN_ROWS;
    if (layout == NN_ROWS) {
        nn_panel p = nn_panel_at(nn_kernels_used(), n, i);
        return (nn_strip){ p.first, p.columns };
    }
    return (nn_strip){ first, k - first < COLUMN_ROWS ? k - first : COLUMN_ROWS };
}

static void pack_columns(float *to, const float *b, int64_t ldb, nn_panel p, int64_t rows)
{
    for (int64_t i = 0; i < rows; i++, to += p.width) {
        memcpy(to, b + i * ldb + p.first, (size_t)p.columns * sizeof *to);
        for (int64_t j = p.columns; j < p.width; j++)
            to[j] = 0;
    }
}

/* Sixteen rows at a time, so that cache lines of the panel are filled while they are cached. */
static void pack_rows(float *to, const float *b, int64_t ldb, nn_panel p, int64_t k)
{
    for (int64_t i0 = 0; i0 < k; i0 += 16) {
        int64_t end = i0 + 16 < k ? i0 + 16 : k;
        for (int64_t j = 0; j < p.columns; j++)
            for (int64_t i = i0; i < end; i++)
                to[i * p.width + j] = b[j * ldb + i];
        for (int64_t i = i0; i < end; i++)
            for (int64_t j = p.columns; j < p.width; j++)
                to[i * p.width + j] = 0;
    }
}

void nn_product_pack_strip(float *packed, const float *strip, int64_t ldb, nn_matrix_layout layout,
                           int64_t n, int64_t k, int64_t i)
{
    const nn_kernels *kernels = nn_kernels_used();
    int64_t panels = nn_panel_count(kernels, n);
    nn_strip s = nn_product_strip(layout, n, k, i);
    if (layout == NN_ROWS) {
        nn_panel p = nn_panel_at(kernels, n, i);
        pack_rows(packed + p.first * k, strip, ldb, p, k);
        return;
    }
    for (int64_t q = 0; q < panels; q++) {
        nn_panel p = nn_panel_at(kernels, n, q);
        pack_columns(packed + p.first * k + s.first * p.width, strip, ldb, p, s.rows);
    }
}

typedef struct packing {
    float *packed;
    const float *b;
    int64_t ldb, n, k;
    nn_matrix_layout layout;
} packing;

static void pack_one(void *payload, int64_t i, int lane)
{
    const packing *j = payload;
    nn_strip s = nn_product_strip(j->layout, j->n, j->k, i);
    nn_product_pack_strip(j->packed, j->b + s.first * j->ldb, j->ldb, j->layout, j->n, j->k, i);
}

void nn_product_pack(float *packed, const float *b, int64_t ldb, nn_matrix_layout layout, int64_t n,
                     int64_t k, int threads)
{
    packing j = { packed, b, ldb, n, k, layout };
    nn_each(n * k < 16384 ? 1 : threads, nn_product_strips(layout, n, k), pack_one, &j);
}

/* ---- products ---- */

void nn_product(float *out, const float *a, const float *packed, int64_t m, int64_t n, int64_t k,
                bool add, int threads)
{
    nn_layer_spec s = { .kernels = nn_kernels_used(), .linear = true, .n = m, .c = k, .o = n };
    nn_layer l = { .s = &s, .packed = packed, .src = a, .residual = add ? out : NULL, .dst = out };
    if (m > 0)
        nn_linear_run(&l, m * n * k < 65536 ? 1 : threads);
}

static void finish(const nn_small_product *p, const float *acc, int64_t first, int64_t rows,
                   nn_panel panel)
{
    for (int64_t r = 0; r < rows; r++, acc += panel.width) {
        float *to = p->out + (first + r) * p->ldo + panel.first;
        for (int64_t j = 0; j < panel.columns; j++)
            to[j] = p->add ? to[j] + p->scale * acc[j] : p->scale * acc[j];
    }
}

void nn_product_here(const nn_small_product *p)
{
    float acc[NN_MAX_CHUNK * NN_MAX_PANEL] __attribute__((aligned(64)));
    const nn_kernels *kernels = nn_kernels_used();
    int64_t panels = nn_panel_count(kernels, p->n), depth = p->depth ? p->depth : p->k;
    for (int64_t i = 0; i < panels; i++) {
        nn_panel panel = nn_panel_at(kernels, p->n, i);
        if (p->columns && panel.first >= p->columns)
            break;
        for (int64_t first = 0; first < p->m; first += NN_MAX_CHUNK) {
            int64_t rows = p->m - first < NN_MAX_CHUNK ? p->m - first : NN_MAX_CHUNK;
            nn_panel_multiply(kernels, acc, panel.width, p->a + first * p->lda, p->lda, rows,
                              p->packed + panel.first * p->k, panel.width, depth);
            finish(p, acc, first, rows, panel);
        }
    }
}

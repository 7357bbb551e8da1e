/* nn_product.c: plain matrix products using the linear layer kernels, without a graph. */
#include "nn/nn_product.h"

#include "nn/nn_linear.h"
#include "nn/nn_panel.h"

size_t nn_product_floats(int64_t n, int64_t k)
{
    return (size_t)(nn_panel_columns(nn_kernels_used(), n) * k);
}

typedef struct packing {
    float *packed;
    const float *b;
    int64_t ldb, n, k;
    nn_matrix_layout layout;
} packing;

static void pack_columns(float *to, const float *b, int64_t ldb, nn_panel p, int64_t k)
{
    for (int64_t i = 0; i < k; i++, to += p.width) {
        const float *from = b + i * ldb + p.first;
        for (int64_t j = 0; j < p.columns; j++)
            to[j] = from[j];
        for (int64_t j = p.columns; j < p.width; j++)
            to[j] = 0;
    }
}

/* Eight rows at a time, so that a cache line of the panel is filled while it is cached. */
static void pack_rows(float *to, const float *b, int64_t ldb, nn_panel p, int64_t k)
{
    for (int64_t i0 = 0; i0 < k; i0 += 16) {
        int64_t end = i0 + 16 < k ? i0 + 16 : k;
        for (int64_t j = 0; j < p.width; j++) {
            const float *from = b + (p.first + j) * ldb;
            for (int64_t i = i0; i < end; i++)
                to[i * p.width + j] = j < p.columns ? from[i] : 0;
        }
    }
}

static void pack_panel(void *payload, int64_t i, int lane)
{
    const packing *j = payload;
    nn_panel p = nn_panel_at(nn_kernels_used(), j->n, i);
    float *to = j->packed + p.first * j->k;
    if (j->layout == NN_ROWS)
        pack_rows(to, j->b, j->ldb, p, j->k);
    else
        pack_columns(to, j->b, j->ldb, p, j->k);
}

void nn_product_pack(float *packed, const float *b, int64_t ldb, nn_matrix_layout layout, int64_t n,
                     int64_t k, int threads)
{
    packing j = { packed, b, ldb, n, k, layout };
    nn_each(n * k < 16384 ? 1 : threads, nn_panel_count(nn_kernels_used(), n), pack_panel, &j);
}

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
    int64_t panels = nn_panel_count(kernels, p->n);
    for (int64_t i = 0; i < panels; i++) {
        nn_panel panel = nn_panel_at(kernels, p->n, i);
        for (int64_t first = 0; first < p->m; first += NN_MAX_CHUNK) {
            int64_t rows = p->m - first < NN_MAX_CHUNK ? p->m - first : NN_MAX_CHUNK;
            nn_panel_multiply(kernels, acc, panel.width, p->a + first * p->lda, p->lda, rows,
                              p->packed + panel.first * p->k, panel.width, p->k);
            finish(p, acc, first, rows, panel);
        }
    }
}

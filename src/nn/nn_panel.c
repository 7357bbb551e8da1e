/* nn_panel.c: panel-packed matrices and tiled products with them (nn_loops_tile.inc). */
#include "nn/nn_panel.h"

enum {
    DEPTH = 512, /* per piece: at most 96 KiB of a panel */
    DEPTH_STEP = 8
};

static int64_t rounded_up(int64_t n, int64_t to)
{
    return (n + to - 1) / to * to;
}

int64_t nn_panel_columns(const nn_kernels *k, int64_t columns)
{
    return rounded_up(columns, k->vector);
}

/* All panels are three vectors wide except at the end: the remainder is one panel of two, two
 * panels of two (instead of three and one), or one of one. */
int64_t nn_panel_count(const nn_kernels *k, int64_t columns)
{
    return (columns + 3 * k->vector - 1) / (3 * k->vector);
}

nn_panel nn_panel_at(const nn_kernels *k, int64_t columns, int64_t i)
{
    int64_t all = nn_panel_columns(k, columns), count = nn_panel_count(k, columns);
    int64_t full = 3 * k->vector, left = all - (count - 1) * full; /* 1 to 3 vectors */
    nn_panel p = { .first = i * full, .width = i == count - 1 ? left : full };
    if (left == k->vector && count > 1 && i >= count - 2) {
        p.width = 2 * k->vector;
        p.first = all - (count - i) * p.width;
    }
    p.columns = columns - p.first < p.width ? columns - p.first : p.width;
    return p;
}

int64_t nn_panel_piece(int64_t depth, int64_t i)
{
    int64_t pieces = (depth + DEPTH - 1) / DEPTH;
    int64_t step = rounded_up((depth + pieces - 1) / pieces, DEPTH_STEP);
    return i * step < depth ? i * step : depth;
}

void nn_panel_add(const nn_kernels *k, float *out, int64_t ldo, int64_t rows, int64_t width,
                  nn_sum s)
{
    int64_t vectors = width / k->vector, most = k->rows[vectors - 1];
    int64_t blocks = (rows + most - 1) / most, done = 0;
    int64_t each = s.taps * s.depth * width / blocks; /* floats each block prefetches */
    for (int64_t b = 0; b < blocks; b++) {
        int64_t count = rows * (b + 1) / blocks - done;
        k->tile[vectors - 1][count - 1](out + done * ldo, ldo, &s);
        s.at += count;
        s.ahead += each;
        done += count;
    }
}

void nn_panel_multiply(const nn_kernels *k, float *out, int64_t ldo, const float *a, int64_t lda,
                       int64_t rows, const float *panel, int64_t width, int64_t depth)
{
    const float *at[NN_MAX_CHUNK];
    for (int64_t first = 0; first < rows; first += NN_MAX_CHUNK) {
        int64_t count = rows - first < NN_MAX_CHUNK ? rows - first : NN_MAX_CHUNK;
        for (int64_t r = 0; r < count; r++)
            at[r] = a + (first + r) * lda;
        for (int64_t p = 0, from = 0, to; from < depth; p++, from = to) {
            to = nn_panel_piece(depth, p + 1);
            nn_sum s = { .at = at, .taps = 1, .skip = from, .depth = to - from, .fresh = p == 0 };
            s.weights = panel + from * width;
            s.ahead = panel + to * width;
            nn_panel_add(k, out + first * ldo, ldo, count, width, s);
        }
    }
}

void nn_panel_finish(const nn_layer *l, nn_panel p, int64_t first, int64_t rows, float *acc)
{
    int64_t o = l->s->o, at = first * o + p.first;
    nn_ending e = { .acc = acc,
                    .rows = rows,
                    .width = p.width,
                    .columns = p.columns,
                    .o = o,
                    .bias = l->bias ? l->bias + p.first : NULL,
                    .residual = l->residual ? l->residual + at : NULL,
                    .dst = l->dst + at,
                    .act = l->s->act };
    l->s->kernels->finish(&e);
}

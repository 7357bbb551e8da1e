/* nn_attention.c: scaled dot-product attention.
 *
 * Each piece of work is one head of one picture. Its K and V are packed into panels once and
 * reused for every block of query rows. The scores of a block, [ROWS, S], stay in the thread's own
 * scratch, so memory does not grow with T · S. */
#include "nn/nn_internal.h"
#include "nn/nn_panel.h"

#include <math.h>
#include <string.h>

enum {
    ROWS = 64,
    LINE = 16, /* floats per cache line */
    AHEAD = 12 /* rows */
};

typedef struct attention {
    const float *q, *k, *v; /* [N, T or S, …], rows these strides apart */
    int64_t q_row, k_row;
    int64_t batch, t, s, d, head; /* d: all heads; head: one head */
    bool causal;
    const nn_kernels *kernels;
} attention;

static attention arrange(const nn_node *nd)
{
    nn_shape o = nd->out->shape;
    bool fused = nd->inputs == 1;
    attention a = { .batch = o.d[0], .t = o.d[1], .d = o.d[2], .causal = nd->causal };
    a.kernels = nn_kernels_used();
    a.head = a.d / nd->heads;
    a.s = nd->in[fused ? 0 : 1]->shape.d[1];
    a.q_row = a.k_row = fused ? 3 * a.d : a.d;
    return a;
}

static void point(attention *a, const nn_node *nd, const nn_io *io)
{
    bool fused = nd->inputs == 1;
    a->q = io->in[0];
    a->k = fused ? a->q + a->d : io->in[1];
    a->v = fused ? a->q + 2 * a->d : io->in[2];
}

static int64_t score_columns(int64_t s)
{
    return (s + 15) & ~(int64_t)15;
}

/* Floats of scratch one thread needs: scores, K and V. */
static int64_t scratch_of_lane(const attention *a)
{
    int64_t wide = score_columns(a->s);
    return ROWS * wide + wide * a->head + nn_panel_columns(a->kernels, a->head) * a->s;
}

size_t nn_attention_scratch(const nn_node *nd, int threads)
{
    attention a = arrange(nd);
    return (size_t)threads * (size_t)scratch_of_lane(&a) * sizeof(float);
}

/* The rows of a head are far apart, so the hardware prefetcher does not follow them. */
static void fetch_row(const float *row, const attention *a)
{
    for (int64_t c = 0; c < a->head; c += LINE)
        __builtin_prefetch(row + c);
}

/* One head's K: [head, S] in panels. */
static void pack_keys(float *out, const attention *a, const float *k)
{
    for (int64_t i = 0; i < nn_panel_count(a->kernels, a->s); i++) {
        nn_panel p = nn_panel_at(a->kernels, a->s, i);
        float *to = out + p.first * a->head;
        if (p.columns < p.width)
            memset(to, 0, (size_t)(p.width * a->head) * sizeof *to);
        for (int64_t j = 0; j < p.columns; j++) {
            const float *row = k + (p.first + j) * a->k_row;
            if (p.first + j + AHEAD < a->s)
                fetch_row(row + AHEAD * a->k_row, a);
            for (int64_t c = 0; c < a->head; c++)
                to[c * p.width + j] = row[c];
        }
    }
}

/* One head's V: [S, head] in panels. */
static void pack_values(float *out, const attention *a, const float *v)
{
    for (int64_t i = 0; i < nn_panel_count(a->kernels, a->head); i++) {
        nn_panel p = nn_panel_at(a->kernels, a->head, i);
        float *to = out + p.first * a->s;
        for (int64_t t = 0; t < a->s; t++, to += p.width) {
            if (i == 0 && t + AHEAD < a->s)
                fetch_row(v + (t + AHEAD) * a->k_row, a);
            memset(to, 0, (size_t)p.width * sizeof *to);
            memcpy(to, v + t * a->k_row + p.first, (size_t)p.columns * sizeof *to);
        }
    }
}

/* scores [rows, wide] = e^(scaled q · k), 0 where masked. norm [rows]: the factor that normalises
 * each row. */
static void weigh(float *scores, float *norm, const attention *a, const float *q, int64_t first,
                  int64_t rows, const float *keys)
{
    int64_t seen = a->causal ? first + rows : a->s, wide = score_columns(a->s);
    for (int64_t i = 0; i < nn_panel_count(a->kernels, a->s); i++) {
        nn_panel p = nn_panel_at(a->kernels, a->s, i);
        if (p.first < seen)
            nn_panel_multiply(a->kernels, scores + p.first, wide, q, a->q_row, rows,
                              keys + p.first * a->head, p.width, a->head);
    }
    for (int64_t i = 0; i < rows; i++) {
        int64_t n = a->causal ? first + i + 1 : seen;
        norm[i] = 1.0f / nn_row_soften(scores + i * wide, n, 1.0f / sqrtf((float)a->head));
        for (int64_t j = n; j < seen; j++)
            scores[i * wide + j] = 0;
    }
}

static void scale_rows(float *out, int64_t apart, int64_t rows, int64_t columns, const float *norm)
{
    for (int64_t i = 0; i < rows; i++, out += apart)
        for (int64_t j = 0; j < columns; j++)
            out[j] *= norm[i];
}

/* Query rows first .. first + rows; q and out point at the first. */
static void run_block(float *out, const attention *a, const float *q, int64_t first, int64_t rows,
                      const float *keys, const float *values, float *scores)
{
    int64_t seen = a->causal ? first + rows : a->s, wide = score_columns(a->s);
    float norm[ROWS], sums[ROWS * NN_MAX_PANEL];
    weigh(scores, norm, a, q, first, rows, keys);
    for (int64_t i = 0; i < nn_panel_count(a->kernels, a->head); i++) {
        nn_panel p = nn_panel_at(a->kernels, a->head, i);
        bool whole = p.columns == p.width; /* otherwise it would overwrite the next head */
        nn_panel_multiply(a->kernels, whole ? out + p.first : sums, whole ? a->d : p.width, scores,
                          wide, rows, values + p.first * a->s, p.width, seen);
        for (int64_t r = 0; !whole && r < rows; r++)
            memcpy(out + p.first + r * a->d, sums + r * p.width, (size_t)p.columns * sizeof *out);
    }
    scale_rows(out, a->d, rows, a->head, norm);
}

static void attend(float *out, const attention *a, int64_t picture, int64_t h, float *scratch)
{
    int64_t wide = score_columns(a->s);
    float *scores = scratch, *keys = scores + ROWS * wide, *values = keys + wide * a->head;
    pack_keys(keys, a, a->k + picture * a->s * a->k_row + h * a->head);
    pack_values(values, a, a->v + picture * a->s * a->k_row + h * a->head);
    for (int64_t first = 0; first < a->t; first += ROWS) {
        int64_t rows = a->t - first < ROWS ? a->t - first : ROWS, row = picture * a->t + first;
        run_block(out + row * a->d + h * a->head, a, a->q + row * a->q_row + h * a->head, first,
                  rows, keys, values, scores);
    }
}

typedef struct job {
    attention a;
    int heads;
    float *out, *scratch;
} job;

static void run_head(void *payload, int64_t i, int lane)
{
    job *j = payload;
    attend(j->out, &j->a, i / j->heads, i % j->heads, j->scratch + lane * scratch_of_lane(&j->a));
}

rap_status nn_run_attention(const nn_node *nd, const nn_io *io, rap_err *err)
{
    job j = { .a = arrange(nd), .heads = nd->heads, .out = io->out, .scratch = nd->scratch };
    point(&j.a, nd, io);
    nn_each(io->threads, j.a.batch * j.heads, run_head, &j);
    return RAP_OK;
}

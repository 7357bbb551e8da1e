/* ops_norm.c: RMSNorm, rotary positions, SwiGLU: what works on rows. */
#include "nn/nn.h"
#include "train/ops.h"

#include <math.h>

/* ---- RMSNorm ----
 * r = 1 / √(mean(x²) + eps),  out_i = r · w_i · x_i
 * with e_i = dout_i · w_i:    dx_i = r · e_i − x_i · r³ · mean(e · x) */

typedef struct norm {
    real *out; /* or dx */
    const real *dout, *x, *w;
    int64_t d;
    real eps;
} norm;

/* Σ a · b (· w, if there), in f64, in LANES sums side by side that do not wait for each other. */
enum { LANES = 8 };
static double sum_of(const real *a, const real *b, const real *w, int64_t d)
{
    double sum[LANES] = { 0 }, rest = 0;
    int64_t i = 0;
    for (; i + LANES <= d; i += LANES)
        for (int k = 0; k < LANES; k++)
            sum[k] += (double)(w ? a[i + k] * w[i + k] : a[i + k]) * (double)b[i + k];
    for (; i < d; i++)
        rest += (double)(w ? a[i] * w[i] : a[i]) * (double)b[i];
    for (int k = 0; k < LANES; k++)
        rest += sum[k];
    return rest;
}

static real inverse_root(const real *x, int64_t d, real eps)
{
    double squares = sum_of(x, x, NULL, d);
    return (real)(1 / sqrt(squares / (double)d + eps));
}

static void norm_row(void *payload, int64_t t, int lane)
{
    const norm *n = payload;
    const real *x = n->x + t * n->d;
    real *out = n->out + t * n->d, r = inverse_root(x, n->d, n->eps);
    for (int64_t i = 0; i < n->d; i++)
        out[i] = r * n->w[i] * x[i];
}

void rms_norm(real *out, const real *x, const real *w, int64_t t, int64_t d, real eps, int threads)
{
    norm n = { .out = out, .x = x, .w = w, .d = d, .eps = eps };
    nn_each(threads, t, norm_row, &n);
}

static void norm_row_back(void *payload, int64_t t, int lane)
{
    const norm *n = payload;
    const real *x = n->x + t * n->d, *dout = n->dout + t * n->d;
    real *dx = n->out + t * n->d, r = inverse_root(x, n->d, n->eps), pull;
    double along = sum_of(dout, x, n->w, n->d);
    pull = (real)(along / (double)n->d) * r * r * r;
    for (int64_t i = 0; i < n->d; i++)
        dx[i] += r * dout[i] * n->w[i] - x[i] * pull;
}

void rms_norm_back(real *dx, const real *dout, const real *x, const real *w, int64_t t, int64_t d,
                   real eps, int threads)
{
    norm n = { .out = dx, .dout = dout, .x = x, .w = w, .d = d, .eps = eps };
    nn_each(threads, t, norm_row_back, &n);
}

/* ---- rotary positions ----
 * a pair (x, y) at position p turns by the angle p · base^(−2i / dims):
 *     x' = x cos − y sin,  y' = x sin + y cos;   the gradient turns back: sin → −sin */

typedef struct turn {
    real *x;
    const rope *r;
    const spans *s;
    int64_t heads, head;
    bool back;
} turn;

static void turn_row(const turn *j, real *x, int64_t position)
{
    int64_t half = j->r->dims / 2;
    const real *c = j->r->cos + position * half, *s = j->r->sin + position * half;
    int64_t step = j->r->neox ? 1 : 2, apart = j->r->neox ? half : 1;
    real sign = j->back ? -1 : 1;
    for (int64_t h = 0; h < j->heads; h++, x += j->head)
        for (int64_t i = 0; i < half; i++) {
            real a = x[i * step], b = x[i * step + apart];
            x[i * step] = a * c[i] - b * sign * s[i];
            x[i * step + apart] = a * sign * s[i] + b * c[i];
        }
}

static void turn_span(void *payload, int64_t span, int lane)
{
    const turn *j = payload;
    int64_t begin = j->s->begin[span], end = j->s->begin[span + 1];
    for (int64_t t = begin; t < end; t++)
        turn_row(j, j->x + t * j->heads * j->head, t - begin);
}

void rope_turn(real *x, const rope *r, const spans *s, int64_t heads, int64_t head, bool back,
               int threads)
{
    turn j = { x, r, s, heads, head, back };
    nn_each(threads, s->count, turn_span, &j);
}

/* ---- SwiGLU ----
 * σ = 1 / (1 + e^−g),  h = g · σ · u
 * du = dh · g · σ,     dg = dh · u · σ · (1 + g · (1 − σ)) */

enum { PIECE = 1024 };

typedef struct gate {
    real *h, *dg, *du;
    const real *g, *u, *dh;
    int64_t count;
} gate;

static void gate_piece(void *payload, int64_t piece, int lane)
{
    const gate *j = payload;
    int64_t at = piece * PIECE, n = j->count - at < PIECE ? j->count - at : PIECE;
    real s[PIECE];
    row_sigmoid(s, j->g + at, n);
    for (int64_t i = 0; i < n; i++)
        j->h[at + i] = j->g[at + i] * s[i] * j->u[at + i];
}

void swiglu(real *h, const real *g, const real *u, int64_t count, int threads)
{
    gate j = { .h = h, .g = g, .u = u, .count = count };
    nn_each(threads, (count + PIECE - 1) / PIECE, gate_piece, &j);
}

static void gate_piece_back(void *payload, int64_t piece, int lane)
{
    const gate *j = payload;
    int64_t at = piece * PIECE, n = j->count - at < PIECE ? j->count - at : PIECE;
    real s[PIECE];
    row_sigmoid(s, j->g + at, n);
    for (int64_t i = 0; i < n; i++) {
        real dh = j->dh[at + i], g = j->g[at + i];
        j->du[at + i] = dh * g * s[i];
        j->dg[at + i] = dh * j->u[at + i] * s[i] * (1 + g * (1 - s[i]));
    }
}

void swiglu_back(real *dg, real *du, const real *dh, const real *g, const real *u, int64_t count,
                 int threads)
{
    gate j = { .dg = dg, .du = du, .dh = dh, .g = g, .u = u, .count = count };
    nn_each(threads, (count + PIECE - 1) / PIECE, gate_piece_back, &j);
}

/* nn_winograd.c: 3 × 3 convolutions with stride 1 as 36 matrix products per square of 4 × 4
 * results.
 *
 * A square depends on 6 × 6 input positions. Both the input and the kernels are transformed to 36
 * coefficients, where convolution becomes elementwise multiplication (Winograd; Lavin and Gray,
 * arXiv 1509.09308):
 *
 *     U = G w Gᵀ, once          V = Bᵀ x B          M[e] = V[e] · U[e]          y = Aᵀ M A
 *
 * Each coefficient is a matrix product [squares, C] · [C, O], computed in tiles (nn_panel.c).
 * Instead of 16 · 9 multiplications, a square takes 36 per pair of channels. There is slightly
 * more cancellation than in a plain loop: results differ by about 1e-6 of the largest.
 *
 * Squares are processed in groups whose V and M stay in cache. Each group goes through three
 * loops: gather(), multiply(), finish().
 *
 *     V [36][squares · C + a line]     M [36][panels of [squares, O] + a line]     U [36][panels of [C, O]]
 *
 * The extra cache line keeps the 36 streams from mapping to the same cache set. */
#include "nn/nn_winograd.h"

#include "nn/nn_conv.h"
#include "nn/nn_internal.h"
#include "nn/nn_panel.h"

enum {
    SQUARE = NN_SQUARE, /* results per side */
    WINDOW = NN_WINDOW, /* input positions per side */
    TERMS = NN_TERMS,
    TOGETHER = 4,     /* columns transformed together */
    MULTIPLE = 16,    /* widths must be multiples of this, so that vectors are full */
    GROUP = 48,       /* squares per group and thread */
    FEW_SQUARES = 16, /* below this, reading the packed weights costs more than it saves */
    MAX_WIDTH = 2048,
    LINE = 16 /* floats per cache line */
};

static int64_t squares_along(int64_t n)
{
    return (n + SQUARE - 1) / SQUARE;
}

static int64_t squares_of(const nn_layer_spec *s)
{
    return s->n * squares_along(s->oh) * squares_along(s->ow);
}

bool nn_winograd_suits(const nn_layer_spec *s)
{
    return nn_conv_suits(s) && s->kh == 3 && s->kw == 3 && s->stride == 1 &&
           s->c % s->kernels->vector == 0 && s->c >= MULTIPLE && s->o % MULTIPLE == 0 &&
           s->c <= MAX_WIDTH && s->o <= MAX_WIDTH && squares_of(s) >= FEW_SQUARES &&
           squares_of(s) * SQUARE * SQUARE * 4 <= s->n * s->oh * s->ow * 5;
}

/* ---- weights ------------------------------------------------------------------------------ */

size_t nn_winograd_bytes(const nn_layer_spec *s)
{
    return (size_t)(TERMS * s->c * s->o) * sizeof(float);
}

typedef double columns[TOGETHER]; /* one value for each kernel */

/* out[k · step] = G [6, 3] · (a, b, c), for each column. */
static inline void widen(columns *out, int step, const columns a, const columns b, const columns c)
{
    for (int j = 0; j < TOGETHER; j++) {
        double even = (a[j] + c[j]) / 6, far = a[j] / 24 + c[j] / 6;
        out[0][j] = a[j] / 4;
        out[step][j] = -even - b[j] / 6;
        out[2 * step][j] = -even + b[j] / 6;
        out[3 * step][j] = far + b[j] / 12;
        out[4 * step][j] = far - b[j] / 12;
        out[5 * step][j] = c[j];
    }
}

/* w [9] → u [36], for each column. */
static void transform_kernels(columns u[TERMS], const columns w[9])
{
    columns half[WINDOW * 3];
    for (int x = 0; x < 3; x++)
        widen(half + x, 3, w[x], w[3 + x], w[6 + x]);
    for (int y = 0; y < WINDOW; y++)
        widen(u + y * WINDOW, 1, half[y * 3], half[y * 3 + 1], half[y * 3 + 2]);
}

typedef struct packing {
    const nn_layer_spec *s;
    const float *plain;
    float *packed;
} packing;

/* Some columns of a panel, starting at `first`: to [TERMS][panel]. */
static void pack_columns(const packing *p, float *to, nn_panel panel, int64_t first)
{
    int64_t c = p->s->c, one = c * p->s->o;
    const float *from = p->plain + (panel.first + first) * c * 9;
    for (int64_t i = 0; i < c; i++) {
        columns w[9], u[TERMS];
        for (int64_t j = 0; j < TOGETHER; j++)
            for (int64_t k = 0; k < 9; k++)
                w[k][j] = from[(j * c + i) * 9 + k];
        transform_kernels(u, w);
        for (int64_t e = 0; e < TERMS; e++)
            for (int64_t j = 0; j < TOGETHER; j++)
                to[e * one + i * panel.width + first + j] = (float)u[e][j];
    }
}

static void pack_panel(void *payload, int64_t i, int lane)
{
    const packing *p = payload;
    nn_panel panel = nn_panel_at(p->s->kernels, p->s->o, i);
    for (int64_t first = 0; first < panel.width; first += TOGETHER)
        pack_columns(p, p->packed + panel.first * p->s->c, panel, first);
}

void nn_winograd_pack(const nn_layer_spec *s, const float *plain, float *packed, int threads)
{
    packing p = { s, plain, packed };
    nn_each(threads, nn_panel_count(s->kernels, s->o), pack_panel, &p);
}

/* ---- a group of squares ------------------------------------------------------------------- */

typedef struct job {
    const nn_layer *l;
    const nn_layer_spec *s;
    const nn_kernels *k;
    float *v, *m;           /* see above */
    int64_t v_step, m_step; /* stride between coefficients */
    int64_t panels;
    int64_t first, count; /* the group's squares */
} job;

static int64_t group_of(const nn_layer_spec *s, int threads)
{
    int64_t all = squares_of(s), most = (int64_t)GROUP * threads;
    int64_t groups = (all + most - 1) / most;
    return (all + groups - 1) / groups;
}

static int64_t v_step_of(const nn_layer_spec *s, int64_t group)
{
    return (group * s->c + LINE - 1) / LINE * LINE + LINE;
}

static int64_t m_step_of(const nn_layer_spec *s, int64_t group)
{
    return group * s->o + LINE;
}

size_t nn_winograd_scratch(const nn_layer_spec *s, int threads)
{
    int64_t group = group_of(s, threads);
    return (size_t)(TERMS * (v_step_of(s, group) + m_step_of(s, group))) * sizeof(float);
}

static const float zeros[MAX_WIDTH];

/* Finds square i of the group: its picture and the position of its first result. */
static void locate(const job *j, int64_t i, int64_t *picture, int64_t *y, int64_t *x)
{
    int64_t wide = squares_along(j->s->ow), high = squares_along(j->s->oh), at = j->first + i;
    *picture = at / (wide * high);
    *y = at / wide % high * SQUARE;
    *x = at % wide * SQUARE;
}

static void gather(void *payload, int64_t i, int lane)
{
    const job *j = payload;
    const nn_layer_spec *s = j->s;
    const float *at[TERMS];
    int64_t picture, y, x;
    locate(j, i, &picture, &y, &x);
    for (int64_t k = 0; k < TERMS; k++) {
        int64_t iy = y - s->pad + k / WINDOW, ix = x - s->pad + k % WINDOW;
        bool inside = iy >= 0 && ix >= 0 && iy < s->h && ix < s->w;
        at[k] = inside ? j->l->src + ((picture * s->h + iy) * s->w + ix) * s->c : zeros;
    }
    j->k->winograd_in(j->v + i * s->c, j->v_step, at, s->c);
}

/* One coefficient, all squares of the group, one panel. */
static void multiply(void *payload, int64_t i, int lane)
{
    const job *j = payload;
    int64_t e = i / j->panels, c = j->s->c, o = j->s->o;
    nn_panel p = nn_panel_at(j->k, o, i % j->panels);
    const float *u = (const float *)j->l->packed + e * c * o + p.first * c;
    float *m = j->m + e * j->m_step + p.first * j->count;
    nn_panel_multiply(j->k, m, p.width, j->v + e * j->v_step, c, j->count, u, p.width, c);
}

static void finish(void *payload, int64_t i, int lane)
{
    const job *j = payload;
    const nn_layer_spec *s = j->s;
    const float *bias = j->l->bias, *residual = j->l->residual;
    int64_t picture, y, x;
    locate(j, i, &picture, &y, &x);
    int64_t at = ((picture * s->oh + y) * s->ow + x) * s->o;
    nn_square to = { .line = s->ow * s->o, .place = s->o };
    to.lines = s->oh - y < SQUARE ? s->oh - y : SQUARE;
    to.places = s->ow - x < SQUARE ? s->ow - x : SQUARE;
    for (int64_t n = 0; n < j->panels; n++) {
        nn_panel p = nn_panel_at(j->k, s->o, n);
        const float *m = j->m + p.first * j->count + i * p.width;
        for (int64_t o = p.first; o < p.first + p.width; o += j->k->vector, m += j->k->vector) {
            to.dst = j->l->dst + at + o;
            to.residual = residual ? residual + at + o : NULL;
            j->k->winograd_out(&to, m, j->m_step, bias ? bias + o : NULL, s->act);
        }
    }
}

void nn_winograd_run(const nn_layer *l, float *scratch, int threads)
{
    const nn_layer_spec *s = l->s;
    int64_t all = squares_of(s), group = group_of(s, threads);
    job j = { .l = l, .s = s, .k = s->kernels };
    j.panels = nn_panel_count(j.k, s->o);
    j.v = scratch;
    j.v_step = v_step_of(s, group);
    j.m = scratch + TERMS * j.v_step;
    j.m_step = m_step_of(s, group);
    for (; j.first < all; j.first += j.count) {
        j.count = all - j.first < group ? all - j.first : group;
        nn_each(threads, j.count, gather, &j);
        nn_each(threads, TERMS * j.panels, multiply, &j);
        nn_each(threads, j.count, finish, &j);
    }
}

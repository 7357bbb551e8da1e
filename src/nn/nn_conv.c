/* nn_conv.c: tiled convolutions of up to 3 × 3.
 *
 * Each row of the result (one output position) is a sum over kh · kw `taps`; each tap is a
 * contiguous run of input values times a slab of the weights. Pictures are channels-last, so these
 * runs are already contiguous in the input and nothing is unfolded; taps outside the picture read
 * zeros. Weights are packed as panels of [taps · c, columns]. (A 1 × 1 convolution is a linear
 * layer: nn_linear.c.)
 *
 * Work is divided into tasks: a chunk of rows × some panels. For each panel the sum runs in blocks
 * of DEPTH, so that the slab stays in L1 while all rows of the chunk use it; the next slab is
 * prefetched meanwhile. Sums accumulate in `acc` until bias, activation and residual are applied
 * together. Start reading at nn_conv_run(). */
#include "nn/nn_conv.h"

#include "nn/nn_internal.h"
#include "nn/nn_panel.h"

enum {
    CHUNK = NN_MAX_CHUNK,
    DEPTH = 256,  /* per block of a sum */
    MAX_TAPS = 9, /* 3 × 3 */
    MAX_WIDTH = 4096,
    EDGE = 16 /* longest row of taps, in floats, handled as a single run */
};

static const float zeros[MAX_WIDTH];

static int64_t taps_of(const nn_layer_spec *s)
{
    return s->kh * s->kw;
}

bool nn_conv_suits(const nn_layer_spec *s)
{
    return !s->linear && s->operands == NN_TYPE_F32 && s->result == NN_TYPE_F32 && s->groups <= 1 &&
           taps_of(s) <= MAX_TAPS && s->c <= MAX_WIDTH;
}

/* ---- weights ------------------------------------------------------------------------------ */

size_t nn_conv_bytes(const nn_layer_spec *s)
{
    return (size_t)(nn_panel_columns(s->kernels, s->o) * taps_of(s) * s->c) * sizeof(float);
}

typedef struct packing {
    const nn_layer_spec *s;
    const float *plain;
    float *packed;
} packing;

static void pack_panel(void *payload, int64_t i, int lane)
{
    const packing *p = payload;
    const nn_layer_spec *s = p->s;
    int64_t taps = taps_of(s);
    nn_panel panel = nn_panel_at(s->kernels, s->o, i);
    float *to = p->packed + panel.first * taps * s->c;
    for (int64_t j = 0; j < panel.width; j++)
        for (int64_t t = 0; t < taps; t++)
            for (int64_t c = 0; c < s->c; c++)
                to[(t * s->c + c) * panel.width + j] =
                    j < panel.columns ? p->plain[((panel.first + j) * s->c + c) * taps + t] : 0;
}

void nn_conv_pack(const nn_layer_spec *s, const float *plain, float *packed, int threads)
{
    packing p = { s, plain, packed };
    nn_each(threads, nn_panel_count(s->kernels, s->o), pack_panel, &p);
}

/* ---- a task ------------------------------------------------------------------------------- */

/* A chunk of rows and where each row's runs begin. */
typedef struct chunk {
    int64_t first, rows;
    const float *at[MAX_TAPS][CHUNK];
    float edge[CHUNK][3][EDGE]; /* runs that cross the picture's edge, copied and zero-padded */
} chunk;

typedef struct job {
    const nn_layer *l;
    const nn_layer_spec *s;
    int64_t rows, chunk, chunks; /* total rows, rows per task */
    int64_t panels, group;       /* total panels, panels per task */
    bool joined;                 /* few channels: each kernel line is one run */
    int64_t taps, width;         /* runs per row, floats per run */
} job;

/* The run for one line of the kernel, x columns from the left edge of the picture. */
static const float *join(float *edge, const nn_layer_spec *s, const float *line, int64_t x)
{
    if (x >= 0 && x + s->kw <= s->w)
        return line + x * s->c;
    for (int64_t k = 0; k < s->kw; k++)
        for (int64_t i = 0; i < s->c; i++)
            edge[k * s->c + i] = x + k >= 0 && x + k < s->w ? line[(x + k) * s->c + i] : 0;
    return edge;
}

/* A position in the result. */
typedef struct place {
    int64_t picture, y, x;
} place;

static place place_of(const nn_layer_spec *s, int64_t m)
{
    return (place){ m / (s->ow * s->oh), m / s->ow % s->oh, m % s->ow };
}

static void step_on(place *p, const nn_layer_spec *s)
{
    if (++p->x < s->ow)
        return;
    p->x = 0;
    if (++p->y < s->oh)
        return;
    p->y = 0;
    p->picture++;
}

/* Where the runs of a position begin: at[t][to] for each tap t. edge: scratch for this position. */
static void point_row(const float *(*at)[CHUNK], int64_t to, const job *j, place p,
                      float (*edge)[EDGE])
{
    const nn_layer_spec *s = j->s;
    int64_t x = p.x * s->stride - s->pad, y = p.y * s->stride - s->pad, t = 0;
    for (int64_t ky = y; ky < y + s->kh; ky++) {
        bool inside = ky >= 0 && ky < s->h;
        const float *line = j->l->src + (p.picture * s->h + (inside ? ky : 0)) * s->w * s->c;
        if (j->joined) {
            at[t][to] = inside ? join(edge[t], s, line, x) : zeros;
            t++;
            continue;
        }
        for (int64_t kx = x; kx < x + s->kw; kx++)
            at[t++][to] = inside && kx >= 0 && kx < s->w ? line + kx * s->c : zeros;
    }
}

static void point(chunk *c, const job *j)
{
    place p = place_of(j->s, c->first);
    for (int64_t m = 0; m < c->rows; m++) {
        point_row(c->at, m, j, p, c->edge[m]);
        step_on(&p, j->s);
    }
}

static void run_panel(const job *j, const chunk *c, nn_panel panel)
{
    float acc[CHUNK * NN_MAX_PANEL] __attribute__((aligned(64)));
    int64_t width = j->width, taps = j->taps;
    const float *w = (const float *)j->l->packed + panel.first * taps * width;
    int64_t pieces = (width + DEPTH - 1) / DEPTH, blocks = (taps * width + DEPTH - 1) / DEPTH;
    int64_t step = pieces > 1 ? 1 : (taps + blocks - 1) / blocks; /* taps per block */
    for (int64_t t = 0; t < taps; t += step)
        for (int64_t p = 0; p < pieces; p++) {
            int64_t from = width * p / pieces, to = width * (p + 1) / pieces;
            nn_sum s = { .at = c->at[t],
                         .apart = CHUNK,
                         .taps = taps - t < step ? taps - t : step,
                         .skip = from,
                         .depth = to - from,
                         .weights = w,
                         .fresh = t == 0 && p == 0 };
            w += s.taps * s.depth * panel.width;
            s.ahead = w;
            nn_panel_add(j->s->kernels, acc, panel.width, c->rows, panel.width, s);
        }
    nn_panel_finish(j->l, panel, c->first, c->rows, acc);
}

static void run_task(void *payload, int64_t task, int lane)
{
    const job *j = payload;
    chunk c;
    int64_t panel = task / j->chunks * j->group, last = panel + j->group;
    c.first = task % j->chunks * j->chunk;
    c.rows = j->rows - c.first < j->chunk ? j->rows - c.first : j->chunk;
    point(&c, j);
    for (; panel < last && panel < j->panels; panel++)
        run_panel(j, &c, nn_panel_at(j->s->kernels, j->s->o, panel));
}

/* Enough tasks that other threads can take over the share of a thread that starts late. */
static int64_t panels_of_a_task(int64_t panels, int64_t chunks, int threads)
{
    int64_t wanted = threads > 1 ? (4 * threads + chunks - 1) / chunks : 1;
    int64_t group = panels / wanted;
    return group < 1 ? 1 : group;
}

void nn_conv_run(const nn_layer *l, int threads)
{
    const nn_layer_spec *s = l->s;
    int64_t step = s->kernels->chunk_step;
    job j = { .l = l, .s = s };
    j.rows = s->n * s->oh * s->ow;
    j.joined = s->kh <= 3 && s->kw * s->c <= EDGE;
    j.taps = j.joined ? s->kh : taps_of(s);
    j.width = j.joined ? s->kw * s->c : s->c;
    j.panels = nn_panel_count(s->kernels, s->o);
    j.chunks = (j.rows + CHUNK - 1) / CHUNK;
    j.chunk = ((j.rows + j.chunks - 1) / j.chunks + step - 1) / step * step;
    j.chunks = (j.rows + j.chunk - 1) / j.chunk;
    j.group = panels_of_a_task(j.panels, j.chunks, threads);
    int64_t tasks = j.chunks * ((j.panels + j.group - 1) / j.group);
    nn_each(threads, tasks, run_task, &j);
}

/* nn_linear.c: linear layers as products with panels.
 *
 * Work is split into tasks: a chunk of rows × a group of panels. For each panel the sum runs in
 * pieces, so that a piece of the panel stays in L1 and L2 while all rows of the chunk use it; the
 * next piece is prefetched meanwhile. Sums accumulate in `acc` until bias, activation and residual
 * are applied together. A group has few enough panels to stay in a shared cache until the next
 * chunk. */
#include "nn/nn_linear.h"

#include "nn/nn_internal.h"
#include "nn/nn_panel.h"

enum {
    CHUNK = NN_MAX_CHUNK,
    TASKS = 8,      /* per thread, so that others can take over the share of one that starts late */
    GROUP = 2 << 20 /* bytes of panels per group */
};

bool nn_linear_suits(const nn_layer_spec *s)
{
    bool alike = s->linear || (s->kh == 1 && s->kw == 1 && s->stride == 1 && s->pad == 0);
    return alike && s->operands == NN_TYPE_F32 && s->result == NN_TYPE_F32 && s->groups <= 1;
}

size_t nn_linear_bytes(const nn_layer_spec *s)
{
    return (size_t)(nn_panel_columns(s->kernels, s->o) * s->c) * sizeof(float);
}

typedef struct packing {
    const nn_layer_spec *s;
    const float *plain;
    float *packed;
} packing;

static void pack_one(void *payload, int64_t i, int lane)
{
    const packing *p = payload;
    const nn_layer_spec *s = p->s;
    nn_panel panel = nn_panel_at(s->kernels, s->o, i);
    float *to = p->packed + panel.first * s->c;
    for (int64_t j = 0; j < panel.width; j++)
        for (int64_t k = 0; k < s->c; k++) {
            int64_t o = panel.first + j;
            to[k * panel.width + j] = j >= panel.columns ? 0
                                      : s->in_out        ? p->plain[k * s->o + o]
                                                         : p->plain[o * s->c + k];
        }
}

void nn_linear_pack(const nn_layer_spec *s, const float *plain, float *packed, int threads)
{
    packing p = { s, plain, packed };
    nn_each(threads, nn_panel_count(s->kernels, s->o), pack_one, &p);
}

typedef struct job {
    const nn_layer *l;
    const nn_layer_spec *s;
    int64_t rows, chunk, chunks; /* total rows, rows per task */
    int64_t panels, groups;
} job;

static void run_panel(const job *j, int64_t first, int64_t rows, nn_panel p)
{
    float acc[CHUNK * NN_MAX_PANEL] __attribute__((aligned(64)));
    const float *packed = j->l->packed;
    int64_t c = j->s->c;
    nn_panel_multiply(j->s->kernels, acc, p.width, j->l->src + first * c, c, rows,
                      packed + p.first * c, p.width, c);
    nn_panel_finish(j->l, p, first, rows, acc);
}

static void run_task(void *payload, int64_t task, int lane)
{
    const job *j = payload;
    int64_t first = task % j->chunks * j->chunk, group = task / j->chunks;
    int64_t rows = j->rows - first < j->chunk ? j->rows - first : j->chunk;
    int64_t end = j->panels * (group + 1) / j->groups;
    for (int64_t i = j->panels * group / j->groups; i < end; i++)
        run_panel(j, first, rows, nn_panel_at(j->s->kernels, j->s->o, i));
}

/* Number of groups: small enough for the cache, and enough of them to keep all threads busy to the
 * end. */
static int64_t groups_of(const job *j, int threads)
{
    int64_t fit = j->s->c * j->s->o * (int64_t)sizeof(float) / GROUP + 1;
    int64_t wanted = threads > 1 ? (TASKS * threads + j->chunks - 1) / j->chunks : 1;
    int64_t groups = wanted > fit ? wanted : fit;
    groups = (groups + threads - 1) / threads * threads;
    return groups < j->panels ? groups : j->panels;
}

void nn_linear_run(const nn_layer *l, int threads)
{
    const nn_layer_spec *s = l->s;
    int64_t step = s->kernels->chunk_step;
    job j = { .l = l, .s = s };
    j.rows = s->linear ? s->n : s->n * s->oh * s->ow;
    j.panels = nn_panel_count(s->kernels, s->o);
    j.chunks = (j.rows + CHUNK - 1) / CHUNK;
    j.chunk = ((j.rows + j.chunks - 1) / j.chunks + step - 1) / step * step;
    j.chunks = (j.rows + j.chunk - 1) / j.chunk;
    j.groups = groups_of(&j, threads);
    nn_each(threads, j.chunks * j.groups, run_task, &j);
}

/* ops_attention.c: causal attention, and its gradient.
 *
 * For a head of a sequence of L tokens, with P = softmax over the columns up to the row's own of S = scale · Q Kᵀ:
 *
 *     out = P V
 *     dV  = Pᵀ dOut,  dP = dOut Vᵀ,  dS = P ∘ (dP − rowsum(dP ∘ P)),  dQ = scale · dS K,  dK = scale · dSᵀ Q
 *
 * A piece of the work is a sequence × a group of heads that share keys and values, so that no other piece adds to its dK
 * and dV. Scores are made in blocks of rows and never kept: backward makes P again. */
#include "nn/nn.h"
#include "train/ops.h"

#include <string.h>

enum { ROWS = 64 };

typedef struct job {
    real *out, *dq, *dk, *dv;
    const real *dout, *q, *k, *v;
    const attention *a;
    const spans *s;
    real *scratch;
    size_t lane_reals;
} job;

/* What a lane has for a sequence of `l` tokens. */
typedef struct room {
    real *keys, *values, *keys_t, *rows, *p, *dp, *turned;
    size_t used;
} room;

static real *take(real *base, size_t *used, size_t count)
{
    real *at = base + *used;
    *used += (count + 15) & ~(size_t)15;
    return at;
}

static room divide(real *base, int64_t l, int64_t head)
{
    room r = { .used = 0 };
    r.keys = take(base, &r.used, factor_reals(l, head));
    r.values = take(base, &r.used, factor_reals(l, head) + factor_reals(head, l));
    r.keys_t = take(base, &r.used, factor_reals(head, l));
    r.rows = take(base, &r.used, factor_reals(head, ROWS));
    r.p = take(base, &r.used, (size_t)(ROWS * l));
    r.dp = take(base, &r.used, (size_t)(ROWS * l));
    r.turned = take(base, &r.used, (size_t)(ROWS * l));
    return r;
}

static int64_t longest(const spans *s)
{
    int64_t l = 1;
    for (int i = 0; i < s->count; i++)
        l = s->begin[i + 1] - s->begin[i] > l ? s->begin[i + 1] - s->begin[i] : l;
    return l;
}

static size_t lane_reals(const attention *a, const spans *s)
{
    real base[1]; /* only counted from */
    return divide(base, longest(s), a->head).used;
}

size_t attention_reals(const attention *a, const spans *s, int threads)
{
    return lane_reals(a, s) * (size_t)threads;
}

/* p [rows, l] of the rows first … of a head, as far as the last of them sees. */
static void weights_of(real *p, const real *q, int64_t ldq, const factor *keys, int64_t first,
                       int64_t rows, real scale)
{
    int64_t l = keys->n, most = first + rows;
    product_here(p, l, q, ldq, keys, (extent){ most, keys->k }, rows, 1, false);
    for (int64_t r = 0; r < rows; r++, p += l) {
        int64_t seen = first + r + 1;
        real top = p[0], sum;
        for (int64_t i = 1; i < seen; i++)
            top = p[i] > top ? p[i] : top;
        sum = row_weights(p, seen, top, scale);
        sum = 1 / sum;
        for (int64_t i = 0; i < seen; i++)
            p[i] *= sum;
        memset(p + seen, 0, (size_t)(most - seen) * sizeof *p);
    }
}

static void run_group(void *payload, int64_t piece, int lane)
{
    const job *j = payload;
    const attention *a = j->a;
    int64_t span = piece / a->groups, g = piece % a->groups, each = a->heads / a->groups;
    int64_t at = j->s->begin[span], l = j->s->begin[span + 1] - at;
    int64_t ldq = a->heads * a->head, ldk = a->groups * a->head;
    const real *k = j->k + at * ldk + g * a->head, *v = j->v + at * ldk + g * a->head;
    room r = divide(j->scratch + (size_t)lane * j->lane_reals, l, a->head);
    factor keys, values;
    factor_pack(&keys, r.keys, false, k, ldk, NN_ROWS, l, a->head, 1);
    factor_pack(&values, r.values, false, v, ldk, NN_COLUMNS, a->head, l, 1);
    for (int64_t h = g * each; h < (g + 1) * each; h++)
        for (int64_t first = 0; first < l; first += ROWS) {
            int64_t rows = l - first < ROWS ? l - first : ROWS;
            int64_t offset = (at + first) * ldq + h * a->head;
            weights_of(r.p, j->q + offset, ldq, &keys, first, rows, a->scale);
            product_here(j->out + offset, ldq, r.p, l, &values, (extent){ a->head, first + rows },
                         rows, 1, false);
        }
}

void attention_run(real *out, const real *q, const real *k, const real *v, const attention *a,
                   const spans *s, real *scratch, int threads)
{
    job j = { .out = out, .q = q, .k = k, .v = v, .a = a, .s = s, .scratch = scratch };
    j.lane_reals = lane_reals(a, s);
    nn_each(threads, s->count * a->groups, run_group, &j);
}

/* The first `seen` columns of dp [rows, l] become dS. */
static void through_softmax(real *dp, const real *p, int64_t rows, int64_t seen, int64_t l)
{
    for (int64_t r = 0; r < rows; r++, dp += l, p += l) {
        double sum = 0;
        for (int64_t i = 0; i < seen; i++)
            sum += (double)dp[i] * p[i];
        for (int64_t i = 0; i < seen; i++)
            dp[i] = p[i] * (dp[i] - (real)sum);
    }
}

/* A sequence's group, where it lies, and its factors. */
typedef struct group {
    int64_t l, ldq, ldk, head;
    real *dk, *dv;
    factor keys, keys_t, values; /* for Q Kᵀ, dS K, dOut Vᵀ */
    room r;
} group;

/* d [seen, head] += scale · w [rows, seen]ᵀ · x [rows, head] */
static void add_turned(real *d, group *g, const real *w, const real *x, int64_t rows, int64_t seen,
                       real scale)
{
    factor f;
    factor_pack(&f, g->r.rows, false, x, g->ldq, NN_COLUMNS, g->head, rows, 1);
    transpose_here(g->r.turned, w, g->l, rows, seen);
    product_here(d, g->ldk, g->r.turned, rows, &f, (extent){ g->head, rows }, seen, scale, true);
}

static void back_rows(const job *j, group *g, int64_t offset, int64_t first, int64_t rows)
{
    const real *q = j->q + offset, *dout = j->dout + offset;
    int64_t seen = first + rows;
    weights_of(g->r.p, q, g->ldq, &g->keys, first, rows, j->a->scale);
    product_here(g->r.dp, g->l, dout, g->ldq, &g->values, (extent){ seen, g->head }, rows, 1,
                 false);
    add_turned(g->dv, g, g->r.p, dout, rows, seen, 1);
    through_softmax(g->r.dp, g->r.p, rows, seen, g->l);
    product_here(j->dq + offset, g->ldq, g->r.dp, g->l, &g->keys_t, (extent){ g->head, seen }, rows,
                 j->a->scale, false);
    add_turned(g->dk, g, g->r.dp, q, rows, seen, j->a->scale);
}

static void back_group(void *payload, int64_t piece, int lane)
{
    const job *j = payload;
    const attention *a = j->a;
    int64_t span = piece / a->groups, i = piece % a->groups, each = a->heads / a->groups;
    int64_t at = j->s->begin[span], ldk = a->groups * a->head, begin = at * ldk + i * a->head;
    group g = { .l = j->s->begin[span + 1] - at, .ldq = a->heads * a->head, .ldk = ldk };
    g.head = a->head;
    g.dk = j->dk + begin;
    g.dv = j->dv + begin;
    g.r = divide(j->scratch + (size_t)lane * j->lane_reals, g.l, a->head);
    factor_pack(&g.keys, g.r.keys, false, j->k + begin, ldk, NN_ROWS, g.l, a->head, 1);
    factor_pack(&g.keys_t, g.r.keys_t, false, j->k + begin, ldk, NN_COLUMNS, a->head, g.l, 1);
    factor_pack(&g.values, g.r.values, false, j->v + begin, ldk, NN_ROWS, g.l, a->head, 1);
    for (int64_t t = 0; t < g.l; t++) {
        memset(g.dk + t * ldk, 0, (size_t)a->head * sizeof(real));
        memset(g.dv + t * ldk, 0, (size_t)a->head * sizeof(real));
    }
    for (int64_t h = i * each; h < (i + 1) * each; h++)
        for (int64_t first = 0; first < g.l; first += ROWS)
            back_rows(j, &g, (at + first) * g.ldq + h * a->head, first,
                      g.l - first < ROWS ? g.l - first : ROWS);
}

void attention_back(real *dq, real *dk, real *dv, const real *dout, const real *q, const real *k,
                    const real *v, const attention *a, const spans *s, real *scratch, int threads)
{
    job j = { .dq = dq, .dk = dk, .dv = dv, .dout = dout, .q = q, .k = k, .v = v, .a = a, .s = s };
    j.scratch = scratch;
    j.lane_reals = lane_reals(a, s);
    nn_each(threads, s->count * a->groups, back_group, &j);
}

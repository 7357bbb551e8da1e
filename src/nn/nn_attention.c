/* nn_attention.c: scaled dot-product attention.
 *
 * The work is cut into (picture, head, block of query rows). A block's scores [ROWS, S] stay in the
 * thread's own scratch, so memory does not grow with T · S, and each product is a small matrix product
 * on the caller's thread. */
#include "nn/nn_internal.h"

#include <math.h>
#include <stdatomic.h>

#define ROWS 64

typedef struct attention {
    const float *q, *k, *v; /* [N, T or S, …] with rows these strides apart */
    int64_t q_row, k_row;
    int64_t batch, t, s, d, head; /* d all heads together, head one of them */
    bool causal;
} attention;

static attention arrange(const nn_node *nd, const nn_io *io)
{
    nn_shape o = nd->out->shape;
    bool fused = nd->inputs == 1;
    attention a = { .batch = o.d[0], .t = o.d[1], .d = o.d[2], .causal = nd->causal };
    a.head = a.d / nd->heads;
    a.s = nd->in[fused ? 0 : 1]->shape.d[1];
    a.q = io->in[0];
    a.k = fused ? a.q + a.d : io->in[1];
    a.v = fused ? a.q + 2 * a.d : io->in[2];
    a.q_row = a.k_row = fused ? 3 * a.d : a.d;
    return a;
}

static int64_t score_columns(int64_t s)
{
    return (s + 15) & ~(int64_t)15;
}

size_t nn_attention_scratch(const nn_node *nd, int threads)
{
    int64_t s = nd->in[nd->inputs == 1 ? 0 : 1]->shape.d[1];
    return (size_t)threads * ROWS * (size_t)score_columns(s) * sizeof(float);
}

/* Rows first .. first + rows of one head of one picture. scores [ROWS, columns]. */
static rap_status block(float *out, const attention *a, int64_t picture, int64_t h, int64_t first,
                        float *scores)
{
    int64_t rows = a->t - first < ROWS ? a->t - first : ROWS;
    int64_t seen = a->causal ? first + rows : a->s, wide = score_columns(a->s);
    const float *q = a->q + (picture * a->t + first) * a->q_row + h * a->head;
    const float *k = a->k + picture * a->s * a->k_row + h * a->head;
    const float *v = a->v + picture * a->s * a->k_row + h * a->head;
    rap_status status =
        nn_matmul(scores, wide, q, a->q_row, k, a->k_row, true, rows, seen, a->head);
    float scale = 1.0f / sqrtf((float)a->head);
    for (int64_t i = 0; i < rows; i++) {
        int64_t n = a->causal ? first + i + 1 : seen;
        nn_row_softmax(scores + i * wide, n, scale);
        for (int64_t j = n; j < seen; j++)
            scores[i * wide + j] = 0;
    }
    if (status != RAP_OK)
        return status;
    out += (picture * a->t + first) * a->d + h * a->head;
    return nn_matmul(out, a->d, scores, wide, v, a->k_row, false, rows, a->head, seen);
}

typedef struct job {
    attention a;
    int64_t blocks; /* of query rows, for each head */
    int heads;
    float *out, *scratch;
    atomic_bool failed;
} job;

static void run_block(void *payload, int64_t i, int lane)
{
    job *j = payload;
    float *scores = j->scratch + lane * ROWS * score_columns(j->a.s);
    int64_t pair = i / j->blocks;
    if (block(j->out, &j->a, pair / j->heads, pair % j->heads, i % j->blocks * ROWS, scores))
        atomic_store(&j->failed, true);
}

rap_status nn_run_attention(const nn_node *nd, const nn_io *io, rap_err *err)
{
    job j = { .a = arrange(nd, io), .heads = nd->heads, .out = io->out, .scratch = nd->scratch };
    j.blocks = (j.a.t + ROWS - 1) / ROWS;
    nn_each(io->threads, j.a.batch * j.heads * j.blocks, run_block, &j);
    return atomic_load(&j.failed)
               ? err_set(err, RAP_E_MODEL, "a matrix product failed in an attention")
               : RAP_OK;
}

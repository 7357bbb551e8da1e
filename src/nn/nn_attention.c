/* nn_attention.c: scaled dot-product attention.
 *
 * The work is cut into (picture, head, block of query rows). A block's scores [ROWS, S] stay in the
 * thread's own scratch, so memory does not grow with T · S, and each product is a small matrix product
 * on the caller's thread. */
#include "nn/nn_internal.h"

#include <math.h>
#include <omp.h>

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

rap_status nn_run_attention(const nn_node *nd, const nn_io *io, rap_err *err)
{
    attention a = arrange(nd, io);
    int64_t blocks = (a.t + ROWS - 1) / ROWS, tasks = a.batch * nd->heads * blocks;
    int failed = 0;
#pragma omp parallel for num_threads(io->threads) schedule(dynamic) reduction(| : failed)
    for (int64_t i = 0; i < tasks; i++) {
        float *scores = (float *)nd->scratch + omp_get_thread_num() * ROWS * score_columns(a.s);
        int64_t pair = i / blocks;
        failed |= block(io->out, &a, pair / nd->heads, pair % nd->heads, i % blocks * ROWS,
                        scores) != RAP_OK;
    }
    return failed ? err_set(err, RAP_E_MODEL, "a matrix product failed in an attention") : RAP_OK;
}

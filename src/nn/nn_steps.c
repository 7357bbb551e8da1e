/* nn_steps.c: the steps that compute: norms, sums, activations, means, pooling, embedding tables.
 * All in f32. */
#include "nn/nn_internal.h"

#include <math.h>
#include <string.h>

#define SMALL 32768 /* below this many elements, one thread is faster than waking the others */
#define BLOCK 4096

typedef struct pieces {
    const nn_node *nd;
    const nn_io *io;
    nn_piece_fn *fn;
} pieces;

static void run_piece(void *payload, int64_t i, int lane)
{
    const pieces *p = payload;
    p->fn(p->nd, p->io, i, lane);
}

void nn_pieces(const nn_node *nd, const nn_io *io, int64_t count, int64_t work, nn_piece_fn *fn)
{
    pieces p = { nd, io, fn };
    nn_each(work > SMALL ? io->threads : 1, count, run_piece, &p);
}

static int64_t last_axis(const nn_node *nd)
{
    return nd->out->shape.d[nd->out->shape.dims - 1];
}

static void norm_row(const nn_node *nd, const nn_io *io, int64_t i, int lane)
{
    int64_t n = last_axis(nd);
    nn_row_norm((float *)io->out + i * n, (const float *)io->in[0] + i * n, nd->w, nd->b, n,
                nd->eps);
}

rap_status nn_run_layer_norm(const nn_node *nd, const nn_io *io, rap_err *err)
{
    int64_t all = nn_elements(nd->out->shape);
    nn_pieces(nd, io, all / last_axis(nd), all, norm_row);
    return RAP_OK;
}

static void softmax_row(const nn_node *nd, const nn_io *io, int64_t i, int lane)
{
    int64_t n = last_axis(nd);
    float *out = (float *)io->out + i * n;
    memcpy(out, (const float *)io->in[0] + i * n, (size_t)n * sizeof *out);
    nn_row_softmax(out, n, 1.0f);
}

rap_status nn_run_softmax(const nn_node *nd, const nn_io *io, rap_err *err)
{
    int64_t all = nn_elements(nd->out->shape);
    nn_pieces(nd, io, all / last_axis(nd), all, softmax_row);
    return RAP_OK;
}

static void activate_block(const nn_node *nd, const nn_io *io, int64_t i, int lane)
{
    int64_t at = i * BLOCK, left = nn_elements(nd->out->shape) - at;
    nn_row_act((float *)io->out + at, (const float *)io->in[0] + at, left < BLOCK ? left : BLOCK,
               nd->act);
}

rap_status nn_run_activate(const nn_node *nd, const nn_io *io, rap_err *err)
{
    int64_t all = nn_elements(nd->out->shape);
    nn_pieces(nd, io, (all + BLOCK - 1) / BLOCK, all, activate_block);
    return RAP_OK;
}

/* b repeats along the leading axes of a; a block never spans two repetitions. */
static void add_block(const nn_node *nd, const nn_io *io, int64_t i, int lane)
{
    int64_t n = nn_elements(nd->in[1]->shape), blocks = (n + BLOCK - 1) / BLOCK;
    int64_t from = i % blocks * BLOCK, to = from + BLOCK < n ? from + BLOCK : n;
    const float *a = (const float *)io->in[0] + i / blocks * n, *b = io->in[1];
    float *out = (float *)io->out + i / blocks * n;
#pragma omp simd
    for (int64_t k = from; k < to; k++)
        out[k] = a[k] + b[k];
}

static void multiply_block(const nn_node *nd, const nn_io *io, int64_t i, int lane)
{
    int64_t n = nn_elements(nd->in[1]->shape), blocks = (n + BLOCK - 1) / BLOCK;
    int64_t from = i % blocks * BLOCK, to = from + BLOCK < n ? from + BLOCK : n;
    const float *a = (const float *)io->in[0] + i / blocks * n, *b = io->in[1];
    float *out = (float *)io->out + i / blocks * n;
#pragma omp simd
    for (int64_t k = from; k < to; k++)
        out[k] = a[k] * b[k];
}

static void pairwise(const nn_node *nd, const nn_io *io, nn_piece_fn *fn)
{
    int64_t n = nn_elements(nd->in[1]->shape), all = nn_elements(nd->out->shape);
    nn_pieces(nd, io, all / n * ((n + BLOCK - 1) / BLOCK), all, fn);
}

rap_status nn_run_add(const nn_node *nd, const nn_io *io, rap_err *err)
{
    pairwise(nd, io, add_block);
    return RAP_OK;
}

rap_status nn_run_mul(const nn_node *nd, const nn_io *io, rap_err *err)
{
    pairwise(nd, io, multiply_block);
    return RAP_OK;
}

rap_status nn_run_mean(const nn_node *nd, const nn_io *io, rap_err *err)
{
    nn_shape s = nd->in[0]->shape;
    int64_t outer = 1, inner = 1, n = s.d[nd->axis];
    for (int i = 0; i < s.dims; i++) {
        outer *= i < nd->axis ? s.d[i] : 1;
        inner *= i > nd->axis ? s.d[i] : 1;
    }
    const float *x = io->in[0];
    float *out = io->out;
    for (int64_t o = 0; o < outer; o++)
        for (int64_t k = 0; k < inner; k++) {
            double sum = 0;
            for (int64_t i = 0; i < n; i++)
                sum += x[(o * n + i) * inner + k];
            out[o * inner + k] = (float)(sum / (double)n);
        }
    return RAP_OK;
}

rap_status nn_run_embedding(const nn_node *nd, const nn_io *io, rap_err *err)
{
    nn_shape table = nn_tensor_shape(nd->weight);
    int64_t rows = table.d[0], width = table.d[1], count = nn_elements(nd->in[0]->shape);
    const int32_t *ids = io->in[0];
    float *out = io->out;
    for (int64_t i = 0; i < count; i++) {
        if (ids[i] < 0 || ids[i] >= rows)
            return err_set(err, RAP_E_ARGUMENT, "id %d is out of range for a table of %lld rows",
                           ids[i], (long long)rows);
        memcpy(out + i * width, nd->w + ids[i] * width, (size_t)width * sizeof *out);
    }
    return RAP_OK;
}

rap_status nn_run_gather(const nn_node *nd, const nn_io *io, rap_err *err)
{
    nn_shape s = nd->in[0]->shape; /* [N, T, D] */
    const float *x = io->in[0];
    const int32_t *ids = io->in[1];
    float *out = io->out;
    for (int64_t i = 0; i < s.d[0]; i++) {
        if (ids[i] < 0 || ids[i] >= s.d[1])
            return err_set(err, RAP_E_ARGUMENT, "row %d is out of range for a sequence of %lld",
                           ids[i], (long long)s.d[1]);
        memcpy(out + i * s.d[2], x + (i * s.d[1] + ids[i]) * s.d[2], (size_t)s.d[2] * sizeof *out);
    }
    return RAP_OK;
}

/* One row of the result: out [W', C]. */
static void pool_row(float *out, const float *x, nn_shape s, int64_t wide, int64_t y,
                     const nn_node *nd)
{
    int64_t h = s.d[1], w = s.d[2], c = s.d[3];
    for (int64_t i = 0; i < wide * c; i++)
        out[i] = -INFINITY;
    for (int64_t ky = y * nd->stride - nd->pad; ky < y * nd->stride - nd->pad + nd->size; ky++) {
        if (ky < 0 || ky >= h)
            continue;
        for (int64_t ox = 0; ox < wide; ox++) {
            int64_t from = ox * nd->stride - nd->pad, to = from + nd->size;
            from = from < 0 ? 0 : from;
            to = to > w ? w : to;
            for (int64_t kx = from; kx < to; kx++) {
                const float *p = x + (ky * w + kx) * c;
                float *o = out + ox * c;
#pragma omp simd
                for (int64_t k = 0; k < c; k++)
                    o[k] = p[k] > o[k] ? p[k] : o[k];
            }
        }
    }
}

static void pool_line(const nn_node *nd, const nn_io *io, int64_t i, int lane)
{
    nn_shape s = nd->in[0]->shape, o = nd->out->shape;
    const float *picture = (const float *)io->in[0] + i / o.d[1] * s.d[1] * s.d[2] * s.d[3];
    pool_row((float *)io->out + i * o.d[2] * o.d[3], picture, s, o.d[2], i % o.d[1], nd);
}

rap_status nn_run_max_pool(const nn_node *nd, const nn_io *io, rap_err *err)
{
    nn_shape o = nd->out->shape;
    nn_pieces(nd, io, o.d[0] * o.d[1], nn_elements(o) * nd->size, pool_line);
    return RAP_OK;
}

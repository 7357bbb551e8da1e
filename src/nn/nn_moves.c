/* nn_moves.c: the steps that only move elements, 2 or 4 bytes each. */
#include "nn/nn_internal.h"

#include <string.h>

/* Product of the axes before `axis`, and of those from `axis` on. */
static int64_t before(nn_shape s, int axis)
{
    int64_t n = 1;
    for (int i = 0; i < axis; i++)
        n *= s.d[i];
    return n;
}

static int64_t from(nn_shape s, int axis)
{
    int64_t n = 1;
    for (int i = axis; i < s.dims; i++)
        n *= s.d[i];
    return n;
}

/* Copies one element with a length known at compile time. */
static inline void move_one(char *to, const char *in, size_t size)
{
    if (size == 4)
        memcpy(to, in, 4);
    else
        memcpy(to, in, 2);
}

static void concat_row(const nn_node *nd, const nn_io *io, int64_t i, int lane)
{
    size_t size = nn_type_size(nd->result);
    size_t row = (size_t)from(nd->out->shape, nd->axis) * size;
    char *to = (char *)io->out + (size_t)i * row;
    for (int k = 0; k < nd->inputs; k++) {
        size_t part = (size_t)from(nd->in[k]->shape, nd->axis) * size;
        memcpy(to, (const char *)io->in[k] + (size_t)i * part, part);
        to += part;
    }
}

rap_status nn_run_concat(const nn_node *nd, const nn_io *io, rap_err *err)
{
    nn_shape o = nd->out->shape;
    nn_pieces(nd, io, before(o, nd->axis), nn_elements(o), concat_row);
    return RAP_OK;
}

static void slice_row(const nn_node *nd, const nn_io *io, int64_t i, int lane)
{
    nn_shape s = nd->in[0]->shape, o = nd->out->shape;
    size_t size = nn_type_size(nd->result);
    size_t row = (size_t)from(s, nd->axis) * size, part = (size_t)from(o, nd->axis) * size;
    size_t skip = (size_t)(nd->start * from(s, nd->axis + 1)) * size;
    memcpy((char *)io->out + (size_t)i * part, (const char *)io->in[0] + (size_t)i * row + skip,
           part);
}

rap_status nn_run_slice(const nn_node *nd, const nn_io *io, rap_err *err)
{
    nn_shape o = nd->out->shape;
    nn_pieces(nd, io, before(nd->in[0]->shape, nd->axis), nn_elements(o), slice_row);
    return RAP_OK;
}

rap_status nn_run_repeat(const nn_node *nd, const nn_io *io, rap_err *err)
{
    size_t bytes = (size_t)nn_elements(nd->in[0]->shape) * nn_type_size(nd->result);
    for (int64_t i = 0; i < nd->out->shape.d[0]; i++)
        memcpy((char *)io->out + (size_t)i * bytes, io->in[0], bytes);
    return RAP_OK;
}

/* The result's axes padded to four with leading 1s, and each one's stride in the input. */
static void output_strides(const nn_node *nd, int64_t d[4], int64_t step[4])
{
    nn_shape s = nd->in[0]->shape, o = nd->out->shape;
    int64_t stride[4] = { 0 };
    int lead = 4 - o.dims;
    for (int i = s.dims - 1; i >= 0; i--)
        stride[i] = i == s.dims - 1 ? 1 : stride[i + 1] * s.d[i + 1];
    for (int i = 0; i < 4; i++) {
        d[i] = i < lead ? 1 : o.d[i - lead];
        step[i] = i < lead ? 0 : stride[nd->order[i - lead]];
    }
}

static void transpose_plane(const nn_node *nd, const nn_io *io, int64_t i, int lane)
{
    int64_t d[4], step[4];
    size_t size = nn_type_size(nd->result);
    output_strides(nd, d, step);
    for (int64_t c = 0; c < d[2]; c++) {
        const char *p = io->in[0];
        p += (size_t)(i / d[1] * step[0] + i % d[1] * step[1] + c * step[2]) * size;
        char *to = (char *)io->out + (size_t)((i * d[2] + c) * d[3]) * size;
        for (int64_t e = 0; e < d[3]; e++)
            move_one(to + (size_t)e * size, p + (size_t)(e * step[3]) * size, size);
    }
}

rap_status nn_run_transpose(const nn_node *nd, const nn_io *io, rap_err *err)
{
    int64_t d[4], step[4];
    output_strides(nd, d, step);
    nn_pieces(nd, io, d[0] * d[1], nn_elements(nd->out->shape), transpose_plane);
    return RAP_OK;
}

static void upsample_line(const nn_node *nd, const nn_io *io, int64_t i, int lane)
{
    nn_shape s = nd->in[0]->shape, o = nd->out->shape;
    size_t pixel = (size_t)s.d[3] * nn_type_size(nd->result);
    int64_t picture = i / o.d[1], y = i % o.d[1] / nd->factor;
    const char *in = (const char *)io->in[0] + (size_t)((picture * s.d[1] + y) * s.d[2]) * pixel;
    char *to = (char *)io->out + (size_t)(i * o.d[2]) * pixel;
    for (int64_t x = 0; x < o.d[2]; x++)
        memcpy(to + (size_t)x * pixel, in + (size_t)(x / nd->factor) * pixel, pixel);
}

rap_status nn_run_upsample(const nn_node *nd, const nn_io *io, rap_err *err)
{
    nn_shape o = nd->out->shape;
    nn_pieces(nd, io, o.d[0] * o.d[1], nn_elements(o), upsample_line);
    return RAP_OK;
}

static void unfold_window(const nn_node *nd, const nn_io *io, int64_t i, int lane)
{
    nn_shape s = nd->in[0]->shape, o = nd->out->shape;
    int64_t k = nd->size, c = s.d[3];
    size_t size = nn_type_size(nd->result);
    int64_t picture = i / (o.d[1] * o.d[2]), y = i / o.d[2] % o.d[1], x = i % o.d[2];
    char *to = (char *)io->out + (size_t)(i * o.d[3]) * size;
    const char *in = io->in[0];
    in += (size_t)(((picture * s.d[1] + y * k) * s.d[2] + x * k) * c) * size;
    for (int64_t ch = 0; ch < c; ch++)
        for (int64_t ky = 0; ky < k; ky++)
            for (int64_t kx = 0; kx < k; kx++, to += size)
                move_one(to, in + (size_t)((ky * s.d[2] + kx) * c + ch) * size, size);
}

/* x [N, H, W, C] → [N, H / k, W / k, C · k · k]: each window becomes one row, channels first, in
 * the order of a convolution's weights. */
rap_status nn_run_unfold(const nn_node *nd, const nn_io *io, rap_err *err)
{
    nn_shape o = nd->out->shape;
    nn_pieces(nd, io, nn_elements(o) / o.d[3], nn_elements(o), unfold_window);
    return RAP_OK;
}

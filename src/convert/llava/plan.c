/* plan.c: tensors are declared first, so that the head of the file is known, then read, converted and written a
 * few rows at a time: no tensor stands in memory whole. */
#include "base/mem.h"
#include "convert/llava/llava.h"
#include "formats/gguf_types.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 1 << 20, Q8_0_BLOCK = 32 }; /* numbers converted at once */

/* ---- declaring ---- */

static gguf_type natural(dtype type)
{
    return type == DTYPE_F16 ? GGUF_F16 : type == DTYPE_BF16 ? GGUF_BF16 : GGUF_F32;
}

/* llama.cpp takes matrices in any type, vectors in f32. */
static gguf_type target(const conversion *c, const state_tensor *t, int dims, int64_t row)
{
    if (dims == 1)
        return GGUF_F32;
    switch (c->options->type) {
    case CONVERT_F32:
        return GGUF_F32;
    case CONVERT_F16:
        return GGUF_F16;
    case CONVERT_BF16:
        return GGUF_BF16;
    case CONVERT_Q8_0:
        return row % Q8_0_BLOCK ? GGUF_F16 : GGUF_Q8_0;
    default:
        return natural(t->type);
    }
}

static bool same_shape(const state_tensor *t, convert_shape shape)
{
    if (t->dims != shape.dims)
        return false;
    for (int i = 0; i < shape.dims; i++)
        if (t->size[i] != shape.d[i] || shape.d[i] < 1)
            return false;
    return true;
}

static const char *shape_text(char out[96], const int64_t *size, int dims)
{
    size_t used = 0;

    out[0] = '\0';
    for (int i = 0; i < dims && used < 70; i++)
        used +=
            (size_t)snprintf(out + used, 96 - used, "%s%lld", i ? " × " : "", (long long)size[i]);
    return out;
}

static const state_tensor *find(conversion *in, const char *from, convert_shape shape)
{
    const state_tensor *t = state_dict_find(in->in, from);
    char is[96], wanted[96];

    if (in->status != RAP_OK)
        return NULL;
    if (!t) {
        convert_fail(in, RAP_E_FORMAT, "has no tensor '%s'", from);
        return NULL;
    }
    if (!same_shape(t, shape))
        convert_fail(in, RAP_E_FORMAT, "tensor '%s' is %s, where %s was expected", from,
                     shape_text(is, t->size, t->dims), shape_text(wanted, shape.d, shape.dims));
    else if (t->type != DTYPE_F32 && t->type != DTYPE_F16 && t->type != DTYPE_BF16 &&
             t->type != DTYPE_F64)
        convert_fail(in, RAP_E_UNSUPPORTED,
                     "tensor '%s' holds no floating numbers: take a checkpoint that is not "
                     "quantised",
                     from);
    return in->status == RAP_OK ? t : NULL;
}

static void add(llava *l, planned item, const char *to, convert_shape shape)
{
    int64_t ne[4];
    planned *grown = mem_grow(l->plan.item, l->plan.count, &l->plan.room, sizeof *grown);

    if (!grown) {
        l->c->status = err_memory(l->c->err, "converting");
        free(item.values);
        return;
    }
    l->plan.item = grown;
    l->plan.item[l->plan.count++] = item;
    for (int i = 0; i < shape.dims; i++)
        ne[i] = shape.d[shape.dims - 1 - i];
    gguf_declare_tensor(l->c->out, to, item.type, shape.dims, ne);
}

/* The tower may be another checkpoint, whose failure is that of the whole. */
static const state_tensor *take(llava *l, conversion *in, const char *from, convert_shape shape)
{
    const state_tensor *t;

    if (l->c->status != RAP_OK)
        return NULL;
    t = find(in, from, shape);
    l->c->status = in->status;
    if (t)
        in->used[t - state_dict_at(in->in, 0)] = true;
    return t;
}

void plan_typed(llava *l, conversion *in, const char *from, const char *to, convert_shape shape,
                gguf_type type)
{
    const state_tensor *t = take(l, in, from, shape);

    if (t)
        add(l, (planned){ .from = t, .type = type }, to, shape);
}

void plan_tensor(llava *l, conversion *in, const char *from, const char *to, convert_shape shape)
{
    const state_tensor *t = take(l, in, from, shape);

    if (t)
        add(l, (planned){ .from = t, .type = target(l->c, t, shape.dims, shape.d[shape.dims - 1]) },
            to, shape);
}

void plan_heads(llava *l, const char *from, const char *to, convert_shape shape, int64_t heads)
{
    plan_tensor(l, l->c, from, to, shape);
    if (l->c->status == RAP_OK)
        l->plan.item[l->plan.count - 1].heads = heads;
}

void plan_floats(llava *l, const char *to, const float *values, int64_t count)
{
    float *copy = mem_copy(values, (size_t)count * sizeof *values);

    if (l->c->status != RAP_OK)
        free(copy);
    else if (!copy)
        l->c->status = err_memory(l->c->err, "converting");
    else
        add(l, (planned){ .type = GGUF_F32, .values = copy, .count = (size_t)count }, to,
            (convert_shape){ 1, { count } });
}

void llava_plan_release(plan *p)
{
    for (size_t i = 0; i < p->count; i++)
        free(p->item[i].values);
    free(p->item);
    *p = (plan){ 0 };
}

/* ---- writing ---- */

/* Where row `row` of the output stands in the input: row 2j + s of a head was row j of its half s. */
static int64_t row_of(const planned *p, int64_t row, int64_t rows)
{
    int64_t each, head, inside;

    if (!p->heads)
        return row;
    each = rows / p->heads;
    head = row / each;
    inside = row % each;
    return head * each + inside % 2 * (each / 2) + inside / 2;
}

static bool encode(void *out, gguf_type type, const float *values, size_t count, size_t *out_bytes)
{
    *out_bytes = type == GGUF_F32 ? 4 * count : type == GGUF_Q8_0 ? count / 32 * 34 : 2 * count;
    switch (type) {
    case GGUF_F16:
        return gguf_floats_to_halves(out, values, count);
    case GGUF_BF16:
        return gguf_floats_to_bfloats(out, values, count);
    case GGUF_Q8_0:
        return gguf_floats_to_q8_0(out, values, count);
    default:
        memcpy(out, values, *out_bytes);
        return true;
    }
}

typedef struct chunk {
    float *numbers; /* [CHUNK or a row] */
    uint8_t *coded; /* the same in the file's type */
} chunk;

static rap_status write_chunk(llava *l, const planned *p, const chunk *k, size_t count,
                              gguf_stream *s)
{
    size_t bytes;

    for (size_t i = 0; i < count; i++)
        if (!isfinite(k->numbers[i]))
            return convert_fail(l->c, RAP_E_FORMAT, "tensor '%s' holds a number that is not finite",
                                p->from->name);
    if (!encode(k->coded, p->type, k->numbers, count, &bytes))
        return convert_fail(l->c, RAP_E_UNSUPPORTED,
                            "tensor '%s' holds numbers too large for the type; try bf16 or f32",
                            p->from->name);
    return l->c->status = gguf_stream_write(s, k->coded, bytes, l->c->err);
}

/* `bytes`: the tensor's elements in row-major order. */
static rap_status write_rows(llava *l, const planned *p, const uint8_t *bytes, gguf_stream *s)
{
    const state_tensor *t = p->from;
    size_t width = dtype_size(t->type);
    int64_t row = t->dims > 1 ? t->elements / t->size[0] : t->elements;
    int64_t rows = t->elements / row, each = row < CHUNK ? CHUNK / row : 1;
    chunk k = { mem_array((size_t)(each * row), sizeof(float)), malloc((size_t)(each * row) * 4) };

    if (!k.numbers || !k.coded)
        l->c->status = err_memory(l->c->err, "converting");
    for (int64_t at = 0; l->c->status == RAP_OK && at < rows; at += each) {
        int64_t count = rows - at < each ? rows - at : each;

        for (int64_t i = 0; i < count; i++)
            state_widen(k.numbers + i * row,
                        bytes + (size_t)(row_of(p, at + i, rows) * row) * width, t->type,
                        (size_t)row);
        write_chunk(l, p, &k, (size_t)(count * row), s);
    }
    free(k.numbers);
    free(k.coded);
    return l->c->status;
}

static rap_status write_tensor(llava *l, const planned *p, gguf_stream *s)
{
    const void *bytes;
    void *copy = NULL;
    size_t size;

    if (p->values)
        return l->c->status =
                   gguf_stream_write(s, p->values, p->count * sizeof *p->values, l->c->err);
    bytes = state_tensor_bytes(p->from);
    if (!bytes) {
        l->c->status = state_tensor_read(p->from, &copy, &size, l->c->err);
        bytes = copy;
    }
    if (l->c->status == RAP_OK)
        write_rows(l, p, bytes, s);
    free(copy);
    state_tensor_let_go(p->from);
    return l->c->status;
}

static void tell(llava *l, size_t done)
{
    const convert_options *o = l->c->options;

    if (l->c->status == RAP_OK && o->on_progress &&
        o->on_progress("converting", done, l->plan.count, o->payload))
        l->c->status = err_set(l->c->err, RAP_E_CANCELLED, "%s: conversion cancelled",
                               state_dict_path(l->c->in));
}

rap_status plan_write(llava *l, const char *path, temp *keep)
{
    gguf_stream *s = NULL;

    if (l->c->status == RAP_OK)
        l->c->status = gguf_stream_open(&s, l->c->out, path, l->c->err);
    for (size_t i = 0; l->c->status == RAP_OK && i < l->plan.count; i++) {
        write_tensor(l, &l->plan.item[i], s);
        if (l->c->status == RAP_OK)
            l->c->status = gguf_stream_end_tensor(s, l->c->err);
        tell(l, i + 1);
    }
    if (l->c->status == RAP_OK)
        l->c->status = gguf_stream_keep(s, keep, l->c->err);
    gguf_stream_close(s);
    return l->c->status;
}

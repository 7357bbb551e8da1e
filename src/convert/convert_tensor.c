/* convert_tensor.c: converts a tensor of a checkpoint for our GGUF: its shape is checked, parts are
 * joined or turned, and the numbers are written in the type that was asked for.
 *
 * All numbers pass as f32, which holds f16 and bf16 exactly. One that is not finite is refused: it would
 * make every feature of the model worthless. */
#include "base/mem.h"
#include "convert/convert_inside.h"
#include "formats/gguf_types.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { Q8_0_BLOCK = 32, Q8_0_BYTES = 34 };

/* ---- in ----------------------------------------------------------------------------------- */

static bool same_shape(const state_tensor *t, convert_shape shape)
{
    int first = 0;
    while (t->dims - first > shape.dims && t->size[first] == 1)
        first++;
    if (t->dims == 0) /* a scalar */
        return shape.dims == 1 && shape.d[0] == 1;
    if (t->dims - first != shape.dims)
        return false;
    for (int i = 0; i < shape.dims; i++)
        if (t->size[first + i] != shape.d[i] || shape.d[i] < 1)
            return false;
    return true;
}

static bool gguf_type_of(gguf_type *out, dtype type)
{
    switch (type) {
    case DTYPE_F32:
    case DTYPE_F64:
        *out = GGUF_F32;
        return true;
    case DTYPE_F16:
        *out = GGUF_F16;
        return true;
    case DTYPE_BF16:
        *out = GGUF_BF16;
        return true;
    default:
        return false;
    }
}

/* The tensor, when it is there and is what it should be; NULL and a failure otherwise. */
static const state_tensor *find_shaped(conversion *c, const char *from, convert_shape shape,
                                       gguf_type *type)
{
    const state_tensor *t = state_dict_find(c->in, from);
    if (c->status != RAP_OK)
        return NULL;
    if (!t) {
        convert_fail(c, RAP_E_FORMAT, "has no tensor '%s'", from);
        return NULL;
    }
    if (!same_shape(t, shape) || !gguf_type_of(type, t->type)) {
        convert_fail(c, RAP_E_FORMAT, "tensor '%s' has an unexpected shape or type", from);
        return NULL;
    }
    return t;
}

static float *read_typed(conversion *c, const char *from, convert_shape shape, gguf_type *type)
{
    float *values = NULL;
    const state_tensor *t = find_shaped(c, from, shape, type);
    if (!t || (c->status = state_tensor_floats(t, &values, c->err)) != RAP_OK)
        return NULL;
    c->used[t - state_dict_at(c->in, 0)] = true;
    for (int64_t i = 0; i < t->elements; i++)
        if (!isfinite(values[i])) {
            convert_fail(c, RAP_E_FORMAT, "tensor '%s' holds a number that is not finite", from);
            free(values);
            return NULL;
        }
    return values;
}

float *convert_read(conversion *c, const char *from, convert_shape shape)
{
    gguf_type type;
    return read_typed(c, from, shape, &type);
}

/* ---- out ---------------------------------------------------------------------------------- */

/* Norms, biases and single vectors stay f32: they are few, and everything passes through them. Blocks of
 * q8_0 are for the matrices of linear layers, and for the words of a text tower, which are many; what is
 * added to every picture (positions, class token and registers) becomes f16 beside them. */
static gguf_type target(const conversion *c, const char *to, gguf_type natural, convert_shape shape)
{
    if (c->options->type == CONVERT_KEEP)
        return natural;
    if (c->options->type == CONVERT_F32 || shape.dims == 1)
        return GGUF_F32;
    if (c->options->type == CONVERT_BF16)
        return GGUF_BF16;
    if (c->options->type == CONVERT_Q8_0 && shape.dims == 2 && shape.d[1] % Q8_0_BLOCK == 0 &&
        !strstr(to, "position_embd") && !strstr(to, "class_embd"))
        return GGUF_Q8_0;
    return GGUF_F16;
}

static size_t type_bytes(gguf_type type, size_t count)
{
    switch (type) {
    case GGUF_F32:
        return 4 * count;
    case GGUF_Q8_0:
        return count / Q8_0_BLOCK * Q8_0_BYTES;
    default:
        return 2 * count;
    }
}

/* false: a number is too large for the type. */
static bool encode(void *out, gguf_type type, const float *values, size_t count)
{
    switch (type) {
    case GGUF_F16:
        return gguf_floats_to_halves(out, values, count);
    case GGUF_BF16:
        return gguf_floats_to_bfloats(out, values, count);
    case GGUF_Q8_0:
        return gguf_floats_to_q8_0(out, values, count);
    default:
        memcpy(out, values, count * sizeof *values);
        return true;
    }
}

/* One more is done: may it go on? */
static void count_tensor(conversion *c)
{
    uint64_t all = state_dict_count(c->in);

    c->written++;
    if (c->status == RAP_OK && c->options->on_progress &&
        c->options->on_progress("converting", c->written < all ? c->written : all, all,
                                c->options->payload))
        c->status =
            err_set(c->err, RAP_E_CANCELLED, "%s: conversion cancelled", state_dict_path(c->in));
}

static void put_as(conversion *c, const char *to, gguf_type type, convert_shape shape,
                   const float *values)
{
    int64_t ne[4];
    size_t count = 1;
    for (int i = 0; i < shape.dims; i++) {
        ne[i] = shape.d[shape.dims - 1 - i];
        count *= (size_t)shape.d[i];
    }
    void *bytes = malloc(type_bytes(type, count));
    if (!bytes)
        c->status = err_memory(c->err, "converting");
    else if (!encode(bytes, type, values, count))
        convert_fail(c, RAP_E_UNSUPPORTED,
                     "what becomes '%s' holds numbers too large for the type; try bf16 or f32", to);
    else
        gguf_put_tensor(c->out, to, type, shape.dims, ne, bytes);
    free(bytes);
    count_tensor(c);
}

/* Computed values may have overflowed f32. */
void convert_floats(conversion *c, const char *to, convert_shape shape, const float *values)
{
    int64_t count = 1;
    for (int i = 0; i < shape.dims; i++)
        count *= shape.d[i];
    for (int64_t i = 0; i < count && c->status == RAP_OK; i++)
        if (!isfinite(values[i]))
            convert_fail(c, RAP_E_FORMAT, "what becomes '%s' holds a number that is not finite",
                         to);
    if (c->status == RAP_OK)
        put_as(c, to, target(c, to, GGUF_F32, shape), shape, values);
}

/* ---- both --------------------------------------------------------------------------------- */

void convert_tensor(conversion *c, const char *from, const char *to, convert_shape shape)
{
    gguf_type type;
    float *values = read_typed(c, from, shape, &type);
    if (values)
        put_as(c, to, target(c, to, type, shape), shape, values);
    free(values);
}

void convert_transposed(conversion *c, const char *from, const char *to, int64_t rows,
                        int64_t columns)
{
    gguf_type type;
    float *in = read_typed(c, from, (convert_shape){ 2, { columns, rows } }, &type);
    float *out = in ? mem_array((size_t)(rows * columns), sizeof *out) : NULL;
    if (in && !out)
        c->status = err_memory(c->err, "converting");
    for (int64_t i = 0; out && i < rows * columns; i++)
        out[i] = in[i % columns * rows + i / columns];
    if (out) {
        const convert_shape shape = { 2, { rows, columns } };
        put_as(c, to, target(c, to, type, shape), shape, out);
    }
    free(out);
    free(in);
}

/* Shapes are compared before memory is taken: only then do the sizes come from what the file holds. */
void convert_stacked(conversion *c, const char *const *from, int count, const char *to,
                     convert_shape one)
{
    gguf_type type = GGUF_F32, all_type = GGUF_F32;
    size_t each = 0;
    for (int i = 0; i < count; i++) {
        const state_tensor *t = find_shaped(c, from[i], one, &type);
        if (!t)
            return;
        each = (size_t)t->elements;
        all_type = i == 0 || type == all_type ? type : GGUF_F32; /* several types: the widest */
    }
    float *all = mem_array(each * (size_t)count, sizeof *all);
    if (!all)
        c->status = err_memory(c->err, "converting");
    for (int i = 0; i < count; i++) {
        float *part = read_typed(c, from[i], one, &type);
        if (part)
            memcpy(all + (size_t)i * each, part, each * sizeof *part);
        free(part);
    }
    one.d[0] *= count;
    if (c->status == RAP_OK)
        put_as(c, to, target(c, to, all_type, one), one, all);
    free(all);
}

void convert_joined(conversion *c, const char *from, const char *from_end, const char *to,
                    const char *to_end, convert_shape shape)
{
    char a[256], b[64];
    snprintf(a, sizeof a, "%s%s", from, from_end);
    snprintf(b, sizeof b, "%s%s", to, to_end);
    convert_tensor(c, a, b, shape);
}

void convert_pair(conversion *c, const char *from, const char *to, convert_shape weight)
{
    convert_joined(c, from, ".weight", to, ".weight", weight);
    convert_joined(c, from, ".bias", to, ".bias", (convert_shape){ 1, { weight.d[0] } });
}

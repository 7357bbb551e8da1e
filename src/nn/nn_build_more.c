/* nn_build_more.c: the steps without weights: attention, arithmetic, data movement, pooling. Each
 * call checks its shapes, adds a node and returns its result. */
#include "nn/nn_internal.h"

#include <string.h>

/* ---- attention ---------------------------------------------------------------------------- */

nn_tensor *nn_attention(nn_graph *g, nn_tensor *q, nn_tensor *k, nn_tensor *v, int heads,
                        bool causal)
{
    if (!q || !k || !v || nn_failed(g))
        return NULL;
    nn_shape a = q->shape, b = k->shape;
    if (a.dims != 3 || b.dims != 3 || !nn_same_shape(b, v->shape) || a.d[0] != b.d[0] ||
        a.d[2] != b.d[2] || heads < 1 || a.d[2] % heads || (causal && a.d[1] != b.d[1]) ||
        !nn_is_number(q) || !nn_is_number(k) || !nn_is_number(v))
        return nn_misfit(g, "an attention");
    nn_tensor *in[] = { q, k, v };
    nn_node *nd = nn_node_new(g, NN_ATTENTION, in, 3, a);
    if (!nd)
        return NULL;
    nd->heads = heads;
    nd->causal = causal;
    return nd->out;
}

nn_tensor *nn_attention_fused(nn_graph *g, nn_tensor *qkv, int heads, bool causal)
{
    if (!qkv || nn_failed(g))
        return NULL;
    nn_shape s = qkv->shape;
    if (s.dims != 3 || s.d[2] % 3 || heads < 1 || s.d[2] / 3 % heads || !nn_is_number(qkv))
        return nn_misfit(g, "an attention");
    s.d[2] /= 3;
    nn_node *nd = nn_node_new(g, NN_ATTENTION, &qkv, 1, s);
    if (!nd)
        return NULL;
    nd->heads = heads;
    nd->causal = causal;
    return nd->out;
}

/* ---- arithmetic --------------------------------------------------------------------------- */

/* b has a's shape or that of a's trailing axes, possibly with leading 1s. */
static bool trails(nn_shape a, nn_shape b)
{
    int skip = a.dims - b.dims;
    if (skip < 0)
        return false;
    bool inside = false;
    for (int i = 0; i < b.dims; i++) {
        inside = inside || b.d[i] != 1;
        if (inside && b.d[i] != a.d[i + skip])
            return false;
    }
    return true;
}

static nn_tensor *pair(nn_graph *g, nn_kind kind, nn_tensor *a, nn_tensor *b)
{
    nn_tensor *in[] = { a, b };
    if (!a || !b || nn_failed(g))
        return NULL;
    if (!nn_is_number(a) || !nn_is_number(b) || !trails(a->shape, b->shape))
        return nn_misfit(g, kind == NN_ADD ? "a sum" : "a product");
    nn_node *nd = nn_node_new(g, kind, in, 2, a->shape);
    return nd ? nd->out : NULL;
}

nn_tensor *nn_add(nn_graph *g, nn_tensor *a, nn_tensor *b)
{
    return pair(g, NN_ADD, a, b);
}

nn_tensor *nn_mul(nn_graph *g, nn_tensor *a, nn_tensor *b)
{
    return pair(g, NN_MUL, a, b);
}

nn_tensor *nn_activate(nn_graph *g, nn_tensor *x, nn_act act)
{
    if (!x || act == NN_NONE)
        return x;
    if (!nn_is_number(x))
        return nn_misfit(g, "an activation");
    nn_node *nd = nn_node_new(g, NN_ACTIVATE, &x, 1, x->shape);
    if (!nd)
        return NULL;
    nd->act = act;
    return nd->out;
}

nn_tensor *nn_softmax(nn_graph *g, nn_tensor *x)
{
    if (!x)
        return NULL;
    if (!nn_is_number(x))
        return nn_misfit(g, "a softmax");
    nn_node *nd = nn_node_new(g, NN_SOFTMAX, &x, 1, x->shape);
    return nd ? nd->out : NULL;
}

nn_tensor *nn_mean(nn_graph *g, nn_tensor *x, int axis)
{
    if (!x || nn_failed(g))
        return NULL;
    nn_shape s = x->shape;
    if (axis < 0 || axis >= s.dims || s.dims < 2 || !nn_is_number(x))
        return nn_misfit(g, "a mean");
    memmove(s.d + axis, s.d + axis + 1, (size_t)(3 - axis) * sizeof *s.d);
    s.d[--s.dims] = 1;
    nn_node *nd = nn_node_new(g, NN_MEAN, &x, 1, s);
    if (!nd)
        return NULL;
    nd->axis = axis;
    return nd->out;
}

/* ---- data movement ------------------------------------------------------------------------ */

nn_tensor *nn_concat(nn_graph *g, nn_tensor *const *parts, int count, int axis)
{
    if (count < 1 || count > NN_MAX_INPUTS)
        return nn_misfit(g, "a concatenation");
    if (!parts[0] || nn_failed(g))
        return NULL;
    nn_shape s = parts[0]->shape;
    if (axis < 0 || axis >= s.dims)
        return nn_misfit(g, "a concatenation");
    s.d[axis] = 0;
    for (int i = 0; i < count; i++) {
        if (!parts[i])
            return NULL;
        nn_shape p = parts[i]->shape;
        int64_t along = p.d[axis];
        p.d[axis] = s.d[axis];
        if (!nn_same_shape(p, s) || !nn_is_number(parts[i]))
            return nn_misfit(g, "a concatenation");
        s.d[axis] += along;
    }
    nn_node *nd = nn_node_new(g, NN_CONCAT, parts, count, s);
    if (!nd)
        return NULL;
    nd->axis = axis;
    return nd->out;
}

nn_tensor *nn_slice(nn_graph *g, nn_tensor *x, int axis, int64_t start, int64_t length)
{
    if (!x || nn_failed(g))
        return NULL;
    nn_shape s = x->shape;
    if (axis < 0 || axis >= s.dims || start < 0 || length < 1 || length > s.d[axis] ||
        start > s.d[axis] - length || !nn_is_number(x))
        return nn_misfit(g, "a slice");
    s.d[axis] = length;
    nn_node *nd = nn_node_new(g, NN_SLICE, &x, 1, s);
    if (!nd)
        return NULL;
    nd->axis = axis;
    nd->start = start;
    return nd->out;
}

nn_tensor *nn_reshape(nn_graph *g, nn_tensor *x, nn_shape shape)
{
    if (!x || nn_failed(g))
        return NULL;
    if (nn_elements(shape) != nn_elements(x->shape))
        return nn_misfit(g, "a reshape");
    nn_tensor *t = nn_tensor_new(g, NN_STEP, shape);
    if (t)
        t->root = x->root;
    return t;
}

nn_tensor *nn_transpose(nn_graph *g, nn_tensor *x, const int *order)
{
    if (!x || nn_failed(g))
        return NULL;
    nn_shape s = x->shape;
    unsigned seen = 0;
    for (int i = 0; i < s.dims; i++) {
        if (order[i] < 0 || order[i] >= s.dims)
            return nn_misfit(g, "a transposition");
        seen |= 1u << order[i];
        s.d[i] = x->shape.d[order[i]];
    }
    if (seen != (1u << s.dims) - 1 || !nn_is_number(x))
        return nn_misfit(g, "a transposition");
    nn_node *nd = nn_node_new(g, NN_TRANSPOSE, &x, 1, s);
    if (!nd)
        return NULL;
    memcpy(nd->order, order, (size_t)s.dims * sizeof *order);
    return nd->out;
}

nn_tensor *nn_repeat(nn_graph *g, nn_tensor *x, int64_t count)
{
    if (!x || nn_failed(g))
        return NULL;
    nn_shape s = x->shape;
    if (s.d[0] != 1 || !nn_is_number(x))
        return nn_misfit(g, "a repetition");
    s.d[0] = count;
    nn_node *nd = nn_node_new(g, NN_REPEAT, &x, 1, s);
    return nd ? nd->out : NULL;
}

nn_tensor *nn_gather(nn_graph *g, nn_tensor *x, nn_tensor *ids)
{
    if (!x || !ids || nn_failed(g))
        return NULL;
    nn_shape s = x->shape;
    if (s.dims != 3 || !nn_is_number(x) || ids->root->type != NN_TYPE_I32 || ids->shape.dims != 1 ||
        ids->shape.d[0] != s.d[0])
        return nn_misfit(g, "a gather");
    nn_tensor *in[] = { x, ids };
    nn_node *nd = nn_node_new(g, NN_GATHER, in, 2, NN_SHAPE(s.d[0], s.d[2]));
    return nd ? nd->out : NULL;
}

/* ---- pictures ----------------------------------------------------------------------------- */

nn_tensor *nn_upsample_nearest(nn_graph *g, nn_tensor *x, int factor)
{
    if (!x || nn_failed(g))
        return NULL;
    nn_shape s = x->shape;
    if (s.dims != 4 || factor < 1 || factor > 64 || !nn_is_number(x))
        return nn_misfit(g, "an upsampling");
    s.d[1] *= factor;
    s.d[2] *= factor;
    nn_node *nd = nn_node_new(g, NN_UPSAMPLE, &x, 1, s);
    if (!nd)
        return NULL;
    nd->factor = factor;
    return nd->out;
}

nn_tensor *nn_max_pool(nn_graph *g, nn_tensor *x, int size, int stride, int pad)
{
    if (!x || nn_failed(g))
        return NULL;
    nn_shape s = x->shape;
    if (s.dims != 4 || size < 1 || stride < 1 || pad < 0 || pad > size / 2 ||
        s.d[1] + 2 * pad < size || s.d[2] + 2 * pad < size || !nn_is_number(x))
        return nn_misfit(g, "a pooling");
    s.d[1] = (s.d[1] + 2 * pad - size) / stride + 1;
    s.d[2] = (s.d[2] + 2 * pad - size) / stride + 1;
    nn_node *nd = nn_node_new(g, NN_MAX_POOL, &x, 1, s);
    if (!nd)
        return NULL;
    nd->size = size;
    nd->stride = stride;
    nd->pad = pad;
    return nd->out;
}

/* ---- custom steps ------------------------------------------------------------------------- */

nn_tensor *nn_custom(nn_graph *g, nn_custom_fn *fn, void *payload, nn_tensor *const *inputs,
                     int count, nn_shape out_shape)
{
    for (int i = 0; i < count && i < NN_MAX_INPUTS; i++)
        if (inputs[i] && !nn_is_number(inputs[i]))
            return nn_misfit(g, "a custom step");
    nn_node *nd = nn_node_new(g, NN_CUSTOM, inputs, count, out_shape);
    if (!nd)
        return NULL;
    nd->fn = fn;
    nd->payload = payload;
    return nd->out;
}

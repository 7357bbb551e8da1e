/* nn_build.c: graphs, tensors, errors, and the steps with weights. The other steps are in
 * nn_build_more.c. */
#include "nn/nn_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- graphs and errors -------------------------------------------------------------------- */

rap_status nn_graph_new(nn_graph **out, nn *n, rap_err *err)
{
    nn_graph *g = calloc(1, sizeof *g);
    *out = g;
    if (!g)
        return err_memory(err, "building a graph");
    g->n = n;
    return RAP_OK;
}

static void free_nodes(nn_graph *g)
{
    while (g->nodes) {
        nn_node *nd = g->nodes;
        g->nodes = nd->next;
        nn_slices_free(nd->slices);
        free(nd);
    }
}

void nn_graph_free(nn_graph *g)
{
    if (!g)
        return;
    free_nodes(g);
    while (g->tensors) {
        nn_tensor *t = g->tensors;
        g->tensors = t->next;
        free(t);
    }
    while (g->names) {
        nn_text *t = g->names;
        g->names = t->next;
        free(t);
    }
    free(g->list);
    free(g->inputs);
    free(g->outputs);
    free(g->arena);
    free(g);
}

void nn_keep(nn_graph *g, const rap_err *err)
{
    if (g->mistake.status == RAP_OK)
        g->mistake = *err;
}

bool nn_failed(const nn_graph *g)
{
    return g->mistake.status != RAP_OK;
}

nn_tensor *nn_fail(nn_graph *g, rap_status status, const char *format, ...)
{
    char text[sizeof g->mistake.text];
    if (nn_failed(g))
        return NULL;
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    err_set(&g->mistake, status, "%s", text);
    return NULL;
}

nn_tensor *nn_misfit(nn_graph *g, const char *what)
{
    return nn_fail(g, RAP_E_FORMAT, "%s: %s: shapes or types do not match",
                   gguf_file_path(g->n->weights), what);
}

static void *fail_memory(nn_graph *g)
{
    if (!nn_failed(g))
        err_memory(&g->mistake, "building a graph");
    return NULL;
}

const char *nn_name(nn_graph *g, const char *format, ...)
{
    char text[256];
    va_list list;
    va_start(list, format);
    int len = vsnprintf(text, sizeof text, format, list);
    va_end(list);
    if (len < 0 || (size_t)len >= sizeof text) {
        nn_fail(g, RAP_E_ARGUMENT, "a tensor name is too long");
        return NULL;
    }
    nn_text *t = malloc(sizeof *t + (size_t)len + 1);
    if (!t)
        return fail_memory(g);
    memcpy(t->text, text, (size_t)len + 1);
    t->next = g->names;
    g->names = t;
    return t->text;
}

/* ---- tensors and nodes -------------------------------------------------------------------- */

nn_shape nn_shape_of(const nn_tensor *t)
{
    return t ? t->shape : (nn_shape){ 0, { 1, 1, 1, 1 } };
}

nn_tensor *nn_tensor_new(nn_graph *g, nn_role role, nn_shape shape)
{
    if (nn_failed(g))
        return NULL;
    for (int i = shape.dims < 0 ? 0 : shape.dims; i < 4; i++)
        shape.d[i] = 1;
    if (nn_elements(shape) < 0) {
        char text[96];
        nn_shape_text(text, shape);
        return nn_fail(g, RAP_E_FORMAT, "%s: a tensor of shape %s is empty or too large",
                       gguf_file_path(g->n->weights), text);
    }
    nn_tensor *t = calloc(1, sizeof *t);
    if (!t)
        return fail_memory(g);
    t->shape = shape;
    t->role = role;
    t->root = t;
    t->buffer = -1;
    t->next = g->tensors;
    g->tensors = t;
    return t;
}

bool nn_is_number(const nn_tensor *t)
{
    return t->root->type != NN_TYPE_I32;
}

nn_node *nn_node_new(nn_graph *g, nn_kind kind, nn_tensor *const *in, int inputs, nn_shape out)
{
    if (inputs < 0 || inputs > NN_MAX_INPUTS) {
        nn_fail(g, RAP_E_ARGUMENT, "a step with %d inputs", inputs);
        return NULL;
    }
    for (int i = 0; i < inputs; i++)
        if (!in[i])
            return NULL;
    nn_tensor *t = nn_tensor_new(g, NN_STEP, out);
    if (!t)
        return NULL;
    nn_node *nd = calloc(1, sizeof *nd);
    if (!nd)
        return fail_memory(g);
    nd->kind = kind;
    nd->inputs = inputs;
    if (inputs)
        memcpy(nd->in, in, (size_t)inputs * sizeof *in);
    nd->out = t;
    t->by = nd;
    if (g->last_node)
        g->last_node->next = nd;
    else
        g->nodes = nd;
    g->last_node = nd;
    g->node_count++;
    return nd;
}

static bool append(nn_graph *g, nn_tensor ***list, int *count, nn_tensor *t)
{
    nn_tensor **grown = realloc(*list, (size_t)(*count + 1) * sizeof *grown);
    if (!grown) {
        fail_memory(g);
        return false;
    }
    *list = grown;
    grown[(*count)++] = t;
    return true;
}

nn_tensor *nn_input(nn_graph *g, nn_shape shape)
{
    nn_tensor *t = nn_tensor_new(g, NN_INPUT, shape);
    if (!t)
        return NULL;
    t->index = g->input_count;
    return append(g, &g->inputs, &g->input_count, t) ? t : NULL;
}

nn_tensor *nn_input_ids(nn_graph *g, nn_shape shape)
{
    nn_tensor *t = nn_input(g, shape);
    if (t)
        t->type = NN_TYPE_I32;
    return t;
}

void nn_output(nn_graph *g, nn_tensor *x)
{
    if (!x || nn_failed(g))
        return;
    if (x->root->type == NN_TYPE_I32)
        nn_fail(g, RAP_E_ARGUMENT, "ids cannot be an output");
    else if (append(g, &g->outputs, &g->output_count, x))
        x->root->is_output = true;
}

/* ---- weights ------------------------------------------------------------------------------ */

const gguf_tensor *nn_expect(nn_graph *g, const char *name, nn_shape shape)
{
    const gguf_tensor *t = NULL;
    rap_err err;
    if (nn_failed(g) || !name)
        return NULL;
    if (nn_find_weight(g->n, name, &t, &err) != RAP_OK) {
        nn_keep(g, &err);
        return NULL;
    }
    nn_shape have = nn_tensor_shape(t);
    while (have.dims > shape.dims && have.d[0] == 1) { /* [1, D] is accepted as [D] */
        memmove(have.d, have.d + 1, 3 * sizeof *have.d);
        have.d[--have.dims] = 1;
    }
    if (nn_same_shape(have, shape))
        return t;
    char is[96], wanted[96];
    nn_shape_text(is, nn_tensor_shape(t));
    nn_shape_text(wanted, shape);
    nn_fail(g, RAP_E_FORMAT, "%s: tensor '%s' has shape %s, expected %s",
            gguf_file_path(g->n->weights), name, is, wanted);
    return NULL;
}

nn_tensor *nn_weight(nn_graph *g, const char *name, nn_shape shape)
{
    nn_tensor *t = name ? nn_tensor_new(g, NN_WEIGHT, shape) : NULL;
    const gguf_tensor *w = NULL;
    float *data = NULL;
    rap_err err;
    if (!t)
        return NULL;
    rap_status status = nn_find_weight(g->n, name, &w, &err);
    if (status == RAP_OK && nn_elements(nn_tensor_shape(w)) != nn_elements(shape)) {
        char is[96], wanted[96];
        nn_shape_text(is, nn_tensor_shape(w));
        nn_shape_text(wanted, shape);
        return nn_fail(g, RAP_E_FORMAT, "%s: tensor '%s' has shape %s, expected %s",
                       gguf_file_path(g->n->weights), name, is, wanted);
    }
    if (status == RAP_OK)
        status = nn_plain(g->n, w, &data, &err);
    if (status != RAP_OK) {
        nn_keep(g, &err);
        return NULL;
    }
    t->data = data;
    return t;
}

/* ---- convolution and linear --------------------------------------------------------------- */

/* Sets the node's activation and residual and returns its result. The residual becomes the
 * kernel's last input only if there is no activation before the sum: with one, oneDNN falls back
 * to its reference code, a hundred times slower. In that case a separate step adds it. */
static nn_tensor *finish(nn_graph *g, nn_node *nd, nn_act act, nn_tensor *residual)
{
    nd->act = act;
    if (!residual)
        return nd->out;
    if (!nn_is_number(residual))
        return nn_misfit(g, "a residual");
    if (!nn_same_shape(residual->shape, nd->out->shape))
        return nn_fail(g, RAP_E_ARGUMENT, "%s: a residual's shape differs from that of its sum",
                       gguf_file_path(g->n->weights));
    if (act != NN_NONE)
        return nn_add(g, nd->out, residual);
    nd->in[nd->inputs++] = residual;
    nd->residual = residual;
    return nd->out;
}

/* A convolution with non-overlapping windows is a linear layer on the unfolded picture. */
static nn_tensor *conv_as_linear(nn_graph *g, nn_tensor *x, const gguf_tensor *w,
                                 const gguf_tensor *b, nn_shape k, nn_conv_options o)
{
    nn_shape s = x->shape;
    int64_t rows = s.d[1] / k.d[2], columns = s.d[2] / k.d[3], width = k.d[1] * k.d[2] * k.d[3];
    nn_node *nd = nn_node_new(g, NN_UNFOLD, &x, 1, NN_SHAPE(s.d[0], rows, columns, width));
    if (!nd)
        return NULL;
    nd->size = (int)k.d[2];
    nd = nn_node_new(g, NN_LINEAR, &nd->out, 1, NN_SHAPE(s.d[0], rows, columns, k.d[0]));
    if (!nd)
        return NULL;
    nd->weight = w;
    nd->bias = b;
    return finish(g, nd, o.act, o.residual);
}

/* Does the kernel fit the picture? */
static bool conv_fits(nn_shape s, nn_shape k, const nn_conv_options *o)
{
    if (s.dims != 4 || o->stride < 1 || o->groups < 1 || o->pad < 0)
        return false;
    if (k.dims != 4 || k.d[0] % o->groups || k.d[1] > s.d[3] || k.d[1] * o->groups != s.d[3])
        return false;
    return k.d[2] <= s.d[1] + 2 * o->pad && k.d[3] <= s.d[2] + 2 * o->pad && o->pad < k.d[2] &&
           o->pad < k.d[3];
}

nn_tensor *nn_conv(nn_graph *g, nn_tensor *x, const char *weight, const char *bias,
                   nn_conv_options o)
{
    rap_err err;
    nn_shape k;
    o.stride = o.stride ? o.stride : 1;
    o.groups = o.groups ? o.groups : 1;
    if (!x || !weight || nn_failed(g))
        return NULL;
    if (!nn_is_number(x))
        return nn_misfit(g, "a convolution");
    if (nn_weight_shape(g->n, weight, &k, &err) != RAP_OK) {
        nn_keep(g, &err);
        return NULL;
    }
    if (!conv_fits(x->shape, k, &o)) {
        char is[96], on[96];
        nn_shape_text(is, k);
        nn_shape_text(on, x->shape);
        return nn_fail(g, RAP_E_FORMAT, "%s: convolution '%s' of shape %s does not fit input %s",
                       gguf_file_path(g->n->weights), weight, is, on);
    }
    const gguf_tensor *w = nn_expect(g, weight, k);
    const gguf_tensor *b = bias ? nn_expect(g, bias, NN_SHAPE(k.d[0])) : NULL;
    if (!w || (bias && !b))
        return NULL;
    if (k.d[2] == o.stride && k.d[3] == o.stride && o.stride > 1 && !o.pad && o.groups == 1)
        return conv_as_linear(g, x, w, b, k, o);
    int64_t h = (x->shape.d[1] + 2 * o.pad - k.d[2]) / o.stride + 1;
    int64_t wide = (x->shape.d[2] + 2 * o.pad - k.d[3]) / o.stride + 1;
    nn_node *nd = nn_node_new(g, NN_CONV, &x, 1, NN_SHAPE(x->shape.d[0], h, wide, k.d[0]));
    if (!nd)
        return NULL;
    nd->weight = w;
    nd->bias = b;
    nd->stride = o.stride;
    nd->pad = o.pad;
    nd->groups = o.groups;
    return finish(g, nd, o.act, o.residual);
}

nn_tensor *nn_linear(nn_graph *g, nn_tensor *x, const char *weight, const char *bias,
                     nn_linear_options o)
{
    rap_err err;
    nn_shape k;
    if (!x || !weight || nn_failed(g))
        return NULL;
    if (!nn_is_number(x))
        return nn_misfit(g, "a linear layer");
    if (nn_weight_shape(g->n, weight, &k, &err) != RAP_OK) {
        nn_keep(g, &err);
        return NULL;
    }
    nn_shape s = x->shape;
    int64_t in = s.d[s.dims - 1], out = k.d[o.in_out ? 1 : 0];
    const gguf_tensor *w = nn_expect(g, weight, o.in_out ? NN_SHAPE(in, out) : NN_SHAPE(out, in));
    const gguf_tensor *b = bias ? nn_expect(g, bias, NN_SHAPE(out)) : NULL;
    if (!w || (bias && !b))
        return NULL;
    s.d[s.dims - 1] = out;
    nn_node *nd = nn_node_new(g, NN_LINEAR, &x, 1, s);
    if (!nd)
        return NULL;
    nd->weight = w;
    nd->bias = b;
    nd->in_out = o.in_out;
    return finish(g, nd, o.act, o.residual);
}

nn_tensor *nn_layer_norm(nn_graph *g, nn_tensor *x, const char *weight, const char *bias, float eps)
{
    if (!x || nn_failed(g))
        return NULL;
    if (!nn_is_number(x))
        return nn_misfit(g, "a layer norm");
    nn_shape d = NN_SHAPE(x->shape.d[x->shape.dims - 1]);
    const gguf_tensor *w = weight ? nn_expect(g, weight, d) : NULL;
    const gguf_tensor *b = bias ? nn_expect(g, bias, d) : NULL;
    if ((weight && !w) || (bias && !b))
        return NULL;
    nn_node *nd = nn_node_new(g, NN_LAYER_NORM, &x, 1, x->shape);
    if (!nd)
        return NULL;
    nd->weight = w;
    nd->bias = b;
    nd->eps = eps;
    return nd->out;
}

nn_tensor *nn_embedding(nn_graph *g, nn_tensor *ids, const char *table)
{
    rap_err err;
    nn_shape k;
    if (!ids || !table || nn_failed(g))
        return NULL;
    if (nn_weight_shape(g->n, table, &k, &err) != RAP_OK) {
        nn_keep(g, &err);
        return NULL;
    }
    if (ids->root->type != NN_TYPE_I32 || ids->shape.dims > 3 || k.dims != 2)
        return nn_fail(g, RAP_E_FORMAT,
                       "%s: the table '%s' must be [rows, width] and its input ids",
                       gguf_file_path(g->n->weights), table);
    nn_shape s = ids->shape;
    s.d[s.dims++] = k.d[1];
    nn_node *nd = nn_node_new(g, NN_EMBEDDING, &ids, 1, s);
    if (!nd)
        return NULL;
    nd->weight = nn_expect(g, table, k);
    return nd->weight ? nd->out : NULL;
}

/* nn_compile.c: compiles a graph: chooses kernels, packs weights, plans memory. */
#include "nn/nn_bytes.h"
#include "nn/nn_conv.h"
#include "nn/nn_internal.h"
#include "nn/nn_linear.h"
#include "nn/nn_winograd.h"

#include "base/mem.h"

#include <string.h>

static nn_layer_spec describe(const nn_node *nd)
{
    nn_shape s = nd->in[0]->shape, o = nd->out->shape;
    nn_layer_spec spec = { .kernels = nn_kernels_used(),
                           .linear = nd->kind == NN_LINEAR,
                           .bias = nd->bias != NULL,
                           .sum = nd->residual != NULL,
                           .in_out = nd->in_out,
                           .act = nd->act,
                           .c = s.d[s.dims - 1],
                           .o = o.d[o.dims - 1],
                           .groups = 1 };
    spec.n = nn_elements(s) / spec.c;
    if (spec.linear)
        return spec;
    nn_shape k = nn_tensor_shape(nd->weight);
    spec.n = s.d[0];
    spec.h = s.d[1];
    spec.w = s.d[2];
    spec.oh = o.d[1];
    spec.ow = o.d[2];
    spec.kh = k.d[2];
    spec.kw = k.d[3];
    spec.stride = nd->stride;
    spec.pad = spec.pad_above = spec.pad_below = nd->pad;
    spec.groups = nd->groups;
    return spec;
}

/* Kept in f32: layers on patches or directly on an input, layers that produce an output, and
 * weights stored as [in, out]. */
static bool takes_bytes(const nn_node *nd)
{
    const nn_node *before = nd->in[0]->root->by;
    return nn_bytes_suit(&nd->spec) && !nd->in_out && before && before->kind != NN_UNFOLD &&
           !nd->out->root->is_output;
}

/* Our own kernels where they apply. Winograd transforms would lose the bf16 rounding, so rounded
 * layers do not use it. */
static bool choose_own_kernel(const nn *n, nn_node *nd)
{
    if (n->precision == NN_INT8 && takes_bytes(nd)) {
        nd->method = NN_METHOD_BYTES;
        nd->scratch_bytes = nn_bytes_scratch(&nd->spec);
    } else if (nn_kernels_leave_layers()) {
        return false;
    } else if (!nd->rounds && nn_winograd_suits(&nd->spec)) {
        nd->method = NN_METHOD_WINOGRAD;
        nd->scratch_bytes = nn_winograd_scratch(&nd->spec, n->threads);
    } else if (nn_linear_suits(&nd->spec)) {
        nd->method = NN_METHOD_PANELS;
    } else if (nn_conv_suits(&nd->spec)) {
        nd->method = NN_METHOD_CONV;
    }
    return nd->method != NN_METHOD_DNNL;
}

/* Also NULL and RAP_E_UNSUPPORTED if oneDNN has only its slow reference code for bf16. */
static rap_status make_slices(nn_graph *g, nn_node *nd, const nn_layer_spec *spec, rap_err *err)
{
    int threads = g->n->threads;
    rap_status status = nn_slices_new(&nd->slices, g->n->backend, spec, threads, err);
    if (status != RAP_OK)
        return status;
    if (spec->operands == NN_TYPE_BF16 &&
        strstr(nn_primitive_implementation(nn_slices_first(nd->slices)), "ref")) {
        nn_slices_free(nd->slices);
        nd->slices = NULL;
        return RAP_E_UNSUPPORTED;
    }
    nd->scratch_bytes = nn_slices_scratch(nd->slices, threads);
    return RAP_OK;
}

/* bf16 if requested and fast here; otherwise f32 on rounded values, which differs only in
 * summation order and is far faster than oneDNN's reference code. */
static rap_status make_kernel(nn_graph *g, nn_node *nd, rap_err *err)
{
    nn_layer_spec spec = describe(nd);
    nd->spec = spec;
    nd->method = NN_METHOD_DNNL;
    bool want_bf16 = g->n->precision == NN_BF16;
    rap_status status = RAP_E_UNSUPPORTED;
    if (want_bf16 && !g->n->emulate) {
        spec.operands = nd->operands = NN_TYPE_BF16;
        spec.result = nd->result = nd->out->root->type;
        status = make_slices(g, nd, &spec, err);
    }
    if (status == RAP_E_UNSUPPORTED) {
        nd->rounds = want_bf16;
        spec.operands = nd->operands = NN_TYPE_F32;
        spec.result = nd->result = NN_TYPE_F32;
        nd->spec = spec;
        if (choose_own_kernel(g->n, nd))
            return RAP_OK;
        status = make_slices(g, nd, &spec, err);
    }
    return status;
}

static rap_status bind_weights(nn_graph *g, nn_node *nd, rap_err *err)
{
    void *packed = NULL;
    if (nd->method != NN_METHOD_DNNL) {
        rap_status status =
            nn_pack_own(g->n, nd->weight, nd->method, &nd->spec, nd->rounds, &nd->packed, err);
        return status == RAP_OK && nd->bias ? nn_plain(g->n, nd->bias, &nd->b, err) : status;
    }
    rap_status status = nn_pack(g->n, nd->weight, nn_slices_first(nd->slices), nd->in_out,
                                nd->rounds, &packed, err);
    if (status == RAP_OK && nd->bias)
        status = nn_plain(g->n, nd->bias, &nd->b, err);
    if (status == RAP_OK)
        status = nn_slices_bind(nd->slices, packed, nd->b, err);
    return status;
}

/* Data movement works on any single type; all our other steps compute in f32. */
static void choose_own_types(nn_node *nd)
{
    nn_type type = nd->out->root->type;
    nd->operands = nd->result = NN_TYPE_F32;
    if (!nn_moves_only(nd->kind))
        return;
    for (int k = 0; k < nd->inputs; k++)
        if (nd->in[k]->root->type != type)
            return;
    nd->operands = nd->result = type;
}

static rap_status compile_node(nn_graph *g, nn_node *nd, rap_err *err)
{
    if (nd->kind == NN_CONV || nd->kind == NN_LINEAR) {
        rap_status status = make_kernel(g, nd, err);
        return status == RAP_OK ? bind_weights(g, nd, err) : status;
    }
    choose_own_types(nd);
    rap_status status = RAP_OK;
    if (nd->weight)
        status = nn_plain(g->n, nd->weight, &nd->w, err);
    if (status == RAP_OK && nd->bias)
        status = nn_plain(g->n, nd->bias, &nd->b, err);
    if (nd->kind == NN_ATTENTION)
        nd->scratch_bytes = nn_attention_scratch(nd, g->n->threads);
    return status;
}

rap_status nn_graph_check(const nn_graph *g, rap_err *err)
{
    return nn_failed(g) ? err_set(err, g->error.status, "%s", g->error.text) : RAP_OK;
}

rap_status nn_graph_compile(nn_graph *g, rap_err *err)
{
    if (nn_failed(g))
        return nn_graph_check(g, err);
    if (g->compiled)
        return err_set(err, RAP_E_ARGUMENT, "the graph is already compiled");
    g->list = mem_array((size_t)g->node_count + 1, sizeof *g->list);
    if (!g->list)
        return err_memory(err, "compiling a graph");
    int i = 0;
    for (nn_node *nd = g->nodes; nd; nd = nd->next)
        g->list[i++] = nd;
    nn_plan_types(g);
    rap_status status = RAP_OK;
    for (i = 0; status == RAP_OK && i < g->node_count; i++)
        status = compile_node(g, g->list[i], err);
    if (status == RAP_OK)
        status = nn_plan_memory(g, err);
    g->compiled = status == RAP_OK;
    if (g->compiled)
        nn_keep_packed(g->n);
    return status;
}

size_t nn_graph_memory(const nn_graph *g)
{
    return g->arena_bytes + g->scratch_bytes;
}

double nn_graph_operations(const nn_graph *g)
{
    double sum = 0;
    for (const nn_node *nd = g->nodes; nd; nd = nd->next)
        sum += nn_operations(nd);
    return sum;
}

/* nn_run.c: runs a compiled graph, converting types around steps and timing them. */
#include "nn/nn_bytes.h"
#include "nn/nn_conv.h"
#include "nn/nn_internal.h"
#include "nn/nn_linear.h"
#include "nn/nn_winograd.h"

#include "base/threads.h"

#include <string.h>

static rap_status run_custom(const nn_node *nd, const nn_io *io, rap_err *err)
{
    const float *in[NN_MAX_INPUTS];
    for (int i = 0; i < nd->inputs; i++)
        in[i] = io->in[i];
    return nd->fn(io->out, in, io->threads, nd->payload, err);
}

static rap_status run_layer(const nn_node *nd, const nn_io *io, rap_err *err)
{
    nn_layer l = { .s = &nd->spec, .packed = nd->packed, .bias = nd->b, .src = io->in[0] };
    l.residual = nd->residual ? io->out : NULL;
    l.dst = io->out;
    if (nd->method == NN_METHOD_DNNL)
        return nn_slices_run(nd->slices, io->in[0], io->out, nd->scratch, io->threads, err);
    if (nd->method == NN_METHOD_BYTES)
        nn_bytes_run(&l, nd->scratch, io->threads);
    else if (nd->method == NN_METHOD_WINOGRAD)
        nn_winograd_run(&l, nd->scratch, io->threads);
    else if (nd->method == NN_METHOD_PANELS)
        nn_linear_run(&l, io->threads);
    else
        nn_conv_run(&l, io->threads);
    return RAP_OK;
}

static const struct {
    nn_step_fn *run;
    const char *name;
} steps[NN_KIND_COUNT] = {
    [NN_CONV] = { run_layer, "convolution" },
    [NN_LINEAR] = { run_layer, "linear" },
    [NN_UNFOLD] = { nn_run_unfold, "unfold" },
    [NN_LAYER_NORM] = { nn_run_layer_norm, "layer norm" },
    [NN_ATTENTION] = { nn_run_attention, "attention" },
    [NN_ADD] = { nn_run_add, "add" },
    [NN_MUL] = { nn_run_mul, "multiply" },
    [NN_ACTIVATE] = { nn_run_activate, "activation" },
    [NN_SOFTMAX] = { nn_run_softmax, "softmax" },
    [NN_CONCAT] = { nn_run_concat, "concat" },
    [NN_SLICE] = { nn_run_slice, "slice" },
    [NN_TRANSPOSE] = { nn_run_transpose, "transpose" },
    [NN_REPEAT] = { nn_run_repeat, "repeat" },
    [NN_MEAN] = { nn_run_mean, "mean" },
    [NN_EMBEDDING] = { nn_run_embedding, "embedding" },
    [NN_GATHER] = { nn_run_gather, "gather" },
    [NN_UPSAMPLE] = { nn_run_upsample, "upsample" },
    [NN_MAX_POOL] = { nn_run_max_pool, "max pool" },
    [NN_CUSTOM] = { run_custom, "custom" },
};

const char *nn_kind_name(nn_kind kind)
{
    return steps[kind].name;
}

/* ---- types -------------------------------------------------------------------------------- */

typedef struct conversion {
    char *out;
    const char *in;
    nn_type to, from;
    int64_t count;
} conversion;

enum { BLOCK = 16384 };

static void convert_block(void *payload, int64_t i, int lane)
{
    const conversion *c = payload;
    int64_t left = c->count - i * BLOCK, len = left < BLOCK ? left : BLOCK;
    char *out = c->out + (size_t)(i * BLOCK) * nn_type_size(c->to);
    const char *in = c->in + (size_t)(i * BLOCK) * nn_type_size(c->from);
    if (c->to == c->from)
        memcpy(out, in, (size_t)len * nn_type_size(c->to));
    else if (c->to == NN_TYPE_BF16)
        nn_bf16_from_f32((uint16_t *)(void *)out, (const float *)(const void *)in, len);
    else
        nn_f32_from_bf16((float *)(void *)out, (const uint16_t *)(const void *)in, len);
}

/* Between f32 and bf16, in either direction. */
static void convert(void *out, nn_type to, const void *in, nn_type from, int64_t count, int threads)
{
    conversion c = { out, in, to, from, count };
    if (out != in)
        nn_each(count > 4 * BLOCK ? threads : 1, (count + BLOCK - 1) / BLOCK, convert_block, &c);
}

static void round_in_place(float *x, int64_t count)
{
    uint16_t half[256];
    for (int64_t i = 0; i < count; i += 256) {
        int64_t len = count - i < 256 ? count - i : 256;
        nn_bf16_from_f32(half, x + i, len);
        nn_f32_from_bf16(x + i, half, len);
    }
}

static rap_status run_node(const nn_node *nd, int threads, rap_err *err)
{
    nn_io io = { .threads = threads, .out = nd->stage_out ? nd->stage_out : nd->out->data };
    for (int i = 0; i < nd->inputs; i++) {
        const nn_tensor *root = nd->in[i]->root;
        int64_t count = nn_elements(nd->in[i]->shape);
        io.in[i] = root->data;
        if (nd->stage[i]) {
            convert(nd->stage[i], nd->operands, root->data, root->type, count, threads);
            if (nd->rounds && i == 0 && root->type == NN_TYPE_F32)
                round_in_place(nd->stage[i], count);
            io.in[i] = nd->stage[i];
        }
    }
    if (nd->residual) /* the kernel adds to the contents of its output */
        convert(io.out, nd->result, nd->residual->root->data, nd->residual->root->type,
                nn_elements(nd->out->shape), threads);
    rap_status status = steps[nd->kind].run(nd, &io, err);
    if (status == RAP_OK && nd->stage_out)
        convert(nd->out->data, nd->out->type, nd->stage_out, nd->result,
                nn_elements(nd->out->shape), threads);
    return status;
}

/* ---- running ------------------------------------------------------------------------------ */

static rap_status run_all(nn_graph *g, float *const *outputs, rap_err *err)
{
    rap_status status = RAP_OK;
    for (int i = 0; status == RAP_OK && i < g->node_count; i++) {
        nn_node *nd = g->list[i];
        double start = g->profile ? clock_ms() : 0;
        status = run_node(nd, g->n->threads, err);
        double took = g->profile ? clock_ms() - start : 0;
        if (g->profile && (took < nd->ms || !g->runs))
            nd->ms = took; /* the best run: the others were disturbed */
    }
    for (int i = 0; status == RAP_OK && i < g->output_count; i++) {
        const nn_tensor *t = g->outputs[i];
        convert(outputs[i], NN_TYPE_F32, t->root->data, t->root->type, nn_elements(t->shape),
                g->n->threads);
    }
    return status;
}

rap_status nn_graph_run(nn_graph *g, const void *const *inputs, float *const *outputs, rap_err *err)
{
    if (!g->compiled)
        return err_set(err, RAP_E_ARGUMENT, "the graph is not compiled");
    for (int i = 0; i < g->input_count; i++)
        g->inputs[i]->data = (void *)(uintptr_t)inputs[i]; /* read-only */
    rap_status status = run_all(g, outputs, err);
    g->runs += g->profile && status == RAP_OK;
    return status;
}

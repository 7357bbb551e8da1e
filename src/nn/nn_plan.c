/* nn_plan.c: decides which tensors are bf16, how long each lives, and its offset in the arena.
 *
 * Tensors that are never alive together may share memory. A step may also overwrite an input that
 * it is the last to read (residual sums, elementwise steps), which saves both memory and a copy. */
#include "nn/nn_internal.h"

#include "base/mem.h"

#include <limits.h>
#include <stdlib.h>

/* ---- types -------------------------------------------------------------------------------- */

bool nn_moves_only(nn_kind kind)
{
    return kind == NN_CONCAT || kind == NN_SLICE || kind == NN_TRANSPOSE || kind == NN_REPEAT ||
           kind == NN_UPSAMPLE || kind == NN_UNFOLD;
}

static bool may_be_bf16(nn_kind kind)
{
    return nn_moves_only(kind) || kind == NN_CONV || kind == NN_LINEAR || kind == NN_LAYER_NORM ||
           kind == NN_ATTENTION || kind == NN_MAX_POOL || kind == NN_ACTIVATE || kind == NN_ADD ||
           kind == NN_MUL || kind == NN_CUSTOM;
}

/* By index, not by tensor: x + f(x) has the same tensor twice. */
static bool is_residual(const nn_node *nd, int i)
{
    return nd->residual && i == nd->inputs - 1;
}

/* Can this step take input i in bf16 without loss? */
static bool takes_bf16(const nn_node *nd, int i)
{
    bool out = nd->out->root->type == NN_TYPE_BF16;
    switch (nd->kind) {
    case NN_CONV:
    case NN_LINEAR:
        return !is_residual(nd, i) || out;
    case NN_ATTENTION:
    case NN_CUSTOM:
        return true;
    case NN_MAX_POOL:
    case NN_ACTIVATE:
    case NN_ADD:
    case NN_MUL:
        return out;
    default:
        return nn_moves_only(nd->kind) && out;
    }
}

/* From the last step to the first: a result is bf16 if every step that reads it accepts bf16. */
void nn_plan_types(nn_graph *g)
{
    if (g->n->precision != NN_BF16)
        return;
    for (int i = 0; i < g->node_count; i++)
        if (may_be_bf16(g->list[i]->kind) && !g->list[i]->out->is_output)
            g->list[i]->out->type = NN_TYPE_BF16;
    for (int i = g->node_count - 1; i >= 0; i--) {
        nn_node *nd = g->list[i];
        for (int k = 0; k < nd->inputs; k++)
            if (nd->in[k]->root->type == NN_TYPE_BF16 && !takes_bf16(nd, k))
                nd->in[k]->root->type = NN_TYPE_F32;
    }
}

bool nn_stages_input(const nn_node *nd, int i)
{
    nn_type have = nd->in[i]->root->type;
    if (is_residual(nd, i) || have == NN_TYPE_I32)
        return false; /* a residual is converted directly into the result */
    return have != nd->operands || (nd->rounds && i == 0 && have == NN_TYPE_F32);
}

bool nn_stages_output(const nn_node *nd)
{
    return nd->out->root->type != nd->result;
}

/* ---- lifetimes ---------------------------------------------------------------------------- */

typedef struct span {
    size_t bytes, offset;
    int first, last;
    bool placed;
} span;

static size_t rounded_up(size_t bytes)
{
    return (bytes + 63) & ~(size_t)63;
}

static size_t tensor_bytes(const nn_tensor *t, nn_type type)
{
    return rounded_up((size_t)nn_elements(t->shape) * nn_type_size(type));
}

static void find_lifetimes(nn_graph *g)
{
    for (int i = 0; i < g->node_count; i++) {
        nn_node *nd = g->list[i];
        nd->out->first = nd->out->last = i;
        for (int k = 0; k < nd->inputs; k++)
            nd->in[k]->root->last = i;
    }
    for (int i = 0; i < g->output_count; i++)
        g->outputs[i]->root->last = INT_MAX;
}

/* The input whose memory the result can take over, or NULL. */
static nn_tensor *dies_into(const nn_node *nd, int at)
{
    bool elementwise = nd->kind == NN_ADD || nd->kind == NN_MUL || nd->kind == NN_ACTIVATE;
    nn_tensor *from = nd->residual ? nd->residual : elementwise ? nd->in[0] : NULL;
    if (!from)
        return NULL;
    nn_tensor *root = from->root;
    if (root->role != NN_STEP || root->last != at || root->type != nd->out->type ||
        nn_elements(root->shape) != nn_elements(nd->out->shape))
        return NULL;
    for (int k = 0; k < nd->inputs; k++) /* an elementwise step may overwrite its input */
        if (nd->in[k]->root == root && !(elementwise ? nd->in[k] == from : is_residual(nd, k)))
            return NULL;
    return root;
}

static int make_spans(nn_graph *g, span *spans)
{
    int count = 0;
    for (int i = 0; i < g->node_count; i++) {
        nn_node *nd = g->list[i];
        nn_tensor *from = dies_into(nd, i);
        if (from) {
            nd->out->buffer = from->buffer;
            spans[from->buffer].last = nd->out->last;
            continue;
        }
        nd->out->buffer = count;
        spans[count++] = (span){ .bytes = tensor_bytes(nd->out, nd->out->type),
                                 .first = i,
                                 .last = nd->out->last };
    }
    return count;
}

/* ---- offsets ------------------------------------------------------------------------------ */

static bool is_free_at(const span *spans, int count, const span *s, size_t offset)
{
    for (int i = 0; i < count; i++) {
        const span *o = &spans[i];
        if (o->placed && o->first <= s->last && s->first <= o->last &&
            offset < o->offset + o->bytes && o->offset < offset + s->bytes)
            return false;
    }
    return true;
}

static void place(span *spans, int count, span *s)
{
    size_t best = is_free_at(spans, count, s, 0) ? 0 : SIZE_MAX;
    for (int i = 0; i < count && best > 0; i++) {
        size_t end = spans[i].offset + spans[i].bytes;
        if (spans[i].placed && end < best && is_free_at(spans, count, s, end))
            best = end;
    }
    s->offset = best;
    s->placed = true;
}

/* Largest first: small ones fit in the gaps. Returns the arena's size. */
static size_t place_all(span *spans, int count)
{
    size_t end = 0;
    for (int done = 0; done < count; done++) {
        span *next = NULL;
        for (int i = 0; i < count; i++)
            if (!spans[i].placed && (!next || spans[i].bytes > next->bytes))
                next = &spans[i];
        place(spans, count, next);
        if (next->offset + next->bytes > end)
            end = next->offset + next->bytes;
    }
    return end;
}

/* Assigns a step's conversion buffers and scratch from `at`; returns the bytes used. */
static size_t lend_scratch(nn_node *nd, char *at)
{
    size_t used = 0;
    for (int k = 0; k < nd->inputs; k++)
        if (nn_stages_input(nd, k)) {
            nd->stage[k] = at ? at + used : NULL;
            used += tensor_bytes(nd->in[k], nd->operands);
        }
    if (nn_stages_output(nd)) {
        nd->stage_out = at ? at + used : NULL;
        used += tensor_bytes(nd->out, nd->result);
    }
    nd->scratch = at ? at + used : NULL;
    return used + rounded_up(nd->scratch_bytes);
}

rap_status nn_plan_memory(nn_graph *g, rap_err *err)
{
    span *spans = mem_array((size_t)g->node_count + 1, sizeof *spans);
    if (!spans)
        return err_memory(err, "planning memory");
    find_lifetimes(g);
    int count = make_spans(g, spans);
    g->arena_bytes = place_all(spans, count);
    g->scratch_bytes = 0;
    for (int i = 0; i < g->node_count; i++) {
        size_t need = lend_scratch(g->list[i], NULL);
        g->scratch_bytes = need > g->scratch_bytes ? need : g->scratch_bytes;
    }
    rap_status status = RAP_OK;
    size_t total = g->arena_bytes + g->scratch_bytes;
    if (total > NN_MAX_ARENA)
        status = err_set(err, RAP_E_LIMIT, "%s: this network needs %zu MiB of activations",
                         gguf_file_path(g->n->weights), total >> 20);
    else if (!(g->arena = mem_aligned(total + 64)))
        status = err_memory(err, "a network's activations");
    for (int i = 0; status == RAP_OK && i < g->node_count; i++) {
        nn_tensor *out = g->list[i]->out;
        out->data = (char *)g->arena + spans[out->buffer].offset;
        lend_scratch(g->list[i], (char *)g->arena + g->arena_bytes);
    }
    free(spans);
    return status;
}

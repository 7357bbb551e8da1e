/* nn_profile.c: where a graph's time goes: each layer's best time, compared with the processor's
 * fastest matrix product. */
#include "nn/nn_internal.h"
#include "nn/nn_linear.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/threads.h"

#include <stdlib.h>

void nn_graph_profile(nn_graph *g, bool on)
{
    g->profile = on;
    g->runs = 0;
    for (nn_node *nd = g->nodes; nd; nd = nd->next)
        nd->ms = 0;
}

bool nn_graph_was_run(const nn_graph *g)
{
    return g->runs > 0;
}

/* Multiplications and additions of one step (a multiply-add counts as two). */
double nn_operations(const nn_node *nd)
{
    double out = (double)nn_elements(nd->out->shape);
    if (nd->kind == NN_CONV || nd->kind == NN_LINEAR)
        return 2 * (double)nn_elements(nn_tensor_shape(nd->weight)) *
               (out / (double)nd->out->shape.d[nd->out->shape.dims - 1]);
    if (nd->kind == NN_ATTENTION) /* two products, all heads */
        return 4 * out * (double)nd->in[nd->inputs == 1 ? 0 : 1]->shape.d[1];
    return 0;
}

/* Winograd convolutions need fewer operations than counted here, and so exceed the peak. */
static void report_speed(buf *b, double operations, double ms, double peak)
{
    double speed = operations > 0 && ms > 0 ? operations / ms / 1e6 : 0;
    if (speed <= 0)
        buf_printf(b, " %7s        %8s", "", "");
    else if (peak > 0)
        buf_printf(b, " %7.1f GFLOP/s %4.0f %% ", speed, 100 * speed / peak);
    else
        buf_printf(b, " %7.1f GFLOP/s %7s", speed, "");
}

static void report_layer(buf *b, const nn_node *nd, double total, double peak)
{
    char in[96], out[96];
    nn_shape_text(in, nd->in[0]->shape);
    nn_shape_text(out, nd->out->shape);
    buf_printf(b, "%9.3f ms %5.1f %%", nd->ms, total > 0 ? 100 * nd->ms / total : 0);
    report_speed(b, nn_operations(nd), nd->ms, peak);
    buf_printf(b, "  %-11s %-20s → %-20s %s\n", nn_kind_name(nd->kind), in, out,
               nd->weight ? nd->weight->name : "");
}

rap_status nn_graph_report(const nn_graph *g, double peak, char **out, rap_err *err)
{
    double ms[NN_KIND_COUNT] = { 0 }, operations[NN_KIND_COUNT] = { 0 }, total = 0;
    int count[NN_KIND_COUNT] = { 0 };
    buf b = BUF_INIT;
    for (const nn_node *nd = g->nodes; nd; nd = nd->next) {
        ms[nd->kind] += nd->ms;
        operations[nd->kind] += nn_operations(nd);
        count[nd->kind]++;
        total += nd->ms;
    }
    for (const nn_node *nd = g->nodes; nd; nd = nd->next)
        report_layer(&b, nd, total, peak);
    buf_putc(&b, '\n');
    for (int k = 0; k < NN_KIND_COUNT; k++)
        if (count[k]) {
            buf_printf(&b, "%9.3f ms %5.1f %%", ms[k], total > 0 ? 100 * ms[k] / total : 0);
            report_speed(&b, operations[k], ms[k], peak);
            buf_printf(&b, "  %4d × %s\n", count[k], nn_kind_name((nn_kind)k));
        }
    buf_printf(&b, "%9.3f ms        ", total);
    report_speed(&b, nn_graph_operations(g), total, peak);
    buf_printf(&b, "  %4d steps\n", g->node_count);
    *out = buf_detach(&b);
    return *out ? RAP_OK : err_memory(err, "a profile");
}

/* ---- the peak ----------------------------------------------------------------------------- */

enum { SIDE = 1024, ROUNDS = 6 };

double nn_matmul_speed(const nn *n)
{
    nn_layer_spec spec = {
        .kernels = nn_kernels_used(), .linear = true, .n = SIDE, .c = SIDE, .o = SIDE
    };
    float *m = mem_array((size_t)3 * SIDE * SIDE, sizeof *m);
    float *packed = mem_aligned(nn_linear_bytes(&spec));
    double best = 0;
    if (!m || !packed)
        goto cleanup;
    for (int i = 0; i < 3 * SIDE * SIDE; i++)
        m[i] = (float)(i % 17) * 0.1f;
    nn_linear_pack(&spec, m + 2 * SIDE * SIDE, packed, n->threads);
    nn_layer product = { .s = &spec, .packed = packed, .src = m, .dst = m + SIDE * SIDE };
    for (int i = 0; i < ROUNDS; i++) {
        double start = clock_ms();
        nn_linear_run(&product, n->threads);
        double speed = 2.0 * SIDE * SIDE * SIDE / (clock_ms() - start) / 1e6;
        best = speed > best ? speed : best;
    }
cleanup:
    free(m);
    free(packed);
    return best;
}

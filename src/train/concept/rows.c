/* rows.c: gradient steps on rows; the decoder gives the gradient by what goes in. */
#include "train/concept/rows.h"

#include "base/mem.h"
#include "train/batch.h"
#include "train/optimiser.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct learning {
    const rows_options *o;
    decoder *d;
    const sequence *list;
    size_t count, width;
    float *param, *grad, *m, *v;
    size_t params, inputs;
    int32_t *token, *target, *begin;
    const float **row;
    int32_t *learnt; /* [cap] which row went in; −1: none */
    int64_t cap;
    size_t *order;
} learning;

static rap_status make_room(learning *l, int longest, rap_err *err)
{
    size_t cap = (size_t)l->cap;

    if (longest > l->cap)
        return err_set(err, RAP_E_LIMIT, "a sample of %d tokens; there is room for %lld", longest,
                       (long long)l->cap);
    l->grad = mem_array(l->params, sizeof *l->grad);
    l->m = mem_array(l->params, sizeof *l->m);
    l->v = mem_array(l->params, sizeof *l->v);
    l->token = mem_array(cap, sizeof *l->token);
    l->target = mem_array(cap, sizeof *l->target);
    l->begin = mem_array(l->count + 1, sizeof *l->begin);
    l->row = mem_array(cap, sizeof *l->row);
    l->learnt = mem_array(cap, sizeof *l->learnt);
    l->order = mem_array(l->count, sizeof *l->order);
    return l->grad && l->m && l->v && l->token && l->target && l->begin && l->row && l->learnt &&
                   l->order
               ? RAP_OK
               : err_memory(err, "learning a concept");
}

static void release(learning *l)
{
    free(l->grad);
    free(l->m);
    free(l->v);
    free(l->token);
    free(l->target);
    free(l->begin);
    free(l->row);
    free(l->learnt);
    free(l->order);
}

static void put(learning *l, const sequence *s, rows *r)
{
    const float *photo = s->photo;

    for (int32_t i = 0; i < s->count; i++) {
        int64_t at = r->count + i;
        int32_t cell = s->cell[i];

        l->token[at] = cell >= 0 ? cell : -1;
        l->target[at] = s->target[i];
        l->learnt[at] = cell <= -2 ? -2 - cell : -1;
        l->row[at] = cell >= 0   ? NULL
                     : cell < -1 ? l->param + (size_t)l->learnt[at] * l->width
                                 : photo;
        photo += cell == CELL_ROW ? l->width : 0;
    }
    r->count += s->count;
    l->begin[++r->spans.count] = (int32_t)r->count;
}

/* The rows' gradient out of that of all rows. */
static void gather(learning *l, int64_t count)
{
    const real *dx = decoder_input_gradient(l->d);

    for (int64_t t = 0; t < count; t++)
        for (size_t k = 0; l->learnt[t] >= 0 && k < l->width; k++)
            l->grad[(size_t)l->learnt[t] * l->width + k] += dx[(size_t)t * l->width + k];
}

static rap_status learn(learning *l, double *loss, rows *r, double scale, rap_err *err)
{
    double part = 0;
    rap_status status = RAP_OK;

    if (r->count > 0)
        status = decoder_learn(&part, l->d, r, scale, 0, err);
    if (!status && r->count > 0)
        gather(l, r->count);
    *loss += part * scale;
    r->count = r->spans.count = 0;
    return status;
}

static rap_status step(learning *l, double *loss, const size_t *which, size_t count, int64_t t,
                       int64_t steps, rap_err *err)
{
    rows r = {
        .token = l->token, .picture = l->row, .target = l->target, .spans = { l->begin, 0 }
    };
    double answers = 0, norm;
    rap_status status = RAP_OK;

    *loss = 0;
    for (size_t i = 0; i < count; i++)
        answers += l->list[which[i]].answers;
    for (size_t i = 0; !status && i < count; i++) {
        const sequence *s = &l->list[which[i]];

        if (r.count + s->count > l->cap)
            status = learn(l, loss, &r, 1 / answers, err);
        if (!status)
            put(l, s, &r);
    }
    if (!status)
        status = learn(l, loss, &r, 1 / answers, err);
    norm = gradient_norm(l->grad, l->params, l->o->threads);
    if (!status && (!isfinite(*loss) || !isfinite(norm)))
        status = err_set(err, RAP_E_MODEL, "step %lld: the loss is no number; try a lower --lr",
                         (long long)t + 1);
    for (int part = 0; !status && part < 2; part++) { /* what goes in, and what comes out */
        size_t from = part ? l->inputs * l->width : 0, to = part ? l->params : l->inputs * l->width;

        adam_step(&(adam){ .param = l->param + from,
                           .grad = l->grad + from,
                           .m = l->m + from,
                           .v = l->v + from,
                           .count = to - from,
                           .t = t + 1,
                           .lr = learning_rate(part ? l->o->word_lr : l->o->lr, t, steps, 0.03),
                           .scale = norm > 1 ? 1 / norm : 1 },
                  l->o->threads);
    }
    return status;
}

static rap_status run(learning *l, rows_result *out, rap_err *err)
{
    size_t each = (size_t)l->o->batch, per_epoch = (l->count + each - 1) / each;
    int64_t steps = (int64_t)per_epoch * l->o->epochs;
    rap_status status = RAP_OK;

    for (int64_t t = 0; !status && t < steps; t++) {
        size_t first = (size_t)t % per_epoch * each, left = l->count - first;
        double loss = 0;

        if (first == 0)
            batch_order(l->order, l->count, l->o->seed, (int)((size_t)t / per_epoch));
        status = step(l, &loss, l->order + first, left < each ? left : each, t, steps, err);
        out->first_loss = t == 0 ? loss : out->first_loss;
        if (steps - t <= (int64_t)per_epoch)
            out->last_loss += loss / (double)per_epoch;
        if (!status && l->o->on_progress &&
            l->o->on_progress(l->o->what, (uint64_t)t + 1, (uint64_t)steps, l->o->payload))
            status = err_set(err, RAP_E_CANCELLED, "stopped while a concept was learnt");
    }
    out->steps = steps;
    return status;
}

rap_status rows_learn(rows_result *out, float *param, int inputs, int outputs, decoder *d,
                      const sequence *list, size_t count, const rows_options *o, rap_err *err)
{
    size_t width = (size_t)decoder_shape(d)->width;
    learning l = { .o = o,
                   .d = d,
                   .list = list,
                   .count = count,
                   .width = width,
                   .param = param,
                   .params = (size_t)(inputs + outputs) * width,
                   .inputs = (size_t)inputs,
                   .cap = decoder_rows(d) };
    int longest = 0;
    rap_status status;

    *out = (rows_result){ .steps = 0 };
    for (size_t i = 0; i < count; i++)
        longest = list[i].count > longest ? list[i].count : longest;
    status = make_room(&l, longest, err);
    if (!status) {
        decoder_words(d, param + l.inputs * width, l.grad + l.inputs * width, outputs);
        status = run(&l, out, err);
        decoder_words(d, NULL, NULL, 0);
    }
    release(&l);
    return status;
}

/* nn_slices.c: divides a layer into slices, each a oneDNN primitive with its own offsets in source
 * and result. */
#include "nn/nn_slices.h"

#include "base/mem.h"

#include <stdatomic.h>
#include <stdlib.h>

typedef struct slice {
    nn_layer_spec spec;
    nn_primitive *primitive;
    int64_t src, dst; /* offsets in elements */
} slice;

struct nn_slices {
    slice *list; /* [count] */
    int count;
    size_t src_size, dst_size; /* of an element */
    size_t scratch;            /* the largest of any slice, rounded up */
};

/* Rows from .. to of a linear layer, or pictures from .. to of a convolution. */
static slice slice_of_rows(const nn_layer_spec *s, int64_t from, int64_t to)
{
    slice one = { .spec = *s };
    one.spec.n = to - from;
    one.src = from * (s->linear ? s->c : s->h * s->w * s->c);
    one.dst = from * (s->linear ? s->o : s->oh * s->ow * s->o);
    return one;
}

/* Lines from .. to of one picture's result: the source lines they depend on, with the remaining
 * padding. */
static slice slice_of_lines(const nn_layer_spec *s, int64_t picture, int64_t from, int64_t to)
{
    slice one = slice_of_rows(s, picture, picture + 1);
    int64_t top = from * s->stride - s->pad, bottom = (to - 1) * s->stride - s->pad + s->kh;
    one.spec.pad_above = top < 0 ? -top : 0;
    one.spec.pad_below = bottom > s->h ? bottom - s->h : 0;
    top = top < 0 ? 0 : top;
    one.spec.h = (bottom > s->h ? s->h : bottom) - top;
    one.spec.oh = to - from;
    one.src += top * s->w * s->c;
    one.dst += from * s->ow * s->o;
    return one;
}

static rap_status divide(nn_slices *out, const nn_layer_spec *s, int64_t threads, rap_err *err)
{
    bool whole = s->linear || s->n >= threads; /* rows or pictures, not lines */
    int64_t each = whole ? s->n : s->oh, parts = whole ? threads : (threads + s->n - 1) / s->n;
    int64_t pictures = whole ? 1 : s->n;
    parts = parts < each ? parts : each;
    out->list = mem_array((size_t)(pictures * parts), sizeof *out->list);
    if (!out->list)
        return err_memory(err, "a layer");
    for (int64_t i = 0; i < pictures; i++)
        for (int64_t p = 0; p < parts; p++) {
            int64_t from = each * p / parts, to = each * (p + 1) / parts;
            out->list[out->count++] =
                whole ? slice_of_rows(s, from, to) : slice_of_lines(s, i, from, to);
        }
    return RAP_OK;
}

static size_t size_of(nn_type t)
{
    return t == NN_TYPE_BF16 ? 2 : 4;
}

rap_status nn_slices_new(nn_slices **out, nn_backend *b, const nn_layer_spec *spec, int threads,
                         rap_err *err)
{
    nn_slices *s = calloc(1, sizeof *s);
    nn_layout *layout = NULL;
    *out = NULL;
    if (!s)
        return err_memory(err, "a layer");
    s->src_size = size_of(spec->operands);
    s->dst_size = size_of(spec->result);
    rap_status status = divide(s, spec, threads, err);
    for (int i = 0; status == RAP_OK && i < s->count; i++) {
        slice *one = &s->list[i];
        status = nn_primitive_new(&one->primitive, b, &one->spec, layout, err);
        if (status == RAP_OK && !layout && !(layout = nn_primitive_layout(one->primitive)))
            status = err_memory(err, "a layer");
        size_t need = status == RAP_OK ? nn_primitive_scratch(one->primitive) : 0;
        s->scratch = need > s->scratch ? need : s->scratch;
    }
    s->scratch = (s->scratch + 63) / 64 * 64;
    nn_layout_free(layout);
    if (status != RAP_OK) {
        nn_slices_free(s);
        bool again =
            status == RAP_E_UNSUPPORTED && threads > 1; /* oneDNN may have no kernel for a slice */
        return again ? nn_slices_new(out, b, spec, 1, err) : status;
    }
    *out = s;
    return RAP_OK;
}

void nn_slices_free(nn_slices *s)
{
    for (int i = 0; s && i < s->count; i++)
        nn_primitive_free(s->list[i].primitive);
    if (s)
        free(s->list);
    free(s);
}

const nn_primitive *nn_slices_first(const nn_slices *s)
{
    return s->list[0].primitive;
}

rap_status nn_slices_bind(nn_slices *s, void *packed, void *bias, rap_err *err)
{
    rap_status status = RAP_OK;
    for (int i = 0; status == RAP_OK && i < s->count; i++)
        status = nn_primitive_bind(s->list[i].primitive, packed, bias, err);
    return status;
}

size_t nn_slices_scratch(const nn_slices *s, int threads)
{
    return s->scratch * (size_t)threads;
}

typedef struct job {
    const nn_slices *s;
    const char *src;
    char *dst, *scratch;
    atomic_int status;
} job;

static void run_slice(void *payload, int64_t i, int lane)
{
    job *j = payload;
    const slice *one = &j->s->list[i];
    rap_status status = nn_primitive_run(one->primitive, j->src + (size_t)one->src * j->s->src_size,
                                         j->dst + (size_t)one->dst * j->s->dst_size,
                                         j->scratch + (size_t)lane * j->s->scratch, NULL);
    if (status != RAP_OK)
        atomic_store(&j->status, (int)status);
}

rap_status nn_slices_run(nn_slices *s, const void *src, void *dst, void *scratch, int threads,
                         rap_err *err)
{
    job j = { .s = s, .src = src, .dst = dst, .scratch = scratch };
    nn_each(threads, s->count, run_slice, &j);
    rap_status status = (rap_status)atomic_load(&j.status);
    return status == RAP_OK ? RAP_OK : err_set(err, status, "oneDNN failed at a layer");
}

/* nn_dnnl.c: convolution, linear layer, weight packing and matrix product through oneDNN.
 *
 * The first section hides the differences between API 2.6 and 3.x; the rest is the same for both.
 * Memory descriptors are values in 2.6 and heap objects in 3.x: nn_layout owns one. */
#include "nn/nn_dnnl.h"

#include "base/hash.h"

#include <omp.h>
#include <oneapi/dnnl/dnnl.h>
#include <stdlib.h>

struct nn_backend {
    dnnl_engine_t engine;
};

struct nn_layout {
    dnnl_memory_desc_t md;
};

struct nn_primitive {
    nn_backend *backend;
    nn_layer_spec spec;
    dnnl_primitive_desc_t pd;
    dnnl_primitive_t primitive;
    dnnl_stream_t stream;
    dnnl_memory_t src, weights, bias, dst, scratch;
};

/* How numbers are arranged in memory, in words of our own: zero behind what counts. */
typedef struct layout_form {
    int64_t count, inner, type, start;
    int64_t dims[DNNL_MAX_NDIMS], padded[DNNL_MAX_NDIMS], offsets[DNNL_MAX_NDIMS],
        strides[DNNL_MAX_NDIMS];
    int64_t blocks[DNNL_MAX_NDIMS], places[DNNL_MAX_NDIMS];
} layout_form;

/* ---- differences between the versions ----------------------------------------------------- */

#if DNNL_VERSION_MAJOR >= 3
typedef const_dnnl_memory_desc_t md_ref;
#define MD(layout) ((layout).md)

static dnnl_status_t layout_by_tag(nn_layout *l, int dims, const int64_t *d, dnnl_data_type_t type,
                                   dnnl_format_tag_t tag)
{
    return dnnl_memory_desc_create_with_tag(&l->md, dims, d, type, tag);
}

static dnnl_status_t layout_by_strides(nn_layout *l, int dims, const int64_t *d,
                                       dnnl_data_type_t type, const int64_t *strides)
{
    return dnnl_memory_desc_create_with_strides(&l->md, dims, d, type, strides);
}

static dnnl_status_t layout_copy(nn_layout *l, md_ref md)
{
    return dnnl_memory_desc_clone(&l->md, md);
}

static void layout_release(nn_layout *l)
{
    if (l->md)
        dnnl_memory_desc_destroy(l->md);
    l->md = NULL;
}

static bool read_layout(layout_form *out, md_ref md)
{
    dnnl_format_kind_t kind = dnnl_format_kind_undef;
    dnnl_data_type_t type = dnnl_data_type_undef;
    dnnl_dims_t *dims = NULL, *padded = NULL, *offsets = NULL, *strides = NULL, *blocks = NULL,
                *places = NULL;
    int count = 0, inner = 0;
    int64_t start = 0;

    if (dnnl_memory_desc_query(md, dnnl_query_format_kind, &kind) || kind != dnnl_blocked ||
        dnnl_memory_desc_query(md, dnnl_query_data_type, &type) ||
        dnnl_memory_desc_query(md, dnnl_query_ndims_s32, &count) ||
        dnnl_memory_desc_query(md, dnnl_query_submemory_offset_s64, &start) ||
        dnnl_memory_desc_query(md, dnnl_query_dims, &dims) ||
        dnnl_memory_desc_query(md, dnnl_query_padded_dims, &padded) ||
        dnnl_memory_desc_query(md, dnnl_query_padded_offsets, &offsets) ||
        dnnl_memory_desc_query(md, dnnl_query_strides, &strides) ||
        dnnl_memory_desc_query(md, dnnl_query_inner_nblks_s32, &inner) ||
        dnnl_memory_desc_query(md, dnnl_query_inner_blks, &blocks) ||
        dnnl_memory_desc_query(md, dnnl_query_inner_idxs, &places))
        return false;
    *out = (layout_form){ .count = count, .inner = inner, .type = (int64_t)type, .start = start };
    for (int i = 0; i < count; i++) {
        out->dims[i] = (*dims)[i];
        out->padded[i] = (*padded)[i];
        out->offsets[i] = (*offsets)[i];
        out->strides[i] = (*strides)[i];
    }
    for (int i = 0; i < inner; i++) {
        out->blocks[i] = (*blocks)[i];
        out->places[i] = (*places)[i];
    }
    return true;
}

static dnnl_status_t append_eltwise(dnnl_post_ops_t ops, dnnl_alg_kind_t kind, float alpha)
{
    return dnnl_post_ops_append_eltwise(ops, kind, alpha, 0.0f);
}

static dnnl_status_t append_sum(dnnl_post_ops_t ops)
{
    return dnnl_post_ops_append_sum(ops, 1.0f, 0, dnnl_data_type_undef);
}

static dnnl_status_t create_pd(nn_primitive *k, const nn_layout m[4], dnnl_primitive_attr_t attr)
{
    const nn_layer_spec *s = &k->spec;
    dnnl_memory_desc_t bias = s->bias ? m[2].md : NULL;
    if (s->linear)
        return dnnl_inner_product_forward_primitive_desc_create(&k->pd, k->backend->engine,
                                                                dnnl_forward_inference, m[0].md,
                                                                m[1].md, bias, m[3].md, attr);
    dnnl_dims_t strides = { s->stride, s->stride }, dilates = { 0, 0 };
    dnnl_dims_t before = { s->pad_above, s->pad }, behind = { s->pad_below, s->pad };
    return dnnl_convolution_forward_primitive_desc_create(
        &k->pd, k->backend->engine, dnnl_forward_inference, dnnl_convolution_direct, m[0].md,
        m[1].md, bias, m[3].md, strides, dilates, before, behind, attr);
}
#else
typedef const dnnl_memory_desc_t *md_ref;
#define MD(layout) (&(layout).md)

static dnnl_status_t layout_by_tag(nn_layout *l, int dims, const int64_t *d, dnnl_data_type_t type,
                                   dnnl_format_tag_t tag)
{
    return dnnl_memory_desc_init_by_tag(&l->md, dims, d, type, tag);
}

static dnnl_status_t layout_by_strides(nn_layout *l, int dims, const int64_t *d,
                                       dnnl_data_type_t type, const int64_t *strides)
{
    return dnnl_memory_desc_init_by_strides(&l->md, dims, d, type, strides);
}

static dnnl_status_t layout_copy(nn_layout *l, md_ref md)
{
    l->md = *md;
    return dnnl_success;
}

static void layout_release(nn_layout *l)
{
    (void)l;
}

static bool read_layout(layout_form *out, md_ref md)
{
    const dnnl_blocking_desc_t *form = &md->format_desc.blocking;

    if (md->format_kind != dnnl_blocked || md->extra.flags != 0)
        return false;
    *out = (layout_form){ .count = md->ndims,
                          .inner = form->inner_nblks,
                          .type = (int64_t)md->data_type,
                          .start = md->offset0 };
    for (int i = 0; i < md->ndims; i++) {
        out->dims[i] = md->dims[i];
        out->padded[i] = md->padded_dims[i];
        out->offsets[i] = md->padded_offsets[i];
        out->strides[i] = form->strides[i];
    }
    for (int i = 0; i < form->inner_nblks; i++) {
        out->blocks[i] = form->inner_blks[i];
        out->places[i] = form->inner_idxs[i];
    }
    return true;
}

static dnnl_status_t append_eltwise(dnnl_post_ops_t ops, dnnl_alg_kind_t kind, float alpha)
{
    return dnnl_post_ops_append_eltwise(ops, 1.0f, kind, alpha, 0.0f);
}

static dnnl_status_t append_sum(dnnl_post_ops_t ops)
{
    return dnnl_post_ops_append_sum(ops, 1.0f);
}

static dnnl_status_t create_pd(nn_primitive *k, const nn_layout m[4], dnnl_primitive_attr_t attr)
{
    const nn_layer_spec *s = &k->spec;
    const dnnl_memory_desc_t *bias = s->bias ? &m[2].md : NULL;
    dnnl_status_t status;
    if (s->linear) {
        dnnl_inner_product_desc_t d;
        status = dnnl_inner_product_forward_desc_init(&d, dnnl_forward_inference, &m[0].md,
                                                      &m[1].md, bias, &m[3].md);
        return status ? status
                      : dnnl_primitive_desc_create(&k->pd, &d, attr, k->backend->engine, NULL);
    }
    dnnl_dims_t strides = { s->stride, s->stride };
    dnnl_dims_t before = { s->pad_above, s->pad }, behind = { s->pad_below, s->pad };
    dnnl_convolution_desc_t d;
    status = dnnl_convolution_forward_desc_init(&d, dnnl_forward_inference, dnnl_convolution_direct,
                                                &m[0].md, &m[1].md, bias, &m[3].md, strides, before,
                                                behind);
    return status ? status : dnnl_primitive_desc_create(&k->pd, &d, attr, k->backend->engine, NULL);
}
#endif

/* ---- common to both versions --------------------------------------------------------------- */

/* Between these two calls oneDNN runs on the caller's thread only. */
static int begin_alone(void)
{
    int before = omp_get_max_threads();
    omp_set_num_threads(1);
    return before;
}

static void end_alone(int before)
{
    omp_set_num_threads(before);
}

static rap_status check(dnnl_status_t status, const char *doing, rap_err *err)
{
    switch (status) {
    case dnnl_success:
        return RAP_OK;
    case dnnl_out_of_memory:
        return err_memory(err, doing);
    case dnnl_unimplemented:
        return err_set(err, RAP_E_UNSUPPORTED, "oneDNN has no kernel for %s", doing);
    default:
        return err_set(err, RAP_E_MODEL, "oneDNN failed at %s (status %d)", doing, (int)status);
    }
}

rap_status nn_backend_open(nn_backend **out, rap_err *err)
{
    nn_backend *b = calloc(1, sizeof *b);
    *out = NULL;
    if (!b)
        return err_memory(err, "starting oneDNN");
    rap_status status = check(dnnl_engine_create(&b->engine, dnnl_cpu, 0), "starting", err);
    if (status != RAP_OK) {
        nn_backend_close(b);
        return status;
    }
    *out = b;
    return RAP_OK;
}

void nn_backend_close(nn_backend *b)
{
    if (!b)
        return;
    if (b->engine)
        dnnl_engine_destroy(b->engine);
    free(b);
}

bool nn_backend_has_bf16(void)
{
    unsigned have = (unsigned)dnnl_get_effective_cpu_isa(); /* a bit set */
    unsigned need = (unsigned)dnnl_cpu_isa_avx512_core_bf16;
    return (have & need) == need;
}

static dnnl_data_type_t data_type(nn_type type)
{
    return type == NN_TYPE_BF16 ? dnnl_bf16 : dnnl_f32;
}

static rap_status append_activation(dnnl_post_ops_t ops, nn_act act, rap_err *err)
{
    static const struct {
        dnnl_alg_kind_t kind;
        float alpha;
    } table[] = {
        [NN_RELU] = { dnnl_eltwise_relu, 0.0f },
        [NN_SIGMOID] = { dnnl_eltwise_logistic, 0.0f },
        [NN_SILU] = { dnnl_eltwise_swish, 1.0f },
        [NN_GELU] = { dnnl_eltwise_gelu_erf, 0.0f },
        [NN_GELU_TANH] = { dnnl_eltwise_gelu_tanh, 0.0f },
        [NN_QUICK_GELU] = { dnnl_eltwise_swish, 1.702f },
    };
    if (act == NN_NONE)
        return RAP_OK;
    return check(append_eltwise(ops, table[act].kind, table[act].alpha), "an activation", err);
}

/* Activation, then the sum: the order residual blocks use. */
static rap_status make_attributes(dnnl_primitive_attr_t *out, const nn_layer_spec *s, rap_err *err)
{
    dnnl_post_ops_t ops = NULL;
    rap_status status = check(dnnl_primitive_attr_create(out), "attributes", err);
    if (status == RAP_OK)
        status = check(dnnl_post_ops_create(&ops), "post-ops", err);
    if (status == RAP_OK)
        status = append_activation(ops, s->act, err);
    if (status == RAP_OK && s->sum)
        status = check(append_sum(ops), "a residual", err);
    if (status == RAP_OK)
        status = check(dnnl_primitive_attr_set_post_ops(*out, ops), "post-ops", err);
    if (status == RAP_OK)
        status = check(dnnl_primitive_attr_set_scratchpad_mode(*out, dnnl_scratchpad_mode_user),
                       "scratch", err);
    if (ops)
        dnnl_post_ops_destroy(ops);
    return status;
}

/* Plain weights in the file's order. */
static dnnl_status_t plain_weights(nn_layout *l, const nn_layer_spec *s)
{
    int64_t ci = s->c / s->groups;
    if (s->linear) {
        dnnl_dims_t d = { s->o, s->c };
        dnnl_dims_t across = { 1, s->o }, along = { s->c, 1 };
        return layout_by_strides(l, 2, d, dnnl_f32, s->in_out ? across : along);
    }
    if (s->groups == 1) {
        dnnl_dims_t d = { s->o, ci, s->kh, s->kw };
        return layout_by_tag(l, 4, d, dnnl_f32, dnnl_oihw);
    }
    dnnl_dims_t d = { s->groups, s->o / s->groups, ci, s->kh, s->kw };
    return layout_by_tag(l, 5, d, dnnl_f32, dnnl_goihw);
}

/* src, weights (any layout), bias, dst */
static dnnl_status_t describe(nn_layout m[4], const nn_layer_spec *s)
{
    dnnl_data_type_t a = data_type(s->operands), r = data_type(s->result);
    dnnl_dims_t bias = { s->o };
    dnnl_status_t status = layout_by_tag(&m[2], 1, bias, dnnl_f32, dnnl_a);
    if (s->linear) {
        dnnl_dims_t src = { s->n, s->c }, weights = { s->o, s->c }, dst = { s->n, s->o };
        status = status ? status : layout_by_tag(&m[0], 2, src, a, dnnl_ab);
        status = status ? status : layout_by_tag(&m[1], 2, weights, a, dnnl_format_tag_any);
        return status ? status : layout_by_tag(&m[3], 2, dst, r, dnnl_ab);
    }
    dnnl_dims_t src = { s->n, s->c, s->h, s->w }, dst = { s->n, s->o, s->oh, s->ow };
    dnnl_dims_t one = { s->o, s->c, s->kh, s->kw };
    dnnl_dims_t many = { s->groups, s->o / s->groups, s->c / s->groups, s->kh, s->kw };
    bool grouped = s->groups > 1;
    status = status ? status : layout_by_tag(&m[0], 4, src, a, dnnl_nhwc);
    status = status ? status
                    : layout_by_tag(&m[1], grouped ? 5 : 4, grouped ? many : one, a,
                                    dnnl_format_tag_any);
    return status ? status : layout_by_tag(&m[3], 4, dst, r, dnnl_nhwc);
}

static rap_status make_primitive(nn_primitive *k, const nn_layout *weights, rap_err *err)
{
    nn_layout m[4] = { 0 };
    dnnl_primitive_attr_t attr = NULL;
    const char *what = k->spec.linear ? "a linear layer" : "a convolution";
    rap_status status = check(describe(m, &k->spec), what, err);
    if (status == RAP_OK && weights) {
        layout_release(&m[1]);
        status = check(layout_copy(&m[1], MD(*weights)), what, err);
    }
    if (status == RAP_OK)
        status = make_attributes(&attr, &k->spec, err);
    if (status == RAP_OK)
        status = check(create_pd(k, m, attr), what, err);
    if (status == RAP_OK)
        status = check(dnnl_primitive_create(&k->primitive, k->pd), what, err);
    if (attr)
        dnnl_primitive_attr_destroy(attr);
    for (int i = 0; i < 4; i++)
        layout_release(&m[i]);
    return status;
}

static md_ref primitive_md(const nn_primitive *k, dnnl_query_t what)
{
    return dnnl_primitive_desc_query_md(k->pd, what, 0);
}

static rap_status make_memories(nn_primitive *k, rap_err *err)
{
    dnnl_engine_t e = k->backend->engine;
    void *none = DNNL_MEMORY_NONE;
    rap_status status =
        check(dnnl_stream_create(&k->stream, e, dnnl_stream_default_flags), "a stream", err);
    if (status == RAP_OK)
        status = check(dnnl_memory_create(&k->src, primitive_md(k, dnnl_query_src_md), e, none),
                       "a source", err);
    if (status == RAP_OK)
        status = check(dnnl_memory_create(&k->dst, primitive_md(k, dnnl_query_dst_md), e, none),
                       "a result", err);
    if (status == RAP_OK)
        status = check(
            dnnl_memory_create(&k->scratch, primitive_md(k, dnnl_query_scratchpad_md), e, none),
            "scratch", err);
    return status;
}

rap_status nn_primitive_new(nn_primitive **out, nn_backend *b, const nn_layer_spec *spec,
                            const nn_layout *weights, rap_err *err)
{
    nn_primitive *k = calloc(1, sizeof *k);
    *out = NULL;
    if (!k)
        return err_memory(err, "a kernel");
    k->backend = b;
    k->spec = *spec;
    int before = begin_alone();
    rap_status status = make_primitive(k, weights, err);
    if (status == RAP_OK)
        status = make_memories(k, err);
    end_alone(before);
    if (status != RAP_OK) {
        nn_primitive_free(k);
        return status;
    }
    *out = k;
    return RAP_OK;
}

void nn_primitive_free(nn_primitive *k)
{
    if (!k)
        return;
    dnnl_memory_t memories[] = { k->src, k->weights, k->bias, k->dst, k->scratch };
    for (size_t i = 0; i < sizeof memories / sizeof *memories; i++)
        if (memories[i])
            dnnl_memory_destroy(memories[i]);
    if (k->stream)
        dnnl_stream_destroy(k->stream);
    if (k->primitive)
        dnnl_primitive_destroy(k->primitive);
    if (k->pd)
        dnnl_primitive_desc_destroy(k->pd);
    free(k);
}

const char *nn_primitive_implementation(const nn_primitive *k)
{
    const char *name = NULL;
    dnnl_primitive_desc_query(k->pd, dnnl_query_impl_info_str, 0, &name);
    return name ? name : "";
}

size_t nn_primitive_weight_bytes(const nn_primitive *k)
{
    return dnnl_memory_desc_get_size(primitive_md(k, dnnl_query_weights_md));
}

bool nn_primitive_takes(const nn_primitive *k, const nn_layout *layout)
{
    return dnnl_memory_desc_equal(primitive_md(k, dnnl_query_weights_md), MD(*layout)) != 0;
}

nn_layout *nn_primitive_layout(const nn_primitive *k)
{
    nn_layout *l = calloc(1, sizeof *l);
    if (l && layout_copy(l, primitive_md(k, dnnl_query_weights_md)) != dnnl_success) {
        free(l);
        l = NULL;
    }
    return l;
}

uint64_t nn_primitive_layout_id(const nn_primitive *k)
{
    layout_form parts;
    uint64_t id;

    if (!read_layout(&parts, primitive_md(k, dnnl_query_weights_md)))
        return 0;
    id = hash_fast(&parts, sizeof parts, 1);
    return id ? id : 1;
}

void nn_layout_free(nn_layout *layout)
{
    if (layout)
        layout_release(layout);
    free(layout);
}

static rap_status reorder(const nn_primitive *k, dnnl_memory_t from, md_ref from_md,
                          dnnl_memory_t to, md_ref to_md, rap_err *err)
{
    dnnl_primitive_desc_t pd = NULL;
    dnnl_primitive_t primitive = NULL;
    dnnl_engine_t e = k->backend->engine;
    dnnl_exec_arg_t args[] = { { DNNL_ARG_FROM, from }, { DNNL_ARG_TO, to } };
    int before = begin_alone();
    rap_status status = check(dnnl_reorder_primitive_desc_create(&pd, from_md, e, to_md, e, NULL),
                              "packing weights", err);
    if (status == RAP_OK)
        status = check(dnnl_primitive_create(&primitive, pd), "packing weights", err);
    if (status == RAP_OK)
        status =
            check(dnnl_primitive_execute(primitive, k->stream, 2, args), "packing weights", err);
    if (status == RAP_OK)
        status = check(dnnl_stream_wait(k->stream), "packing weights", err);
    end_alone(before);
    if (primitive)
        dnnl_primitive_destroy(primitive);
    if (pd)
        dnnl_primitive_desc_destroy(pd);
    return status;
}

rap_status nn_primitive_pack(const nn_primitive *k, const float *plain, void *packed, rap_err *err)
{
    nn_layout from = { 0 };
    dnnl_memory_t source = NULL, target = NULL;
    md_ref to = primitive_md(k, dnnl_query_weights_md);
    dnnl_engine_t e = k->backend->engine;
    rap_status status = check(plain_weights(&from, &k->spec), "packing weights", err);
    if (status == RAP_OK)
        status = check(dnnl_memory_create(&source, MD(from), e, (void *)(uintptr_t)plain),
                       "packing weights", err);
    if (status == RAP_OK)
        status = check(dnnl_memory_create(&target, to, e, packed), "packing weights", err);
    if (status == RAP_OK)
        status = reorder(k, source, MD(from), target, to, err);
    if (source)
        dnnl_memory_destroy(source);
    if (target)
        dnnl_memory_destroy(target);
    layout_release(&from);
    return status;
}

rap_status nn_primitive_bind(nn_primitive *k, void *packed, void *bias, rap_err *err)
{
    dnnl_engine_t e = k->backend->engine;
    rap_status status =
        check(dnnl_memory_create(&k->weights, primitive_md(k, dnnl_query_weights_md), e, packed),
              "binding weights", err);
    if (status != RAP_OK || !k->spec.bias)
        return status;
    md_ref md = dnnl_primitive_desc_query_md(k->pd, dnnl_query_weights_md, 1);
    return check(dnnl_memory_create(&k->bias, md, e, bias), "binding a bias", err);
}

size_t nn_primitive_scratch(const nn_primitive *k)
{
    return dnnl_memory_desc_get_size(primitive_md(k, dnnl_query_scratchpad_md));
}

rap_status nn_primitive_run(nn_primitive *k, const void *src, void *dst, void *scratch,
                            rap_err *err)
{
    dnnl_exec_arg_t args[5] = { { DNNL_ARG_SRC, k->src },
                                { DNNL_ARG_WEIGHTS, k->weights },
                                { DNNL_ARG_DST, k->dst },
                                { DNNL_ARG_SCRATCHPAD, k->scratch },
                                { DNNL_ARG_BIAS, k->bias } };
    const char *what = k->spec.linear ? "a linear layer" : "a convolution";
    int before = begin_alone();
    dnnl_status_t status = dnnl_memory_set_data_handle(k->src, (void *)(uintptr_t)src);
    if (status == dnnl_success)
        status = dnnl_memory_set_data_handle(k->dst, dst);
    if (status == dnnl_success)
        status = dnnl_memory_set_data_handle(k->scratch, scratch);
    if (status == dnnl_success)
        status = dnnl_primitive_execute(k->primitive, k->stream, k->bias ? 5 : 4, args);
    if (status == dnnl_success)
        status = dnnl_stream_wait(k->stream);
    end_alone(before);
    return check(status, what, err);
}

rap_status nn_matmul(float *out, int64_t ldo, const float *a, int64_t lda, const float *b,
                     int64_t ldb, bool b_transposed, int64_t m, int64_t n, int64_t k)
{
    int before = begin_alone();
    dnnl_status_t status =
        dnnl_sgemm('N', b_transposed ? 'T' : 'N', m, n, k, 1.0f, a, lda, b, ldb, 0.0f, out, ldo);
    end_alone(before);
    return check(status, "a matrix product", NULL);
}

/* nn_context.c: opens a context; finds, reads and packs weights once for all graphs. */
#include "nn/nn_bytes.h"
#include "nn/nn_cache.h"
#include "nn/nn_conv.h"
#include "nn/nn_internal.h"
#include "nn/nn_linear.h"
#include "nn/nn_winograd.h"

#include "base/mem.h"
#include "base/threads.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool nn_bf16_is_native(void)
{
    return nn_backend_has_bf16();
}

/* One thread per 8 million weights: each layer of a small network waits for all its threads, which
 * costs more than it gains, especially on a busy machine. */
static int threads_for(const gguf_file *weights)
{
    const size_t each = 8u << 20;
    int most = threads_available();
    size_t elements = 0;

    for (size_t i = 0; weights && i < gguf_tensor_count(weights); i++) {
        const int64_t *ne = gguf_tensor_at(weights, i)->ne;
        elements += (size_t)(ne[0] * ne[1] * ne[2] * ne[3]);
    }
    return elements / each < (size_t)most ? 1 + (int)(elements / each) : most;
}

rap_status nn_open(nn **out, const gguf_file *weights, int threads, nn_precision p, rap_err *err)
{
    nn *n = calloc(1, sizeof *n);
    *out = NULL;
    if (!n)
        return err_memory(err, "opening a network");
    n->weights = weights;
    n->threads = threads > 0 ? threads : threads_for(weights);
    n->precision = p != NN_AUTO ? p : nn_bf16_is_native() ? NN_BF16 : NN_F32;
    n->cache = nn_cache_open(weights, n->precision);
    n->emulate = n->precision == NN_BF16 && !nn_bf16_is_native();
    rap_status status = nn_kernels_check(err);
    if (status == RAP_OK)
        status = nn_backend_open(&n->backend, err);
    if (status != RAP_OK) {
        nn_close(n);
        return status;
    }
    *out = n;
    return RAP_OK;
}

void nn_close(nn *n)
{
    if (!n)
        return;
    nn_cache_close(n->cache); /* its writer thread reads what follows */
    while (n->packed) {
        nn_packed *p = n->packed;
        n->packed = p->next;
        nn_layout_free(p->layout);
        if (!p->mapped)
            free(p->data);
        free(p);
    }
    nn_backend_close(n->backend);
    free(n);
}

nn_precision nn_precision_of(const nn *n)
{
    return n->precision;
}

int nn_threads(const nn *n)
{
    return n->threads;
}

/* ---- shapes ------------------------------------------------------------------------------- */

nn_shape nn_tensor_shape(const gguf_tensor *t)
{
    nn_shape s = { t->dims, { 1, 1, 1, 1 } };
    for (int i = 0; i < t->dims && i < 4; i++)
        s.d[i] = t->ne[t->dims - 1 - i];
    return s;
}

int64_t nn_elements(nn_shape s)
{
    int64_t count = 1;
    for (int i = 0; i < s.dims; i++) {
        if (s.d[i] < 1 || s.d[i] > NN_MAX_ELEMENTS || count > NN_MAX_ELEMENTS / s.d[i])
            return -1;
        count *= s.d[i];
    }
    return s.dims < 1 || s.dims > 4 ? -1 : count;
}

bool nn_same_shape(nn_shape a, nn_shape b)
{
    if (a.dims != b.dims)
        return false;
    for (int i = 0; i < a.dims; i++)
        if (a.d[i] != b.d[i])
            return false;
    return true;
}

void nn_shape_text(char text[96], nn_shape s)
{
    int at = snprintf(text, 96, "[");
    for (int i = 0; i < s.dims && i < 4; i++)
        at += snprintf(text + at, (size_t)(96 - at), "%s%lld", i ? ", " : "", (long long)s.d[i]);
    snprintf(text + at, (size_t)(96 - at), "]");
}

/* ---- weights ------------------------------------------------------------------------------ */

bool nn_has_weight(const nn *n, const char *name)
{
    return gguf_find(n->weights, name) != NULL;
}

rap_status nn_find_weight(const nn *n, const char *name, const gguf_tensor **out, rap_err *err)
{
    *out = gguf_find(n->weights, name);
    if (!*out)
        return err_set(err, RAP_E_FORMAT, "%s: the tensor '%s' is missing",
                       gguf_file_path(n->weights), name);
    return RAP_OK;
}

rap_status nn_weight_shape(const nn *n, const char *name, nn_shape *out, rap_err *err)
{
    const gguf_tensor *t;
    rap_status status = nn_find_weight(n, name, &t, err);
    if (status == RAP_OK)
        *out = nn_tensor_shape(t);
    return status;
}

static rap_status read_f32(const nn *n, const gguf_tensor *t, float **out, rap_err *err)
{
    int64_t count = nn_elements(nn_tensor_shape(t));
    *out = NULL;
    if (count < 0)
        return err_set(err, RAP_E_FORMAT, "%s: the tensor '%s' is too large",
                       gguf_file_path(n->weights), t->name);
    float *data = mem_aligned_raw((size_t)count * sizeof *data);
    if (!data)
        return err_memory(err, "reading weights");
    rap_status status = gguf_to_f32(n->weights, t, data, err);
    gguf_let_go(n->weights, t); /* only the packed copy is needed */
    if (status != RAP_OK) {
        free(data);
        return status;
    }
    *out = data;
    return RAP_OK;
}

rap_status nn_weight_read(const nn *n, const char *name, int64_t elements, float **out,
                          rap_err *err)
{
    const gguf_tensor *t;
    *out = NULL;
    rap_status status = nn_find_weight(n, name, &t, err);
    if (status != RAP_OK)
        return status;
    if (nn_elements(nn_tensor_shape(t)) != elements) {
        char shape[96];
        nn_shape_text(shape, nn_tensor_shape(t));
        return err_set(err, RAP_E_FORMAT, "%s: the tensor '%s' is %s, not %lld numbers",
                       gguf_file_path(n->weights), name, shape, (long long)elements);
    }
    return read_f32(n, t, out, err);
}

/* Adds a packed weight to the list, which takes ownership of `data` and `layout`, even on failure. */
static rap_status add_packed(nn *n, nn_packed value, void **out, rap_err *err)
{
    nn_packed *p = calloc(1, sizeof *p);
    if (!p) {
        nn_layout_free(value.layout);
        if (!value.mapped)
            free(value.data);
        return err_memory(err, "keeping weights");
    }
    *p = value;
    p->next = n->packed;
    n->packed = p;
    *out = p->data;
    return RAP_OK;
}

rap_status nn_plain(nn *n, const gguf_tensor *t, float **out, rap_err *err)
{
    for (const nn_packed *p = n->packed; p; p = p->next)
        if (p->tensor == t && p->method == NN_METHOD_PLAIN) {
            *out = p->data;
            return RAP_OK;
        }
    float *data;
    void *kept = NULL;
    rap_status status = read_f32(n, t, &data, err);
    if (status == RAP_OK)
        status = add_packed(n, (nn_packed){ .tensor = t, .data = data }, &kept, err);
    *out = kept;
    return status;
}

/* Rounds to bf16 precision. */
static void round_to_bf16(float *x, int64_t count)
{
    uint16_t half[256];
    for (int64_t i = 0; i < count; i += 256) {
        int64_t len = count - i < 256 ? count - i : 256;
        nn_bf16_from_f32(half, x + i, len);
        nn_f32_from_bf16(x + i, half, len);
    }
}

/* Sets value->data. */
static rap_status pack_by_dnnl(nn *n, nn_packed *value, const nn_primitive *k, rap_err *err)
{
    float *plain = NULL;
    rap_status status = read_f32(n, value->tensor, &plain, err);
    if (status != RAP_OK)
        return status;
    if (value->rounded)
        round_to_bf16(plain, nn_elements(nn_tensor_shape(value->tensor)));
    value->data = mem_aligned(value->bytes);
    status = value->data ? nn_primitive_pack(k, plain, value->data, err)
                         : err_memory(err, "packing weights");
    free(plain);
    if (status == RAP_OK) {
        n->fresh = n->fresh || value->layout_id;
        return RAP_OK;
    }
    free(value->data);
    value->data = NULL;
    return status;
}

rap_status nn_pack(nn *n, const gguf_tensor *t, const nn_primitive *k, bool in_out, bool rounded,
                   void **out, rap_err *err)
{
    for (const nn_packed *p = n->packed; p; p = p->next)
        if (p->tensor == t && p->layout && p->in_out == in_out && p->rounded == rounded &&
            nn_primitive_takes(k, p->layout)) {
            *out = p->data;
            return RAP_OK;
        }
    nn_packed value = { .tensor = t,
                        .method = NN_METHOD_DNNL,
                        .layout = nn_primitive_layout(k),
                        .layout_id = nn_primitive_layout_id(k),
                        .in_out = in_out,
                        .rounded = rounded,
                        .bytes = nn_primitive_weight_bytes(k) };
    rap_status status = RAP_OK;

    *out = NULL;
    if (!value.layout)
        return err_memory(err, "packing weights");
    if (value.layout_id)
        value.data = nn_cache_find(n->cache, &value, value.bytes);
    value.mapped = value.data != NULL;
    if (!value.mapped)
        status = pack_by_dnnl(n, &value, k, err);
    if (status == RAP_OK)
        return add_packed(n, value, out, err);
    nn_layout_free(value.layout);
    return status;
}

static size_t packed_bytes(nn_method method, const nn_layer_spec *spec)
{
    if (method == NN_METHOD_WINOGRAD)
        return nn_winograd_bytes(spec);
    if (method == NN_METHOD_PANELS)
        return nn_linear_bytes(spec);
    return method == NN_METHOD_CONV ? nn_conv_bytes(spec) : nn_bytes_packed(spec);
}

static void pack_as(nn_method method, const nn_layer_spec *spec, const float *plain, void *packed,
                    int threads)
{
    if (method == NN_METHOD_WINOGRAD)
        nn_winograd_pack(spec, plain, packed, threads);
    else if (method == NN_METHOD_PANELS)
        nn_linear_pack(spec, plain, packed, threads);
    else if (method == NN_METHOD_CONV)
        nn_conv_pack(spec, plain, packed, threads);
    else
        nn_bytes_pack(spec, plain, packed, threads);
}

/* A tensor's values as f32: directly from the file if possible, otherwise in *copy (free()). */
static rap_status numbers_of(const float **out, float **copy, const nn *n, const gguf_tensor *t,
                             bool rounded, rap_err *err)
{
    *copy = NULL;
    *out = t->data;
    if (t->type == GGUF_F32 && !rounded && (uintptr_t)t->data % sizeof(float) == 0)
        return RAP_OK;
    rap_status status = read_f32(n, t, copy, err);
    if (status == RAP_OK && rounded)
        round_to_bf16(*copy, nn_elements(nn_tensor_shape(t)));
    *out = *copy;
    return status;
}

static rap_status pack_anew(nn *n, nn_packed *value, const nn_layer_spec *spec, rap_err *err)
{
    const float *plain;
    float *copy;
    rap_status status = numbers_of(&plain, &copy, n, value->tensor, value->rounded, err);
    if (status == RAP_OK && !(value->data = mem_aligned_raw(value->bytes)))
        status = err_memory(err, "packing weights");
    if (status == RAP_OK) {
        pack_as(value->method, spec, plain, value->data, n->threads);
        gguf_let_go(n->weights, value->tensor);
        n->fresh = true;
    }
    free(copy);
    return status;
}

rap_status nn_pack_own(nn *n, const gguf_tensor *t, nn_method method, const nn_layer_spec *spec,
                       bool rounded, void **out, rap_err *err)
{
    for (const nn_packed *p = n->packed; p; p = p->next)
        if (p->tensor == t && p->method == method && p->in_out == spec->in_out &&
            p->rounded == rounded) {
            *out = p->data;
            return RAP_OK;
        }
    nn_packed value = { .tensor = t, .method = method, .in_out = spec->in_out, .rounded = rounded };
    value.bytes = packed_bytes(method, spec);
    value.data = nn_cache_find(n->cache, &value, value.bytes);
    value.mapped = value.data != NULL;
    rap_status status = value.mapped ? RAP_OK : pack_anew(n, &value, spec, err);
    *out = NULL;
    return status == RAP_OK ? add_packed(n, value, out, err) : status;
}

void nn_keep_packed(nn *n)
{
    if (n->fresh)
        nn_cache_write(n->cache, n->packed, *n->sum ? n->sum : nn_cache_sum(n->cache));
    n->fresh = false;
}

void nn_weights_sum(nn *n, char out[65])
{
    const char *kept = nn_cache_sum(n->cache);
    if (!*n->sum && strlen(kept) == 64)
        snprintf(n->sum, sizeof n->sum, "%s", kept);
    else if (!*n->sum)
        gguf_file_sha256(n->weights, n->sum);
    snprintf(out, 65, "%s", n->sum);
}

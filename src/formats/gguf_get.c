/* gguf_get.c: reads keys and tensors of an open GGUF. Types are checked here, bounds were in gguf_open.c. */
#include "formats/gguf_inside.h"
#include "formats/gguf_types.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

const char *gguf_file_path(const gguf_file *g)
{
    return g->path;
}

const void *gguf_file_bytes(const gguf_file *g, size_t *out_size)
{
    *out_size = g->map.size;
    return g->map.data;
}

const char *gguf_file_architecture(const gguf_file *g)
{
    return g->architecture;
}

const gguf_value *gguf_find_value(const gguf_file *g, const char *key)
{
    size_t low = 0, high = g->value_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(key, g->by_key[middle]->key);
        if (order == 0)
            return g->by_key[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

bool gguf_has(const gguf_file *g, const char *key)
{
    return gguf_find_value(g, key) != NULL;
}

/* The value when it is there and an array or not as asked. */
static const gguf_value *value_of(const gguf_file *g, const char *key, bool array, rap_err *err)
{
    const gguf_value *v = gguf_find_value(g, key);
    if (!v)
        err_set(err, RAP_E_FORMAT, "%s: has no key '%s'", g->path, key);
    else if (v->is_array != array)
        err_set(err, RAP_E_FORMAT, "%s: key '%s' is %s array", g->path, key,
                array ? "not an" : "an");
    else
        return v;
    return NULL;
}

static rap_status wrong_kind(const gguf_file *g, const char *key, const char *wanted, rap_err *err)
{
    return err_set(err, RAP_E_FORMAT, "%s: key '%s' is not %s", g->path, key, wanted);
}

#define LOAD(type)                           \
    do {                                     \
        type loaded_;                        \
        memcpy(&loaded_, p, sizeof loaded_); \
        *out = (int64_t)loaded_;             \
        return true;                         \
    } while (0)

static bool load_int(int64_t *out, gguf_kind kind, const uint8_t *p)
{
    uint64_t wide;
    switch (kind) {
    case GGUF_KIND_U8:
        LOAD(uint8_t);
    case GGUF_KIND_I8:
        LOAD(int8_t);
    case GGUF_KIND_U16:
        LOAD(uint16_t);
    case GGUF_KIND_I16:
        LOAD(int16_t);
    case GGUF_KIND_U32:
        LOAD(uint32_t);
    case GGUF_KIND_I32:
        LOAD(int32_t);
    case GGUF_KIND_I64:
        LOAD(int64_t);
    case GGUF_KIND_U64:
        memcpy(&wide, p, sizeof wide);
        if (wide > INT64_MAX)
            return false;
        *out = (int64_t)wide;
        return true;
    default:
        return false;
    }
}

/* Floats must be finite: no hyper-parameter is NaN or infinite. */
static bool load_float(double *out, gguf_kind kind, const uint8_t *p)
{
    int64_t whole;
    float single;
    if (kind == GGUF_KIND_F32) {
        memcpy(&single, p, sizeof single);
        *out = (double)single;
    } else if (kind == GGUF_KIND_F64) {
        memcpy(out, p, sizeof *out);
    } else if (load_int(&whole, kind, p)) {
        *out = (double)whole;
    } else {
        return false;
    }
    return isfinite(*out);
}

static void load_string(const uint8_t *p, const char **out, size_t *out_len)
{
    uint64_t len;
    memcpy(&len, p, sizeof len);
    *out = (const char *)p + sizeof len;
    *out_len = (size_t)len;
}

rap_status gguf_get_int(const gguf_file *g, const char *key, int64_t *out, rap_err *err)
{
    const gguf_value *v = value_of(g, key, false, err);
    if (!v)
        return RAP_E_FORMAT;
    return load_int(out, v->kind, v->data) ? RAP_OK : wrong_kind(g, key, "a whole number", err);
}

rap_status gguf_get_float(const gguf_file *g, const char *key, double *out, rap_err *err)
{
    const gguf_value *v = value_of(g, key, false, err);
    if (!v)
        return RAP_E_FORMAT;
    return load_float(out, v->kind, v->data) ? RAP_OK : wrong_kind(g, key, "a finite number", err);
}

rap_status gguf_get_bool(const gguf_file *g, const char *key, bool *out, rap_err *err)
{
    const gguf_value *v = value_of(g, key, false, err);
    if (!v)
        return RAP_E_FORMAT;
    if (v->kind != GGUF_KIND_BOOL)
        return wrong_kind(g, key, "a bool", err);
    *out = *v->data != 0;
    return RAP_OK;
}

rap_status gguf_get_string(const gguf_file *g, const char *key, const char **out, size_t *out_len,
                           rap_err *err)
{
    const gguf_value *v = value_of(g, key, false, err);
    if (!v)
        return RAP_E_FORMAT;
    if (v->kind != GGUF_KIND_STRING)
        return wrong_kind(g, key, "a string", err);
    load_string(v->data, out, out_len);
    return RAP_OK;
}

rap_status gguf_array_count(const gguf_file *g, const char *key, size_t *out, rap_err *err)
{
    const gguf_value *v = value_of(g, key, true, err);
    if (!v)
        return RAP_E_FORMAT;
    *out = v->count;
    return RAP_OK;
}

static const gguf_value *element_of(const gguf_file *g, const char *key, size_t i, rap_err *err)
{
    const gguf_value *v = value_of(g, key, true, err);
    if (v && i >= v->count) {
        err_set(err, RAP_E_FORMAT, "%s: key '%s' has only %zu elements", g->path, key, v->count);
        return NULL;
    }
    return v;
}

rap_status gguf_array_string(const gguf_file *g, const char *key, size_t i, const char **out,
                             size_t *out_len, rap_err *err)
{
    const gguf_value *v = element_of(g, key, i, err);
    if (!v)
        return RAP_E_FORMAT;
    if (v->kind != GGUF_KIND_STRING)
        return wrong_kind(g, key, "an array of strings", err);
    load_string(v->data + v->at[i], out, out_len);
    return RAP_OK;
}

rap_status gguf_array_float(const gguf_file *g, const char *key, size_t i, double *out,
                            rap_err *err)
{
    const gguf_value *v = element_of(g, key, i, err);
    if (!v)
        return RAP_E_FORMAT;
    if (!load_float(out, v->kind, v->data + i * gguf_kind_size(v->kind)))
        return wrong_kind(g, key, "an array of finite numbers", err);
    return RAP_OK;
}

rap_status gguf_array_int(const gguf_file *g, const char *key, size_t i, int64_t *out, rap_err *err)
{
    const gguf_value *v = element_of(g, key, i, err);
    if (!v)
        return RAP_E_FORMAT;
    if (!load_int(out, v->kind, v->data + i * gguf_kind_size(v->kind)))
        return wrong_kind(g, key, "an array of whole numbers", err);
    return RAP_OK;
}

/* ---- tensors ------------------------------------------------------------------------------ */

const gguf_tensor *gguf_find(const gguf_file *g, const char *name)
{
    size_t low = 0, high = g->tensor_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(name, g->by_name[middle]->name);
        if (order == 0)
            return g->by_name[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

size_t gguf_tensor_count(const gguf_file *g)
{
    return g->tensor_count;
}

const gguf_tensor *gguf_tensor_at(const gguf_file *g, size_t i)
{
    return i < g->tensor_count ? &g->tensors[i] : NULL;
}

bool gguf_is_readable(const gguf_tensor *t)
{
    return t->type == GGUF_F32 || t->type == GGUF_F16 || t->type == GGUF_BF16 ||
           t->type == GGUF_Q8_0;
}

rap_status gguf_to_f32(const gguf_file *g, const gguf_tensor *t, float *out, rap_err *err)
{
    size_t count = (size_t)(t->ne[0] * t->ne[1] * t->ne[2] * t->ne[3]);
    switch (t->type) {
    case GGUF_F32:
        memcpy(out, t->data, t->bytes);
        break;
    case GGUF_F16:
        gguf_halves_to_floats(out, t->data, count);
        break;
    case GGUF_BF16:
        gguf_bfloats_to_floats(out, t->data, count);
        break;
    case GGUF_Q8_0:
        gguf_q8_0_to_floats(out, t->data, count);
        break;
    default:
        return err_set(err, RAP_E_UNSUPPORTED,
                       "%s: tensor '%s' has ggml type %d, which is not read here", g->path, t->name,
                       t->type);
    }
    return RAP_OK;
}

void gguf_file_sha256(const gguf_file *g, char out[65])
{
    sha256_hex(out, g->map.data, g->map.size);
    if (g->map.size) /* as gguf_let_go() */
        madvise((void *)(uintptr_t)g->map.data, g->map.size, MADV_DONTNEED);
}

void gguf_let_go(const gguf_file *g, const gguf_tensor *t)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), start = (uintptr_t)t->data;
    uintptr_t from = (start + page - 1) / page * page, to = (start + t->bytes) / page * page;
    if (from < to) /* the mapping is read-only: what is read again comes from the file again */
        madvise((void *)from, to - from, MADV_DONTNEED);
}

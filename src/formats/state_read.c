/* state_read.c: the tensors of an open checkpoint, sorted by name, and their elements. */
#include "base/mem.h"
#include "formats/gguf_types.h"
#include "formats/state_inside.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

const char *state_dict_path(const state_dict *d)
{
    return d->path;
}

const pickle_value *state_dict_module(const state_dict *d)
{
    return d->module;
}

const pickle_value *state_dict_saved(const state_dict *d)
{
    return d->saved;
}

const char *state_dict_note(const state_dict *d)
{
    return d->note;
}

size_t state_dict_count(const state_dict *d)
{
    return d->count;
}

const state_tensor *state_dict_at(const state_dict *d, size_t i)
{
    return i < d->count ? &d->tensors[i] : NULL;
}

static int by_name(const void *a, const void *b)
{
    const state_tensor *x = a, *y = b;
    return strcmp(x->name, y->name);
}

const state_tensor *state_dict_find(const state_dict *d, const char *name)
{
    state_tensor key = { .name = (char *)name };
    return bsearch(&key, d->tensors, d->count, sizeof key, by_name);
}

static bool is_dense(const state_tensor *t)
{
    int64_t expected = 1;
    for (int i = t->dims - 1; i >= 0; i--) {
        if (t->size[i] != 1 && t->stride[i] != expected)
            return false;
        expected *= t->size[i];
    }
    return true;
}

/* Steps the index like an odometer, last axis fastest. */
static void gather(uint8_t *out, const state_tensor *t, size_t width)
{
    int64_t index[TENSOR_MAX_DIMS] = { 0 }, at = t->offset;
    for (int64_t n = 0; n < t->elements; n++) {
        memcpy(out + (size_t)n * width, t->bytes + (size_t)at * width, width);
        for (int i = t->dims - 1; i >= 0; i--) {
            at += t->stride[i];
            if (++index[i] < t->size[i])
                break;
            at -= t->stride[i] * t->size[i];
            index[i] = 0;
        }
    }
}

rap_status state_tensor_read(const state_tensor *t, void **out, size_t *out_bytes, rap_err *err)
{
    size_t width = dtype_size(t->type);
    size_t bytes = (size_t)t->elements * width; /* bounded by the storage on opening */
    uint8_t *copy = malloc(bytes ? bytes : 1);
    *out = NULL;
    if (!copy)
        return err_memory(err, "reading a checkpoint");
    if (is_dense(t) && bytes)
        memcpy(copy, t->bytes + (size_t)t->offset * width, bytes);
    else
        gather(copy, t, width);
    *out = copy;
    *out_bytes = bytes;
    return RAP_OK;
}

const void *state_tensor_bytes(const state_tensor *t)
{
    return is_dense(t) && t->elements ? t->bytes + (size_t)t->offset * dtype_size(t->type) : NULL;
}

void state_tensor_let_go(const state_tensor *t)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), start = (uintptr_t)state_tensor_bytes(t);
    uintptr_t from = (start + page - 1) / page * page,
              to = (start + (size_t)t->elements * dtype_size(t->type)) / page * page;
    if (start && from < to) /* MADV_DONTNEED would discard inflated data */
        madvise((void *)from, to - from, MADV_PAGEOUT);
}

bool state_widen(float *out, const void *bytes, dtype type, size_t count)
{
    switch (type) {
    case DTYPE_F32:
        memcpy(out, bytes, count * sizeof *out);
        return true;
    case DTYPE_F16:
        gguf_halves_to_floats(out, bytes, count);
        return true;
    case DTYPE_BF16:
        gguf_bfloats_to_floats(out, bytes, count);
        return true;
    case DTYPE_F64:
        for (size_t i = 0; i < count; i++) {
            double wide;
            memcpy(&wide, (const char *)bytes + i * sizeof wide, sizeof wide);
            out[i] = (float)wide;
        }
        return true;
    default:
        return false;
    }
}

rap_status state_tensor_floats(const state_tensor *t, float **out, rap_err *err)
{
    void *bytes;
    size_t size;
    *out = NULL;
    rap_status status = state_tensor_read(t, &bytes, &size, err);
    if (status != RAP_OK)
        return status;
    float *floats = mem_array(t->elements ? (size_t)t->elements : 1, sizeof *floats);
    if (!floats)
        status = err_memory(err, "reading a checkpoint");
    else if (!state_widen(floats, bytes, t->type, (size_t)t->elements))
        status = err_set(err, RAP_E_UNSUPPORTED, "tensor '%s' is not floating-point", t->name);
    free(bytes);
    if (status == RAP_OK)
        *out = floats;
    else
        free(floats);
    return status;
}

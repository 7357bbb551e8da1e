/* safetensors.c: one safetensors file: the header's length in eight bytes, a JSON header with each
 * tensor's type, shape and offsets, then the data, one tensor after another.
 *
 * As the format requires, the tensors must cover the data exactly: no gap, no overlap, nothing
 * after the last one. */
#include "base/file_kind.h"
#include "base/mem.h"
#include "formats/json.h"
#include "formats/state_inside.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { LENGTH_BYTES = 8, MAX_HEADER = 100 << 20 };

static rap_status damaged(const state_part *p, const char *name, const char *reason, rap_err *err)
{
    return err_set(err, RAP_E_FORMAT, "%s: damaged safetensors file: tensor '%.80s' %s", p->path,
                   name, reason);
}

static bool type_of(dtype *out, const char *text)
{
    static const struct {
        const char *text;
        dtype type;
    } known[] = {
        { "F32", DTYPE_F32 }, { "F16", DTYPE_F16 },   { "BF16", DTYPE_BF16 }, { "F64", DTYPE_F64 },
        { "I64", DTYPE_I64 }, { "I32", DTYPE_I32 },   { "I16", DTYPE_I16 },   { "I8", DTYPE_I8 },
        { "U8", DTYPE_U8 },   { "BOOL", DTYPE_BOOL },
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcmp(known[i].text, text)) {
            *out = known[i].type;
            return true;
        }
    return false;
}

/* Dense, outermost first. */
static bool read_shape(state_tensor *t, const json_t *shape)
{
    int64_t count = 1;
    if (!json_is_array(shape) || json_array_size(shape) > TENSOR_MAX_DIMS)
        return false;
    t->dims = (int)json_array_size(shape);
    for (int i = t->dims - 1; i >= 0; i--) {
        const json_t *size = json_array_get(shape, (size_t)i);
        if (!json_is_integer(size) || json_integer_value(size) < 0)
            return false;
        t->size[i] = json_integer_value(size);
        t->stride[i] = count;
        if (__builtin_mul_overflow(count, t->size[i], &count) || count > INT64_MAX / 16)
            return false;
    }
    t->elements = count;
    return true;
}

static rap_status read_place(state_tensor *t, const state_part *p, const json_t *place,
                             const uint8_t *data, uint64_t data_size, rap_err *err)
{
    const json_t *first = json_array_get(place, 0), *last = json_array_get(place, 1);
    if (json_array_size(place) != 2 || !json_is_integer(first) || !json_is_integer(last))
        return damaged(p, t->name, "has no data_offsets of two integers", err);
    int64_t start = json_integer_value(first), stop = json_integer_value(last);
    if (start < 0 || stop < start || (uint64_t)stop > data_size)
        return damaged(p, t->name, "is outside the file, which may be truncated", err);
    if (stop - start != t->elements * (int64_t)dtype_size(t->type))
        return damaged(p, t->name, "has a shape that contradicts its data_offsets", err);
    t->bytes = data + start;
    return RAP_OK;
}

static rap_status add_tensor(state_dict *d, const state_part *p, const char *name,
                             const json_t *entry, const uint8_t *data, uint64_t data_size,
                             rap_err *err)
{
    state_tensor *t;
    const char *type = json_string_value(json_object_get(entry, "dtype"));
    rap_status status = state_add(&t, d, name, strlen(name), p->path, err);
    if (status != RAP_OK)
        return status;
    if (!type)
        return damaged(p, name, "has no dtype", err);
    if (!type_of(&t->type, type))
        return err_set(err, RAP_E_UNSUPPORTED,
                       "%s: tensor '%s' has type '%.20s', which is not supported", p->path, name,
                       type);
    if (!read_shape(t, json_object_get(entry, "shape")))
        return damaged(p, name, "has an impossible shape", err);
    return read_place(t, p, json_object_get(entry, "data_offsets"), data, data_size, err);
}

static int by_place(const void *a, const void *b)
{
    const state_tensor *x = *(const state_tensor *const *)a, *y = *(const state_tensor *const *)b;
    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? -1 : 1;
    return (x->elements > y->elements) - (x->elements < y->elements); /* empty ones first */
}

/* Checks that this part's tensors, from tensors[first], follow one another from `data` to its end. */
static rap_status check_places(const state_dict *d, const state_part *p, size_t first,
                               const uint8_t *data, uint64_t data_size, rap_err *err)
{
    size_t count = d->count - first;
    rap_status status = RAP_OK;
    const state_tensor **order = mem_array(count ? count : 1, sizeof(state_tensor *));
    if (!order)
        return err_memory(err, "reading a checkpoint");
    for (size_t i = 0; i < count; i++)
        order[i] = &d->tensors[first + i];
    qsort(order, count, sizeof *order, by_place);
    const uint8_t *at = data;
    for (size_t i = 0; status == RAP_OK && i < count; i++) {
        if (order[i]->bytes < at)
            status = damaged(p, order[i]->name, "overlaps another", err);
        else if (order[i]->bytes > at)
            status = damaged(p, order[i]->name, "starts after a gap", err);
        at = order[i]->bytes + (size_t)order[i]->elements * dtype_size(order[i]->type);
    }
    if (status == RAP_OK && (uint64_t)(at - data) != data_size)
        status = err_set(err, RAP_E_FORMAT,
                         "%s: damaged safetensors file: %" PRIu64 " bytes belong to no tensor",
                         p->path, data_size - (uint64_t)(at - data));
    free(order);
    return status;
}

static rap_status list_tensors(state_dict *d, const state_part *p, json_t *header,
                               const uint8_t *data, uint64_t data_size, rap_err *err)
{
    const char *name;
    json_t *entry;
    size_t first = d->count;
    rap_status status = state_reserve(d, json_object_size(header), err);
    if (status != RAP_OK)
        return status;
    json_object_foreach(header, name, entry)
    {
        if (!strcmp(name, "__metadata__"))
            continue;
        if ((status = add_tensor(d, p, name, entry, data, data_size, err)) != RAP_OK)
            return status;
    }
    if (d->count == first)
        return err_set(err, RAP_E_FORMAT, "%s: holds no tensors", p->path);
    return check_places(d, p, first, data, data_size, err);
}

rap_status state_open_safetensors(state_dict *d, const char *path, rap_err *err)
{
    uint64_t length = 0;
    json_t *header = NULL;
    rap_status status;
    state_part *p = state_new_part(d, path, err);

    if (!p)
        return RAP_E_MEMORY;
    if ((status = file_map_open(&p->map, path, err)) != RAP_OK)
        return status;
    file_kind kind = file_kind_of(p->map.data, p->map.size);
    bool begins = p->map.size > LENGTH_BYTES && p->map.data[LENGTH_BYTES] == '{';
    if (p->map.size < LENGTH_BYTES || (kind != FILE_KIND_UNKNOWN && !begins))
        return file_kind_refuse(path, "not a safetensors file", p->map.data, p->map.size, err);
    for (int i = 0; i < LENGTH_BYTES; i++)
        length |= (uint64_t)p->map.data[i] << (8 * i);
    if (length > MAX_HEADER || length > p->map.size - LENGTH_BYTES)
        return err_set(err, RAP_E_FORMAT,
                       "%s: damaged safetensors file: its header would have %" PRIu64
                       " bytes, the file has %zu",
                       path, length, p->map.size);
    const char *text = (const char *)p->map.data + LENGTH_BYTES;
    if ((status = json_parse(&header, text, (size_t)length, path, err)) != RAP_OK)
        return status;
    status = list_tensors(d, p, header, p->map.data + LENGTH_BYTES + length,
                          p->map.size - LENGTH_BYTES - length, err);
    json_decref(header);
    return status;
}

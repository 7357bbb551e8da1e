/* state_dict.c: archive and pickle together: which tensors a checkpoint holds, and where. */
#include "convert/state_dict.h"
#include "base/mem.h"
#include "convert/torch_zip.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_NAME = 200, MAX_TENSORS = 100000 };

struct state_dict {
    torch_zip *zip;
    unpickled *pickle;
    state_tensor *tensors; /* [count] sorted by name */
    size_t count;
};

static size_t count_tensors(const pickle_value *dict)
{
    size_t n = 0;
    for (size_t i = 1; dict && dict->kind == PICKLE_DICT && i < dict->as.list.count; i += 2)
        n += dict->as.list.items[i]->kind == PICKLE_TENSOR;
    return n;
}

static const pickle_value *find_dict(const pickle_value *root)
{
    static const char *const places[] = { "state_dict", "model_state_dict", "model" };
    const pickle_value *best = root;
    for (size_t i = 0; i < 3 && !count_tensors(best); i++) {
        const pickle_value *inner = pickle_get(root, places[i]);
        if (count_tensors(inner))
            best = inner;
    }
    return count_tensors(best) ? best : NULL;
}

/* Finds the storage's bytes; they must be all there. */
static rap_status locate(state_tensor *t, const state_dict *d, const pickle_storage *s,
                         rap_err *err)
{
    char entry[64];
    size_t size, needed;
    if (s->key->as.text.len > 20)
        return err_set(err, RAP_E_FORMAT, "%s: damaged checkpoint: a storage has a long name",
                       state_dict_path(d));
    snprintf(entry, sizeof entry, "data/%.*s", (int)s->key->as.text.len, s->key->as.text.bytes);
    rap_status status = torch_zip_read(d->zip, entry, &t->bytes, &size, err);
    if (status != RAP_OK)
        return status;
    if (!mem_mul(&needed, (size_t)s->elements, dtype_size(s->type)) || needed > size)
        return err_set(err, RAP_E_FORMAT,
                       "%s: damaged checkpoint: '%s' holds %zu bytes, fewer than tensor '%s' needs",
                       state_dict_path(d), entry, size, t->name);
    return RAP_OK;
}

static rap_status add_tensor(state_dict *d, const pickle_value *key, const pickle_value *value,
                             rap_err *err)
{
    if (key->kind != PICKLE_TEXT || key->as.text.len == 0 || key->as.text.len > MAX_NAME ||
        memchr(key->as.text.bytes, 0, key->as.text.len))
        return err_set(err, RAP_E_FORMAT, "%s: damaged checkpoint: a tensor has no proper name",
                       state_dict_path(d));
    state_tensor *t = &d->tensors[d->count];
    t->name = mem_string_n(key->as.text.bytes, key->as.text.len);
    if (!t->name)
        return err_memory(err, "reading a checkpoint");
    d->count++;
    t->type = value->as.tensor.storage->type;
    t->shape = &value->as.tensor;
    return locate(t, d, value->as.tensor.storage, err);
}

static int by_name(const void *a, const void *b)
{
    const state_tensor *x = a, *y = b;
    return strcmp(x->name, y->name);
}

static rap_status list_tensors(state_dict *d, rap_err *err)
{
    const pickle_value *dict = find_dict(unpickle_root(d->pickle));
    size_t count = count_tensors(dict);
    if (!dict)
        return err_set(err, RAP_E_FORMAT, "%s: holds no state dict (names and tensors)",
                       state_dict_path(d));
    if (count > MAX_TENSORS)
        return err_set(err, RAP_E_LIMIT, "%s: holds %zu tensors", state_dict_path(d), count);
    d->tensors = mem_array(count, sizeof *d->tensors);
    if (!d->tensors)
        return err_memory(err, "reading a checkpoint");
    for (size_t i = 0; i + 1 < dict->as.list.count; i += 2) {
        const pickle_value *key = dict->as.list.items[i], *value = dict->as.list.items[i + 1];
        rap_status status = value->kind == PICKLE_TENSOR ? add_tensor(d, key, value, err) : RAP_OK;
        if (status != RAP_OK)
            return status;
    }
    qsort(d->tensors, d->count, sizeof *d->tensors, by_name);
    for (size_t i = 1; i < d->count; i++)
        if (!by_name(&d->tensors[i - 1], &d->tensors[i]))
            return err_set(err, RAP_E_FORMAT, "%s: damaged checkpoint: tensor '%s' occurs twice",
                           state_dict_path(d), d->tensors[i].name);
    return RAP_OK;
}

/* Numbers are little-endian here and in every checkpoint of our time; the archive says so. */
static rap_status check_byte_order(const state_dict *d, rap_err *err)
{
    const uint8_t *order;
    size_t size;
    if (!torch_zip_has(d->zip, "byteorder"))
        return RAP_OK;
    rap_status status = torch_zip_read(d->zip, "byteorder", &order, &size, err);
    if (status != RAP_OK)
        return status;
    if (size < 6 || memcmp(order, "little", 6))
        return err_set(err, RAP_E_UNSUPPORTED, "%s: its numbers are not little-endian",
                       state_dict_path(d));
    return RAP_OK;
}

rap_status state_dict_open(state_dict **out, const char *path, rap_err *err)
{
    const uint8_t *bytes;
    size_t size;
    rap_status status;
    state_dict *d = mem_array(1, sizeof *d);

    *out = NULL;
    if (!d)
        return err_memory(err, "reading a checkpoint");
    if ((status = torch_zip_open(&d->zip, path, err)) != RAP_OK ||
        (status = check_byte_order(d, err)) != RAP_OK ||
        (status = torch_zip_read(d->zip, "data.pkl", &bytes, &size, err)) != RAP_OK ||
        (status = unpickle(&d->pickle, bytes, size, torch_zip_path(d->zip), err)) != RAP_OK ||
        (status = list_tensors(d, err)) != RAP_OK)
        goto cleanup;
    *out = d;
    d = NULL;
cleanup:
    state_dict_close(d);
    return status;
}

void state_dict_close(state_dict *d)
{
    if (!d)
        return;
    for (size_t i = 0; i < d->count; i++)
        free(d->tensors[i].name);
    free(d->tensors);
    unpickle_free(d->pickle);
    torch_zip_close(d->zip);
    free(d);
}

const char *state_dict_path(const state_dict *d)
{
    return torch_zip_path(d->zip);
}

size_t state_dict_count(const state_dict *d)
{
    return d->count;
}

const state_tensor *state_dict_at(const state_dict *d, size_t i)
{
    return i < d->count ? &d->tensors[i] : NULL;
}

const state_tensor *state_dict_find(const state_dict *d, const char *name)
{
    state_tensor key = { .name = (char *)name };
    return bsearch(&key, d->tensors, d->count, sizeof key, by_name);
}

static bool is_dense(const pickle_tensor *t)
{
    int64_t expected = 1;
    for (int i = t->dims - 1; i >= 0; i--) {
        if (t->size[i] != 1 && t->stride[i] != expected)
            return false;
        expected *= t->size[i];
    }
    return true;
}

/* Walks the index like an odometer, last axis fastest. */
static void gather(uint8_t *out, const state_tensor *t, size_t width)
{
    const pickle_tensor *s = t->shape;
    int64_t index[TENSOR_MAX_DIMS] = { 0 }, at = s->offset;
    for (int64_t n = 0; n < s->elements; n++) {
        memcpy(out + (size_t)n * width, t->bytes + (size_t)at * width, width);
        for (int i = s->dims - 1; i >= 0; i--) {
            at += s->stride[i];
            if (++index[i] < s->size[i])
                break;
            at -= s->stride[i] * s->size[i];
            index[i] = 0;
        }
    }
}

rap_status state_tensor_read(const state_tensor *t, void **out, size_t *out_bytes, rap_err *err)
{
    size_t width = dtype_size(t->type);
    size_t bytes = (size_t)t->shape->elements * width; /* unpickle bounds it by the storage */
    uint8_t *copy = malloc(bytes ? bytes : 1);
    *out = NULL;
    if (!copy)
        return err_memory(err, "reading a checkpoint");
    if (is_dense(t->shape))
        memcpy(copy, t->bytes + (size_t)t->shape->offset * width, bytes);
    else
        gather(copy, t, width);
    *out = copy;
    *out_bytes = bytes;
    return RAP_OK;
}

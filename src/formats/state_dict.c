/* state_dict.c: opens whatever holds a checkpoint, and hands out its tensors in order of name.
 *
 * Read state_dict_open() first; state_folder.c, state_torch.c and safetensors.c do the reading. */
#include "formats/state_dict.h"
#include "base/mem.h"
#include "formats/gguf_types.h"
#include "formats/json.h"
#include "formats/state_inside.h"

#include <stdlib.h>
#include <string.h>

static int by_name(const void *a, const void *b)
{
    const state_tensor *x = a, *y = b;
    return strcmp(x->name, y->name);
}

/* ---- opening ------------------------------------------------------------------------------ */

rap_status state_reserve(state_dict *d, size_t more, rap_err *err)
{
    if (more > STATE_MAX_TENSORS || d->count + more > STATE_MAX_TENSORS)
        return err_set(err, RAP_E_LIMIT, "%s: holds %zu tensors", d->path, d->count + more);
    if (d->count + more <= d->cap)
        return RAP_OK;
    size_t cap = d->count + more > 2 * d->cap ? d->count + more : 2 * d->cap;
    state_tensor *grown = realloc(d->tensors, cap * sizeof *grown);
    if (!grown)
        return err_memory(err, "reading a checkpoint");
    d->tensors = grown;
    d->cap = cap;
    return RAP_OK;
}

rap_status state_add(state_tensor **out, state_dict *d, const char *name, size_t len,
                     const char *file, rap_err *err)
{
    if (len == 0 || len > STATE_MAX_NAME || memchr(name, 0, len))
        return err_set(err, RAP_E_FORMAT, "%s: damaged checkpoint: a tensor has no proper name",
                       file);
    state_tensor *t = &d->tensors[d->count];
    *t = (state_tensor){ .name = mem_string_n(name, len), .part = d->part_count - 1 };
    if (!t->name)
        return err_memory(err, "reading a checkpoint");
    d->count++;
    *out = t;
    return RAP_OK;
}

state_part *state_new_part(state_dict *d, const char *path, rap_err *err)
{
    state_part *grown = realloc(d->parts, ((size_t)d->part_count + 1) * sizeof *grown);
    if (!grown) {
        err_memory(err, "reading a checkpoint");
        return NULL;
    }
    d->parts = grown;
    state_part *p = &d->parts[d->part_count];
    *p = (state_part){ .path = mem_string(path) };
    if (!p->path) {
        err_memory(err, "reading a checkpoint");
        return NULL;
    }
    d->part_count++;
    return p;
}

/* A safetensors header begins with '{' behind its length; a zip archive with "PK". */
rap_status state_open_file(state_dict *d, const char *path, rap_err *err)
{
    file_map map;
    rap_status status = file_map_open(&map, path, err);
    if (status != RAP_OK)
        return status;
    bool zip = map.size >= 2 && map.data[0] == 'P' && map.data[1] == 'K';
    bool json = map.size > 8 && map.data[8] == '{';
    file_map_close(&map);
    if (d->part_count >= STATE_MAX_PARTS)
        return err_set(err, RAP_E_LIMIT, "%s: has more than %d shards", d->path, STATE_MAX_PARTS);
    if (!zip && (json || !strcmp(path_extension(path), "safetensors")))
        return state_open_safetensors(d, path, err);
    return state_open_torch(d, path, err);
}

/* What a hub publishes has its config beside it. A .pt may lie among the files of others. */
static bool is_published(const state_dict *d, bool folder)
{
    const char *extension = path_extension(d->path);
    return folder || !strcmp(extension, "safetensors") || !strcmp(extension, "bin") ||
           state_is_index(d->path);
}

/* Does it look like the config of a model, timm's or Hugging Face's? */
static bool is_of_model(const json_t *config)
{
    return json_is_object(json_object_get(config, "pretrained_cfg")) ||
           json_is_string(json_object_get(config, "model_type"));
}

static rap_status find_folder(state_dict *d, bool folder, rap_err *err)
{
    d->folder = folder ? mem_string(d->path) : path_folder(d->path);
    if (!d->folder)
        return err_memory(err, "reading a checkpoint");
    rap_status status = state_dict_beside(d, "config.json", &d->config_path, err);
    if (status == RAP_OK && d->config_path)
        status = json_read(&d->config, d->config_path, STATE_MAX_JSON, err);
    if (!is_published(d, folder) && !is_of_model(d->config)) {
        json_decref(d->config);
        d->config = NULL;
    }
    return status;
}

static rap_status sort_tensors(state_dict *d, rap_err *err)
{
    qsort(d->tensors, d->count, sizeof *d->tensors, by_name);
    for (size_t i = 1; i < d->count; i++)
        if (!by_name(&d->tensors[i - 1], &d->tensors[i]))
            return err_set(err, RAP_E_FORMAT, "%s: damaged checkpoint: tensor '%s' occurs twice",
                           state_dict_path(d), d->tensors[i].name);
    return RAP_OK;
}

rap_status state_dict_open(state_dict **out, const char *path, rap_err *err)
{
    bool folder = file_is_folder(path);
    rap_status status = RAP_E_MEMORY;
    state_dict *d = mem_array(1, sizeof *d);

    *out = NULL;
    if (!d || !(d->path = mem_string(path))) {
        err_memory(err, "reading a checkpoint");
        goto cleanup;
    }
    status = folder                 ? state_open_folder(d, path, err)
             : state_is_index(path) ? state_open_index(d, path, err)
                                    : state_open_file(d, path, err);
    if (status != RAP_OK || (status = sort_tensors(d, err)) != RAP_OK ||
        (status = state_check_index(d, err)) != RAP_OK ||
        (status = find_folder(d, folder, err)) != RAP_OK)
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
    for (int i = 0; i < d->part_count; i++) {
        unpickle_free(d->parts[i].pickle);
        torch_zip_close(d->parts[i].zip);
        file_map_close(&d->parts[i].map);
        free(d->parts[i].path);
    }
    free(d->parts);
    json_decref(d->config);
    json_decref(d->index);
    free(d->index_path);
    free(d->config_path);
    free(d->folder);
    free(d->path);
    free(d);
}

/* ---- reading ------------------------------------------------------------------------------ */

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

/* Walks the index like an odometer, last axis fastest. */
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
    size_t bytes = (size_t)t->elements * width; /* bounded by the storage when it was opened */
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

static bool widen(float *out, const void *bytes, dtype type, size_t count)
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
    else if (!widen(floats, bytes, t->type, (size_t)t->elements))
        status =
            err_set(err, RAP_E_UNSUPPORTED, "tensor '%s' does not hold floating numbers", t->name);
    free(bytes);
    if (status == RAP_OK)
        *out = floats;
    else
        free(floats);
    return status;
}

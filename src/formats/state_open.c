/* state_open.c: opens any kind of checkpoint.
 *
 * Read state_dict_open() first; state_folder.c, state_torch.c, state_legacy.c and safetensors.c
 * read the files, state_names.c strips wrappers from names, state_read.c returns the tensors. */
#include "base/file_kind.h"
#include "base/mem.h"
#include "formats/json.h"
#include "formats/state_dict.h"
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
        return err_set(err, RAP_E_FORMAT, "%s: damaged checkpoint: a tensor has no valid name",
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

/* The reader for a file that begins like this; NULL: none. */
typedef rap_status opener(state_dict *d, const char *path, rap_err *err);

static opener *opener_of(const uint8_t *bytes, size_t size, const char *path)
{
    file_kind kind = file_kind_of(bytes, size);
    if (kind == FILE_KIND_ZIP)
        return state_open_torch;
    if (state_is_legacy(bytes, size))
        return state_open_legacy;
    if (kind == FILE_KIND_SAFETENSORS || !strcmp(path_extension(path), "safetensors") ||
        (size > 8 && bytes[8] == '{'))
        return state_open_safetensors;
    return NULL;
}

static rap_status refuse_file(const char *path, const file_map *map, rap_err *err)
{
    switch (file_kind_of(map->data, map->size)) {
    case FILE_KIND_TAR:
        return err_set(err, RAP_E_UNSUPPORTED,
                       "%s: a tar archive: unpack it; if torch.save wrote it (before version "
                       "0.1.10), load it and save it again with a current PyTorch",
                       path);
    case FILE_KIND_PICKLE:
        return err_set(err, RAP_E_UNSUPPORTED,
                       "%s: a Python pickle that torch.save did not write: load it and save its "
                       "weights with torch.save",
                       path);
    default:
        return file_kind_refuse(path, "not a torch.save or safetensors checkpoint", map->data,
                                map->size, err);
    }
}

rap_status state_open_file(state_dict *d, const char *path, rap_err *err)
{
    file_map map;
    rap_status status = file_map_open(&map, path, err);
    if (status != RAP_OK)
        return status;
    opener *open = opener_of(map.data, map.size, path);
    if (!open)
        status = refuse_file(path, &map, err);
    else if (d->part_count >= STATE_MAX_PARTS)
        status = err_set(err, RAP_E_LIMIT, "%s: has more than %d shards", d->path, STATE_MAX_PARTS);
    file_map_close(&map);
    return status == RAP_OK ? open(d, path, err) : status;
}

/* Published checkpoints come with a config.json; a .pt may share a folder with unrelated files. */
static bool is_published(const state_dict *d, bool folder)
{
    const char *extension = path_extension(d->path);
    return folder || !strcmp(extension, "safetensors") || !strcmp(extension, "bin") ||
           state_is_index(d->path);
}

/* Does this look like a model's config (timm or Hugging Face)? */
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

rap_status state_sort(state_dict *d, rap_err *err)
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
    if (status != RAP_OK || (status = state_sort(d, err)) != RAP_OK ||
        (status = state_check_index(d, err)) != RAP_OK ||
        (status = state_unwrap_names(d, err)) != RAP_OK ||
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
        free(d->parts[i].storages);
        free(d->parts[i].path);
    }
    free(d->parts);
    json_decref(d->config);
    json_decref(d->index);
    free(d->index_path);
    free(d->config_path);
    free(d->folder);
    free(d->note);
    free(d->path);
    free(d);
}

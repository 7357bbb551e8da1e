/* state_folder.c: a Hugging Face folder, and the index that lists a checkpoint's shards:
 * {"weight_map": {"tensor": "model-00001-of-00002.safetensors", …}}.
 *
 * Shards must be in the folder of their index: any other path is refused. */
#include "base/mem.h"
#include "formats/json.h"
#include "formats/state_inside.h"

#include <stdlib.h>
#include <string.h>

static const char index_end[] = ".index.json";

bool state_is_index(const char *path)
{
    size_t len = strlen(path), end = sizeof index_end - 1;
    return len > end && !strcmp(path + len - end, index_end);
}

rap_status state_open_folder(state_dict *d, const char *path, rap_err *err)
{
    static const char *const names[] = {
        "model.safetensors",           "model.safetensors.index.json",
        "pytorch_model.bin",           "pytorch_model.bin.index.json",
        "open_clip_model.safetensors", "open_clip_model.safetensors.index.json",
        "open_clip_pytorch_model.bin", "open_clip_pytorch_model.bin.index.json"
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *file = path_join(path, names[i]);
        if (!file)
            return err_memory(err, "reading a checkpoint");
        bool there = file_exists(file);
        rap_status status = !there                 ? RAP_OK
                            : state_is_index(file) ? state_open_index(d, file, err)
                                                   : state_open_file(d, file, err);
        free(file);
        if (there)
            return status;
    }
    return err_set(err, RAP_E_NOT_FOUND,
                   "%s: this folder has neither model.safetensors nor pytorch_model.bin (nor "
                   "open_clip_model.safetensors): give the path of the weights file",
                   path);
}

/* ---- shards ------------------------------------------------------------------------------- */

/* A plain file name: no path, not hidden. */
static bool is_plain_name(const char *name)
{
    size_t len = strlen(name);
    return len > 0 && len <= STATE_MAX_NAME && name[0] != '.' && !strpbrk(name, "/\\");
}

static int find_part(const state_dict *d, const char *shard)
{
    for (int i = 0; i < d->part_count; i++)
        if (!strcmp(path_base(d->parts[i].path), shard))
            return i;
    return -1;
}

static rap_status open_shard(state_dict *d, const char *index, const char *shard, rap_err *err)
{
    rap_status status;
    char *folder = NULL, *path = NULL;
    if (!is_plain_name(shard))
        return err_set(err, RAP_E_FORMAT,
                       "%s: '%.80s' is not the name of a shard in the same folder", index, shard);
    if (find_part(d, shard) >= 0)
        return RAP_OK;
    if (!(folder = path_folder(index)) || !(path = path_join(folder, shard)))
        status = err_memory(err, "reading a checkpoint");
    else if (!file_exists(path))
        status = err_set(err, RAP_E_NOT_FOUND, "%s: the shard '%s' is missing", index, shard);
    else
        status = state_open_file(d, path, err);
    free(path);
    free(folder);
    return status;
}

rap_status state_open_index(state_dict *d, const char *path, rap_err *err)
{
    const char *name;
    json_t *shard;
    if (!(d->index_path = mem_string(path)))
        return err_memory(err, "reading a checkpoint");
    rap_status status = json_read(&d->index, path, STATE_MAX_JSON, err);
    if (status != RAP_OK)
        return status;
    json_t *map = json_object_get(d->index, "weight_map");
    if (!json_is_object(map) || json_object_size(map) == 0)
        return err_set(err, RAP_E_FORMAT, "%s: has no \"weight_map\" of tensors and shards", path);
    json_object_foreach(map, name, shard)
    {
        if (!json_is_string(shard))
            return err_set(err, RAP_E_FORMAT, "%s: tensor '%.80s' has no shard", path, name);
        if ((status = open_shard(d, path, json_string_value(shard), err)) != RAP_OK)
            return status;
    }
    return RAP_OK;
}

rap_status state_check_index(const state_dict *d, rap_err *err)
{
    const char *name;
    json_t *shard;
    if (!d->index)
        return RAP_OK;
    json_object_foreach(json_object_get(d->index, "weight_map"), name, shard)
    {
        const state_tensor *t = state_dict_find(d, name);
        if (!t || t->part != find_part(d, json_string_value(shard)))
            return err_set(err, RAP_E_FORMAT,
                           "%s: says that shard '%s' holds tensor '%.80s', which it does not",
                           d->index_path, json_string_value(shard), name);
    }
    return RAP_OK;
}

/* ---- other files in the folder ------------------------------------------------------------ */

const json_t *state_dict_config(const state_dict *d)
{
    return d->config;
}

const char *state_dict_config_path(const state_dict *d)
{
    return d->config_path ? d->config_path : "config.json";
}

rap_status state_dict_beside(const state_dict *d, const char *name, char **out, rap_err *err)
{
    *out = NULL;
    char *path = path_join(d->folder, name);
    if (!path)
        return err_memory(err, "reading a checkpoint");
    if (file_exists(path))
        *out = path;
    else
        free(path);
    return RAP_OK;
}

rap_status state_dict_beside_json(const state_dict *d, const char *name, json_t **out, rap_err *err)
{
    char *path;
    *out = NULL;
    rap_status status = state_dict_beside(d, name, &path, err);
    if (status == RAP_OK && path)
        status = json_read(out, path, STATE_MAX_JSON, err);
    free(path);
    return status;
}

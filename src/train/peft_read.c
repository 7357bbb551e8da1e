/* peft_read.c: an adapter as PEFT wrote it, and the projector that LLaVA's training leaves beside it. */
#include "base/file.h"
#include "base/mem.h"
#include "formats/json.h"
#include "formats/state_dict.h"
#include "train/peft.h"
#include "train/peft_names.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- adapter_config.json ---- */

static bool is_empty(const json_t *value)
{
    return !value || json_is_null(value) || json_is_false(value) ||
           (json_is_object(value) && json_object_size(value) == 0) ||
           (json_is_array(value) && json_array_size(value) == 0) ||
           (json_is_string(value) &&
            (strcmp(json_string_value(value), "none") == 0 || *json_string_value(value) == '\0'));
}

/* What would change the result and has no place in a GGUF. */
static rap_status refuse_more(const json_t *config, const char *path, rap_err *err)
{
    static const char *const field[] = { "bias",         "use_dora",         "fan_in_fan_out",
                                         "rank_pattern", "alpha_pattern",    "modules_to_save",
                                         "lora_bias",    "layer_replication" };
    const char *type = "LORA";
    rap_status status = json_get_string(&type, config, "peft_type", path, err);

    if (!status && strcmp(type, "LORA") != 0)
        status = err_set(err, RAP_E_UNSUPPORTED, "%s: \"peft_type\" is '%.40s'; LORA is read", path,
                         type);
    for (size_t i = 0; !status && i < sizeof field / sizeof *field; i++)
        if (!is_empty(json_object_get(config, field[i])))
            status = err_set(err, RAP_E_UNSUPPORTED,
                             "%s: \"%s\" is set, which an adapter of llama.cpp cannot hold", path,
                             field[i]);
    return status;
}

/* alpha as llama.cpp takes it, whose scale is alpha / rank. */
static rap_status read_config(double *out_alpha, const char *folder, rap_err *err)
{
    char *path = path_join(folder, "adapter_config.json");
    json_t *config = NULL;
    int rank = 0;
    float alpha = 0;
    bool root = false;
    rap_status status =
        path ? json_read(&config, path, 1 << 20, err) : err_memory(err, "reading an adapter");

    if (!status)
        status = refuse_more(config, path, err);
    if (!status)
        status = json_get_int(&rank, config, "r", 1, 65536, path, err);
    if (!status)
        status = json_get_float(&alpha, config, "lora_alpha", 0, 1e9f, path, err);
    if (!status)
        status = json_get_bool(&root, config, "use_rslora", path, err);
    if (!status && (rank == 0 || alpha == 0))
        status = err_set(err, RAP_E_FORMAT, "%s: lacks \"r\" or \"lora_alpha\"", path);
    *out_alpha = root ? alpha * sqrt((double)rank) : alpha;
    json_decref(config);
    free(path);
    return status;
}

/* ---- the tensors ---- */

static rap_status take_half(lora *l, const shape *s, const state_tensor *t, const char *path,
                            rap_err *err)
{
    peft_place place;
    char half, name[128];
    int64_t in, out;
    lora_pair *p;
    float *data = NULL;
    rap_status status;

    if (!place_of_peft(&place, &half, s, t->name))
        return err_set(err, RAP_E_UNSUPPORTED,
                       "%s: '%.120s' has no place in the decoder of the model", path, t->name);
    shape_linear(&out, &in, s, place.kind);
    if (t->dims != 2 || t->size[half == 'A' ? 1 : 0] != (half == 'A' ? in : out))
        return err_set(err, RAP_E_MODEL,
                       "%s: '%.120s' does not fit the model, whose weight is [%lld, %lld]", path,
                       t->name, (long long)out, (long long)in);
    snprintf(name, sizeof name, "blk.%lld.%s.weight", (long long)place.layer,
             linear_name(place.kind));
    p = lora_pair_of(l, name);
    status = p ? state_tensor_floats(t, &data, err) : err_memory(err, "reading an adapter");
    if (status)
        return status;
    p->in = in;
    p->out = out;
    if (half == 'A') {
        free(p->a);
        p->a = data;
        p->rank = p->rank && p->rank != t->size[0] ? -1 : t->size[0];
        return RAP_OK;
    }
    free(p->b);
    p->rank = p->rank && p->rank != t->size[1] ? -1 : t->size[1];
    p->b = mem_array((size_t)t->elements, sizeof *p->b);
    for (int64_t r = 0; p->b && r < out; r++)
        memcpy(p->b + gguf_row(s, place.kind, r) * t->size[1], data + r * t->size[1],
               (size_t)t->size[1] * sizeof *data);
    free(data);
    return p->b ? RAP_OK : err_memory(err, "reading an adapter");
}

/* The file of tensors of a folder; free(). */
static char *tensor_file(const char *path)
{
    static const char *const name[] = { "adapter_model.safetensors", "adapter_model.bin" };
    char *file = NULL;

    if (!file_is_folder(path))
        return mem_string(path);
    for (int i = 0; i < 2; i++) {
        free(file);
        file = path_join(path, name[i]);
        if (file && file_exists(file))
            return file;
    }
    free(file);
    return path_join(path, name[0]);
}

static rap_status need_config(const char *path, const char *folder, rap_err *err)
{
    char *config = path_join(folder, "adapter_config.json");
    bool there = config && file_exists(config);
    rap_status status = config ? RAP_OK : err_memory(err, "reading an adapter");

    free(config);
    return status || there
               ? status
               : err_set(err, RAP_E_NOT_FOUND,
                         "%s: is no adapter: it needs PEFT's adapter_config.json in the same "
                         "folder, or to be an adapter.gguf",
                         path);
}

rap_status peft_read(lora *out, const char *path, const gguf_file *model, rap_err *err)
{
    char *file = tensor_file(path), *folder = file ? path_folder(file) : NULL;
    state_dict *d = NULL;
    shape s;
    rap_status status = shape_read(&s, model, err);

    *out = (lora){ .pair = NULL };
    if (!status && !folder)
        status = err_memory(err, "reading an adapter");
    if (!status)
        status = need_config(path, folder, err);
    if (!status)
        status = read_config(&out->alpha, folder, err);
    if (!status)
        status = state_dict_open(&d, file, err);
    for (size_t i = 0; !status && i < state_dict_count(d); i++)
        status = take_half(out, &s, state_dict_at(d, i), file, err);
    if (!status)
        status = lora_check(out, file, model, err);
    state_dict_close(d);
    free(file);
    free(folder);
    if (status)
        lora_release(out);
    return status;
}

/* ---- the projector ---- */

typedef struct projecting {
    const state_dict *d;
    int found;
} projecting;

/* The tensor whose name ends in "mm_projector.0.weight" for "mm.0.weight"; NULL: none. */
static const state_tensor *projector_tensor(const state_dict *d, const char *name)
{
    char end[160];

    if (strncmp(name, "mm.", 3) != 0)
        return NULL;
    snprintf(end, sizeof end, "mm_projector.%s", name + 3);
    for (size_t i = 0; i < state_dict_count(d); i++) {
        const char *full = state_dict_at(d, i)->name;
        size_t len = strlen(full), tail = strlen(end);

        if (len >= tail && strcmp(full + len - tail, end) == 0 &&
            (len == tail || full[len - tail - 1] == '.'))
            return state_dict_at(d, i);
    }
    return NULL;
}

static rap_status projected(float **out, const gguf_tensor *t, void *payload, rap_err *err)
{
    projecting *p = payload;
    const state_tensor *from = projector_tensor(p->d, t->name);
    bool fits;

    if (!from)
        return RAP_OK;
    fits = from->dims == t->dims && from->size[from->dims - 1] == t->ne[0] &&
           (from->dims == 1 || (from->dims == 2 && from->size[0] == t->ne[1]));
    if (!fits)
        return err_set(err, RAP_E_MODEL, "%s: '%.120s' is not of the shape of '%s' in the mmproj",
                       state_dict_path(p->d), from->name, t->name);
    p->found++;
    return state_tensor_floats(from, out, err);
}

/* Tensors of the mmproj's projector, and those among them that the checkpoint has. */
static rap_status check_projector(const state_dict *d, const gguf_file *mmproj, rap_err *err)
{
    size_t wanted = 0;

    for (size_t i = 0; i < gguf_tensor_count(mmproj); i++) {
        const char *name = gguf_tensor_at(mmproj, i)->name;

        if (strncmp(name, "mm.", 3) != 0)
            continue;
        wanted++;
        if (!projector_tensor(d, name))
            return err_set(err, RAP_E_MODEL, "%s: has no projector tensor for '%s' of '%s'",
                           state_dict_path(d), name, gguf_file_path(mmproj));
    }
    return wanted ? RAP_OK
                  : err_set(err, RAP_E_MODEL, "%s: has no projector (no tensor 'mm.…')",
                            gguf_file_path(mmproj));
}

rap_status projector_import(const char *path, const gguf_file *mmproj, const char *out,
                            rap_err *err)
{
    state_dict *d = NULL;
    projecting p = { NULL, 0 };
    rap_status status = state_dict_open(&d, path, err);

    p.d = d;
    if (!status)
        status = check_projector(d, mmproj, err);
    if (!status)
        status = gguf_renumber(mmproj, out, projected, &p, err);
    state_dict_close(d);
    return status;
}

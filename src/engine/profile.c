/* profile.c: reading the fields, then finding the folder. */
#include "engine/profile.h"

#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path_find.h"
#include "formats/json.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_EXTRA_WORDS = 1000 };
#define PROFILE_LIMIT (1u << 20) /* bytes of a profile.json */

#ifndef RAP_SOURCE_PROFILE
#define RAP_SOURCE_PROFILE "models/tiny"
#endif
#ifndef RAP_TINY_DIR_INSTALL
#define RAP_TINY_DIR_INSTALL "/usr/share/rap/models/tiny"
#endif

/* ---- fields ---- */

/* A text of `object` ("files.llm"), where it has one. */
static rap_status read_text(const char **out, const profile *p, const json_t *json,
                            const char *object, const char *key, rap_err *err)
{
    const json_t *value = json_object_get(json, key);

    if (!value)
        return RAP_OK;
    *out = json_string_value(value);
    if (*out && strlen(*out) == json_string_length(value))
        return RAP_OK;
    return err_set(err, RAP_E_FORMAT, "%s: \"%s.%s\" is not a text", p->file, object, key);
}

/* One file: {"path": …, "sha256": …}; `object` ("files.llm") is for errors. Paths are relative to the profile's folder. */
static rap_status read_file(profile *p, profile_file *out, const json_t *json, const char *object,
                            rap_err *err)
{
    const char *path = NULL;
    rap_status status;

    out->sha256 = "";
    if (!json_is_object(json))
        return err_set(err, RAP_E_FORMAT, "%s: \"%s\" must be an object with a \"path\"", p->file,
                       object);
    status = read_text(&path, p, json, object, "path", err);
    if (status == RAP_OK)
        status = read_text(&out->sha256, p, json, object, "sha256", err);
    if (status != RAP_OK)
        return status;
    if (!path || !*path)
        return err_set(err, RAP_E_FORMAT, "%s: \"%s.path\" is missing", p->file, object);
    if (*out->sha256 && strlen(out->sha256) != 64)
        return err_set(err, RAP_E_FORMAT, "%s: \"%s.sha256\" must be 64 hex digits", p->file,
                       object);
    out->path = path_find(p->folder, path);
    return out->path ? RAP_OK : err_memory(err, "reading a profile");
}

/* files.<field>, where it is. */
static rap_status read_file_field(profile *p, profile_file *out, const char *field, rap_err *err)
{
    char object[48];
    const json_t *json;

    snprintf(object, sizeof object, "files.%s", field);
    json = json_at(p->json, object);
    out->sha256 = "";
    return json ? read_file(p, out, json, object, err) : RAP_OK;
}

/* files.lora: one adapter or a list of them, each a file with a "scale" (1). */
static rap_status read_adapters(profile *p, rap_err *err)
{
    const json_t *json = json_at(p->json, "files.lora");
    size_t count = json_is_array(json) ? json_array_size(json) : json != NULL;
    rap_status status = RAP_OK;

    if (count > VLM_LORAS)
        return err_set(err, RAP_E_FORMAT, "%s: \"files.lora\" has more than %d adapters", p->file,
                       VLM_LORAS);
    for (size_t i = 0; status == RAP_OK && i < count; i++) {
        const json_t *one = json_is_array(json) ? json_array_get(json, i) : json;

        p->loras = (int)i + 1;
        p->lora_scale[i] = 1;
        status = read_file(p, &p->lora[i], one, "files.lora", err);
        if (status == RAP_OK)
            status = json_get_float(&p->lora_scale[i], one, "scale", -100, 100, p->file, err);
    }
    return status;
}

/* What the language model may take, and in which order. */
static rap_status read_limits(profile *p, rap_err *err)
{
    const struct {
        int *out;
        const char *field;
        int low, high;
    } limits[] = { { &p->context, "context", 0, 1 << 20 },
                   { &p->image_tokens, "image_tokens", 0, 1 << 16 },
                   { &p->concept_tokens, "concept_tokens", -1, 1 << 16 },
                   { &p->gpu_layers, "gpu_layers", -1, 1 << 10 },
                   { &p->prefix_cache, "prefix_cache", 0, 1 << 20 } };
    bool memory_first = strcmp(p->style, "chat") == 0; /* not tuned on the RAP prompt */
    rap_status status = json_get_bool(&memory_first, p->json, "prompt.memory_first", p->file, err);

    p->turns.memory_first = memory_first;
    for (size_t i = 0; status == RAP_OK && i < sizeof limits / sizeof *limits; i++)
        status = json_get_int(limits[i].out, p->json, limits[i].field, limits[i].low,
                              limits[i].high, p->file, err);
    return status;
}

/* generator: a chat endpoint in place of `files.llm`. */
static rap_status read_generator(profile *p, rap_err *err)
{
    const json_t *json = json_object_get(p->json, "generator");
    const struct {
        int *out;
        const char *field;
        int low, high;
    } numbers[] = { { &p->photo_side, "generator.photo_side", 32, 1 << 14 },
                    { &p->concept_side, "generator.concept_side", 32, 1 << 14 },
                    { &p->timeout, "generator.timeout", 1, 86400 } };
    rap_status status;

    if (!json)
        return RAP_OK;
    if (!json_is_object(json))
        return err_set(err, RAP_E_FORMAT,
                       "%s: \"generator\" must be an object with \"endpoint\" and \"model\"",
                       p->file);
    if (json_object_get(json, "key") || json_object_get(json, "api_key"))
        return err_set(err, RAP_E_FORMAT,
                       "%s: \"generator\" holds a key; remove it and set RAP_API_KEY", p->file);
    status = json_get_string(&p->endpoint, p->json, "generator.endpoint", p->file, err);
    if (status == RAP_OK)
        status = json_get_string(&p->model, p->json, "generator.model", p->file, err);
    for (size_t i = 0; status == RAP_OK && i < sizeof numbers / sizeof *numbers; i++)
        status = json_get_int(numbers[i].out, p->json, numbers[i].field, numbers[i].low,
                              numbers[i].high, p->file, err);
    if (status == RAP_OK && (!p->endpoint || !*p->endpoint || !p->model || !*p->model))
        return err_set(err, RAP_E_FORMAT, "%s: \"generator.%s\" is missing", p->file,
                       p->endpoint && *p->endpoint ? "model" : "endpoint");
    return status;
}

static rap_status read_files(profile *p, rap_err *err)
{
    const struct {
        profile_file *out;
        const char *field;
    } files[] = { { &p->encoder, "encoder" },
                  { &p->text_encoder, "text_encoder" },
                  { &p->detector, "detector" },
                  { &p->llm, "llm" },
                  { &p->mmproj, "mmproj" } };

    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        rap_status status = read_file_field(p, files[i].out, files[i].field, err);

        if (status != RAP_OK)
            return status;
    }
    if (!p->encoder.path)
        return err_set(err, RAP_E_FORMAT, "%s: \"files.encoder\" is missing", p->file);
    return read_adapters(p, err);
}

/* choices: ended by NULL */
static rap_status one_of(const profile *p, const char *field, const char *value,
                         const char *const *choices, rap_err *err)
{
    char all[64] = "";
    for (size_t used = 0; *choices; choices++) {
        if (strcmp(value, *choices) == 0)
            return RAP_OK;
        int len = snprintf(all + used, sizeof all - used, "%s%s", used ? ", " : "", *choices);
        used += len > 0 ? (size_t)len : 0;
        used = used < sizeof all ? used : sizeof all - 1;
    }
    return err_set(err, RAP_E_FORMAT, "%s: \"%s\" is \"%s\", expected one of %s", p->file, field,
                   value, all);
}

static rap_status read_texts(profile *p, rap_err *err)
{
    static const char *const precisions[] = { "auto", "f32", "bf16", "int8", NULL };
    static const char *const styles[] = { "rap", "chat", NULL };
    static const char *const visions[] = { "auto", "own", "mtmd", NULL };
    const struct {
        const char **out;
        const char *field, *fallback;
    } texts[] = { { &p->name, "name", path_base(p->folder) },
                  { &p->description, "description", "" },
                  { &p->license, "license", "" },
                  { &p->precision, "precision", "auto" },
                  { &p->vision, "vision", "auto" },
                  { &p->style, "prompt.style", "rap" },
                  { &p->turns.system, "prompt.system", "" },
                  { &p->turns.before_user, "prompt.before_user", "USER: " },
                  { &p->turns.before_assistant, "prompt.before_assistant", " ASSISTANT:" },
                  { &p->turns.after_assistant, "prompt.after_assistant", "</s>" },
                  { &p->describe, "prompt.describe", PROMPT_DESCRIBE },
                  { &p->verify_question, "prompt.verify", PROMPT_VERIFY } };
    rap_status status = RAP_OK;

    for (size_t i = 0; status == RAP_OK && i < sizeof texts / sizeof *texts; i++) {
        *texts[i].out = texts[i].fallback;
        status = json_get_string(texts[i].out, p->json, texts[i].field, p->file, err);
    }
    if (status == RAP_OK)
        status = json_get_bool(&p->drawings_only, p->json, "drawings_only", p->file, err);
    if (status == RAP_OK)
        status = one_of(p, "precision", p->precision, precisions, err);
    if (status == RAP_OK)
        status = one_of(p, "vision", p->vision, visions, err);
    if (status == RAP_OK)
        status = one_of(p, "prompt.style", p->style, styles, err);
    return status;
}

static rap_status read_vocabulary(profile *p, rap_err *err)
{
    const char *field = "retrieval.extra_vocabulary";
    json_t *words = json_at(p->json, field);
    size_t count = words ? json_array_size(words) : 0;

    if (words && !json_is_array(words))
        return err_set(err, RAP_E_FORMAT, "%s: \"%s\" is not a list of texts", p->file, field);
    if (count > MAX_EXTRA_WORDS)
        return err_set(err, RAP_E_FORMAT, "%s: \"%s\" has %zu words, the limit is %d", p->file,
                       field, count, MAX_EXTRA_WORDS);
    p->extra_vocabulary = mem_array(count + 1, sizeof *p->extra_vocabulary);
    if (!p->extra_vocabulary)
        return err_memory(err, "reading a profile");
    for (size_t i = 0; i < count; i++) {
        p->extra_vocabulary[i] = json_string_value(json_array_get(words, i));
        if (!p->extra_vocabulary[i] || !*p->extra_vocabulary[i])
            return err_set(err, RAP_E_FORMAT, "%s: \"%s\" is not a list of texts", p->file, field);
    }
    return RAP_OK;
}

/* Numbers from −1 to 1. */
static rap_status read_vector(float *out, const json_t *list, size_t count, const profile *p,
                              const char *field, rap_err *err)
{
    for (size_t i = 0; i < count; i++) {
        const json_t *value = json_array_get(list, i);

        if (!json_is_number(value) || !(fabs(json_number_value(value)) <= 1))
            return err_set(err, RAP_E_FORMAT, "%s: \"%s\" must hold only numbers from -1 to 1",
                           p->file, field);
        out[i] = (float)json_number_value(value);
    }
    return RAP_OK;
}

/* retrieval.center: the mean direction that judge.h subtracts. */
static rap_status read_center(profile *p, rap_err *err)
{
    const char *field = "retrieval.center";
    json_t *list = json_at(p->json, field);
    size_t count = list ? json_array_size(list) : 0;

    if (!list)
        return RAP_OK;
    if (count == 0 || count > 65536)
        return err_set(err, RAP_E_FORMAT, "%s: \"%s\" must be a list of numbers", p->file, field);
    p->center = mem_array(count, sizeof *p->center);
    p->center_dim = (int)count;
    return p->center ? read_vector(p->center, list, count, p, field, err)
                     : err_memory(err, "reading a profile");
}

/* retrieval.spread: the axes of the within-class scatter, along which judge.h shrinks vectors. */
static rap_status read_scatter(profile *p, rap_err *err)
{
    const char *field = "retrieval.spread";
    json_t *list = json_at(p->json, field);
    size_t rows = list ? json_array_size(list) : 0, dim = json_array_size(json_array_get(list, 0));
    rap_status status = RAP_OK;

    if (!list)
        return RAP_OK;
    if (p->center && dim != (size_t)p->center_dim)
        return err_set(err, RAP_E_FORMAT, "%s: the lists of \"%s\" must be as long as the center",
                       p->file, field);
    if (rows == 0 || rows > 256 || dim == 0 || dim > 65536)
        return err_set(err, RAP_E_FORMAT, "%s: \"%s\" must be a list of lists of numbers", p->file,
                       field);
    p->scatter = mem_array(rows * dim, sizeof *p->scatter);
    p->axes = (int)rows;
    p->scatter_dim = (int)dim;
    if (!p->scatter)
        return err_memory(err, "reading a profile");
    for (size_t i = 0; status == RAP_OK && i < rows; i++) {
        const json_t *row = json_array_get(list, i);

        status = json_array_size(row) == dim
                     ? read_vector(p->scatter + i * dim, row, dim, p, field, err)
                     : err_set(err, RAP_E_FORMAT,
                               "%s: the lists of \"%s\" must have the same length", p->file, field);
    }
    return status;
}

static rap_status read_judgement(profile *p, rap_err *err)
{
    const json_t *j = p->json;
    rap_status status = json_get_float(&p->threshold, j, "retrieval.threshold", 0, 2, p->file, err);

    if (status == RAP_OK)
        status = json_get_float(&p->crowding, j, "retrieval.crowding", 0, 2, p->file, err);
    if (status == RAP_OK)
        status = json_get_float(&p->ambiguity, j, "retrieval.ambiguity", 0, 2, p->file, err);
    if (status == RAP_OK)
        status = read_center(p, err);
    return status == RAP_OK ? read_scatter(p, err) : status;
}

static rap_status read_retrieval(profile *p, rap_err *err)
{
    const json_t *j = p->json;
    bool square = true;
    rap_status status;

    p->k = 3;
    p->max_regions = 10;
    p->threshold = 2; /* the largest possible distance: without calibration nothing is rejected */
    p->ambiguity = 0.03f;
    p->verify_threshold = 0.5f;
    p->detector_confidence = 0.1f;
    p->detector_iou = 0.5f;
    status = json_get_int(&p->k, j, "retrieval.k", 1, 64, p->file, err);
    if (status == RAP_OK)
        status = json_get_int(&p->max_regions, j, "retrieval.max_regions", 1, 300, p->file, err);
    if (status == RAP_OK)
        status = json_get_float(&p->detector_confidence, j, "retrieval.detector_confidence", 0, 1,
                                p->file, err);
    if (status == RAP_OK)
        status = json_get_float(&p->detector_iou, j, "retrieval.detector_iou", 0, 1, p->file, err);
    if (status == RAP_OK)
        status = json_get_float(&p->crop.margin, j, "retrieval.crop_margin", 0, 2, p->file, err);
    if (status == RAP_OK)
        status = json_get_float(&p->crop.inner, j, "retrieval.inner_crop", 0, 0.4, p->file, err);
    if (status == RAP_OK) /* the name of this setting in older profiles */
        status =
            json_get_int(&p->crop.crops, j, "retrieval.inner_cuts", 1, EMBED_CROPS, p->file, err);
    if (status == RAP_OK)
        status = json_get_int(&p->crop.crops, j, "retrieval.inner_crop_count", 1, EMBED_CROPS,
                              p->file, err);
    if (status == RAP_OK)
        status = read_judgement(p, err);
    if (status == RAP_OK)
        status = json_get_bool(&p->verify, j, "retrieval.verify", p->file, err);
    if (status == RAP_OK)
        status = json_get_float(&p->verify_threshold, j, "retrieval.verify_threshold", 0, 1,
                                p->file, err);
    if (status == RAP_OK)
        status = json_get_bool(&square, j, "retrieval.square_crops", p->file, err);
    p->crop.square = square;
    return status == RAP_OK ? read_vocabulary(p, err) : status;
}

static rap_status profile_read(profile *p, rap_err *err)
{
    rap_status status = json_read(&p->json, p->file, PROFILE_LIMIT, err);

    if (status == RAP_OK)
        status = read_texts(p, err);
    if (status == RAP_OK)
        status = read_files(p, err);
    if (status == RAP_OK)
        status = read_limits(p, err);
    if (status == RAP_OK)
        status = read_generator(p, err);
    return status == RAP_OK ? read_retrieval(p, err) : status;
}

rap_status profile_need(const profile *p, const profile_file *file, const char *field,
                        const char *needed_by, rap_err *err)
{
    if (!file->path)
        return err_set(err, RAP_E_UNSUPPORTED, "profile %s has no %s: %s needs one (see %s)",
                       p->name, field, needed_by, p->file);
    if (!file_exists(file->path) || file_is_folder(file->path))
        return err_set(err, RAP_E_NOT_FOUND, "%s: no such file; %s names it in \"files.%s\"",
                       file->path, p->file, field);
    return RAP_OK;
}

rap_status profile_spare(const profile *p, const char *out, rap_err *err)
{
    const char *const file[] = { p->file,          p->encoder.path, p->text_encoder.path,
                                 p->detector.path, p->llm.path,     p->mmproj.path };
    rap_status status = RAP_OK;

    for (size_t i = 0; status == RAP_OK && i < sizeof file / sizeof *file; i++)
        status = file_spare(out, file[i], NULL, err);
    for (int i = 0; status == RAP_OK && i < p->loras; i++)
        status = file_spare(out, p->lora[i].path, NULL, err);
    return status;
}

static void drop_adapters(profile *p)
{
    for (int i = 0; i < p->loras; i++)
        free(p->lora[i].path);
    p->loras = 0;
}

rap_status profile_wear(profile *p, const char *const *lora, rap_err *err)
{
    if (!lora)
        return RAP_OK;
    drop_adapters(p);
    for (; *lora; lora++) {
        profile_file *worn = &p->lora[p->loras];

        if (p->loras == VLM_LORAS)
            return err_set(err, RAP_E_LIMIT, "%d adapters are possible, and more are given",
                           VLM_LORAS);
        if (!file_exists(*lora) || file_is_folder(*lora))
            return err_set(err, RAP_E_NOT_FOUND, "%s: no such adapter", *lora);
        *worn = (profile_file){ mem_string(*lora), "" };
        if (!worn->path)
            return err_memory(err, "reading a profile");
        p->lora_scale[p->loras++] = 1;
    }
    return RAP_OK;
}

void profile_close(profile *p)
{
    if (!p)
        return;
    free(p->encoder.path);
    free(p->text_encoder.path);
    free(p->detector.path);
    free(p->llm.path);
    free(p->mmproj.path);
    drop_adapters(p);
    free(p->extra_vocabulary);
    free(p->center);
    free(p->scatter);
    free(p->folder);
    free(p->file);
    json_decref(p->json);
    free(p);
}

/* ---- finding the folder ---- */

static int holds_profile(const char *folder, bool *no_memory)
{
    char *file = folder ? path_join(folder, "profile.json") : NULL;
    int holds = file && file_exists(file) && !file_is_folder(file);

    if (!file && errno == ENOMEM)
        *no_memory = true;
    free(file);
    return holds;
}

/* Takes ownership of `folder`; returns it if it holds a profile, else NULL. */
static char *only_if_profile(char *folder, bool *no_memory)
{
    if (holds_profile(folder, no_memory))
        return folder;
    free(folder);
    return NULL;
}

/* The profile at a path or of a name that the user gave. NULL when there is none. */
static char *find_named(const char *where, bool *no_memory)
{
    char *found, *relative;
    buf name = BUF_INIT;

    if (strcmp(path_base(where), "profile.json") == 0)
        return only_if_profile(path_folder(where), no_memory);
    found = only_if_profile(mem_string(where), no_memory);
    if (found || strchr(where, '/'))
        return found;
    buf_printf(&name, "profiles/%s", where);
    relative = buf_detach(&name);
    found = relative ? only_if_profile(path_user_data(relative), no_memory) : NULL;
    free(relative);
    return found;
}

static char *find_default(bool *no_memory)
{
    char *found = only_if_profile(path_user_data("profiles/default"), no_memory);

    if (!found)
        found = only_if_profile(path_beside_program("../models/tiny"), no_memory);
    if (!found)
        found = only_if_profile(path_beside_program("../share/rap/models/tiny"), no_memory);
    if (!found)
        found = only_if_profile(mem_string(RAP_SOURCE_PROFILE), no_memory);
    if (!found)
        found = only_if_profile(mem_string(RAP_TINY_DIR_INSTALL), no_memory);
    return found;
}

static rap_status find_folder(char **out, const char *where, rap_err *err)
{
    bool no_memory = false;

    errno = 0; /* so that ENOMEM is of these calls */
    if (!where || !*where)
        where = getenv("RAP_PROFILE");
    *out = where && *where ? find_named(where, &no_memory) : find_default(&no_memory);
    if (no_memory) { /* what was found is perhaps not the first that there is */
        free(*out);
        *out = NULL;
        return err_memory(err, "finding a profile");
    }
    if (*out)
        return RAP_OK;
    if (where && *where)
        return err_set(err, RAP_E_NOT_FOUND,
                       "%s: no profile.json there, and no profile of that name in the user's "
                       "data folder",
                       where);
    return err_set(err, RAP_E_NOT_FOUND,
                   "no profile.json found: neither a default profile nor %s is there",
                   RAP_TINY_DIR_INSTALL);
}

rap_status profile_open(profile **out, const char *where, rap_err *err)
{
    profile *p = mem_array(1, sizeof *p);
    rap_status status;

    *out = NULL;
    if (!p)
        return err_memory(err, "opening a profile");
    status = find_folder(&p->folder, where, err);
    if (status == RAP_OK) {
        p->file = path_join(p->folder, "profile.json");
        status = p->file ? profile_read(p, err) : err_memory(err, "opening a profile");
    }
    if (status == RAP_OK)
        *out = p;
    else
        profile_close(p);
    return status;
}

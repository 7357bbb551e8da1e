/* describe.c: the handle as JSON (profile, models, store, versions), for `rap doctor`, `rap models` and bug reports;
 * and the times of its layers. */
#include "rap/handle.h"

#include "base/file.h"
#include "formats/json.h"

#include <oneapi/dnnl/dnnl.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>
#include <vips/vips.h>

/* {"path", "size"}, and "state" for a missing file or one that was compared with the checksum in profile.json. */
static json_t *describe_file(const profile_file *file)
{
    json_t *out = json_pack("{s:o}", "path", json_any_text(file->path));
    char hash[65];
    struct stat info;

    if (stat(file->path, &info) != 0 || !S_ISREG(info.st_mode)) {
        json_object_set_new(out, "state", json_string("missing"));
        return out;
    }
    json_object_set_new(out, "size", json_integer(info.st_size));
    if (!*file->sha256)
        return out;
    if (file_sha256(hash, file->path, NULL) != RAP_OK)
        json_object_set_new(out, "state", json_string("unreadable"));
    else
        json_object_set_new(out, "state",
                            json_string(strcasecmp(hash, file->sha256) == 0
                                            ? "ok"
                                            : "not the file that profile.json names"));
    json_object_set_new(out, "sha256", json_string(file->sha256));
    return out;
}

static json_t *describe_files(const profile *p)
{
    const struct {
        const char *name;
        const profile_file *file;
    } files[] = { { "encoder", &p->encoder },   { "text_encoder", &p->text_encoder },
                  { "detector", &p->detector }, { "llm", &p->llm },
                  { "mmproj", &p->mmproj },     { "lora", &p->lora[0] } };
    json_t *out = json_object();

    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (files[i].file->path)
            json_object_set_new(out, files[i].name, describe_file(files[i].file));
    return out;
}

static json_t *describe_profile(const rap *r)
{
    const profile *p;
    rap_err err = { RAP_OK, "" };
    json_t *out;

    if (engine_profile(&p, r->engine, &err) != RAP_OK)
        return json_pack("{s:s}", "error", err.text);
    out = json_pack("{s:o, s:s, s:s, s:o, s:s, s:o, s:{s:i, s:f, s:f, s:f, s:i}}", "name",
                    json_any_text(p->name), "description", p->description, "license", p->license,
                    "file", json_any_text(p->file), "prompt", p->style, "files", describe_files(p),
                    "retrieval", "k", p->k, "threshold", (double)p->threshold,
                    "detector_confidence", (double)p->detector_confidence, "detector_iou",
                    (double)p->detector_iou, "max_regions", p->max_regions);
    if (p->endpoint)
        json_object_set_new(out, "generator",
                            json_pack("{s:o, s:o}", "endpoint", json_any_text(p->endpoint), "model",
                                      json_any_text(p->model)));
    return out;
}

/* Unreadable pictures are known once a photo was looked at. */
static json_t *describe_store(const rap *r, int64_t concepts)
{
    char **name = NULL;
    size_t count = 0;
    json_t *out = json_pack("{s:o, s:I}", "path", json_any_text(store_path(r->store)), "concepts",
                            (json_int_t)concepts);
    json_t *unreadable = NULL;

    if (store_unreadable(r->store, &name, &count, NULL) == RAP_OK && count)
        unreadable = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(unreadable, json_string(name[i]));
    if (unreadable)
        json_object_set_new(out, "unreadable_pictures_of", unreadable);
    store_strings_free(name, count);
    return out;
}

static json_t *describe_cpu(const rap *r)
{
    json_t *features = json_array();

#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2"))
        json_array_append_new(features, json_string("avx2"));
    if (__builtin_cpu_supports("fma"))
        json_array_append_new(features, json_string("fma"));
    if (__builtin_cpu_supports("avx512f"))
        json_array_append_new(features, json_string("avx512f"));
    if (__builtin_cpu_supports("avx512bf16"))
        json_array_append_new(features, json_string("avx512bf16"));
#endif
    return json_pack("{s:i, s:o}", "threads", r->threads, "features", features);
}

static json_t *describe_versions(void)
{
    const dnnl_version_t *dnnl = dnnl_version();

    return json_pack("{s:s, s:s, s:s, s:s, s:o}", "rap", RAP_VERSION, "sqlite",
                     sqlite3_libversion(), "vips", vips_version_string(), "jansson",
                     jansson_version_str(), "onednn",
                     json_sprintf("%d.%d.%d", dnnl->major, dnnl->minor, dnnl->patch));
}

rap_status rap_describe(char **out, rap *r)
{
    json_t *document;
    int64_t concepts = 0;
    rap_status status;

    if (out)
        *out = NULL;
    if (!rap_ready(r) || !out)
        return RAP_E_ARGUMENT;
    status = store_count(r->store, &concepts, &r->err);
    if (status != RAP_OK)
        return status;
    document = json_pack("{s:o, s:o, s:o, s:s, s:o}", "versions", describe_versions(), "profile",
                         describe_profile(r), "store", describe_store(r, concepts), "policy",
                         r->options.policy == RAP_POLICY_PAPER ? "paper" : "default", "cpu",
                         describe_cpu(r));
    *out = document ? json_text(document) : NULL;
    json_decref(document);
    return *out ? RAP_OK : err_memory(&r->err, "describing the installation");
}

/* ---- layers ------------------------------------------------------------------------------- */

rap_status rap_layers(char **out, rap *r)
{
    if (out)
        *out = NULL;
    if (!rap_ready(r) || !out)
        return RAP_E_ARGUMENT;
    return engine_report(out, r->engine, &r->err);
}

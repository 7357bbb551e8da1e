/* assemble.c: inspects the profile's folder, runs the steps of a recipe, and swaps the new folder in. */
#include "pull/assemble.h"

#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/temp.h"
#include "convert/convert.h"
#include "formats/gguf_file.h"
#include "formats/json.h"
#include "generate/check/check.h"
#include "generate/quantise.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PROFILE_LIMIT ((size_t)1 << 20)

/* ---- the folder so far ---- */

static bool file_is(const char *folder, const json_t *file)
{
    const char *name = json_string_value(json_object_get(file, "path"));
    const json_t *bytes = json_object_get(file, "bytes");
    char *path = name ? path_join(folder, name) : NULL;
    struct stat info;
    bool is = path && json_is_integer(bytes) && stat(path, &info) == 0 && S_ISREG(info.st_mode) &&
              (json_int_t)info.st_size == json_integer_value(bytes);

    free(path);
    return is;
}

assemble_state assemble_look(const char *profile, const recipe *r)
{
    char *path = path_join(profile, "profile.json");
    const char *digest, *key;
    json_t *json = NULL, *file;
    bool whole = true;

    if (!file_exists(profile)) {
        free(path);
        return ASSEMBLE_NONE;
    }
    if (!path || json_read(&json, path, PROFILE_LIMIT, NULL) != RAP_OK) {
        free(path);
        return ASSEMBLE_FOREIGN;
    }
    digest = json_string_value(json_at(json, "recipe.sha256"));
    json_object_foreach(json_object_get(json, "files"), key, file) whole =
        whole && file_is(profile, file);
    whole = whole && digest && strcmp(digest, r->digest) == 0;
    json_decref(json);
    free(path);
    return !digest ? ASSEMBLE_FOREIGN : whole ? ASSEMBLE_DONE : ASSEMBLE_STALE;
}

/* ---- steps ---- */

typedef struct work {
    const assemble_input *in;
    temp folder;   /* where it is made */
    json_t *files; /* of profile.json */
    check_facts llm;
    bool has_llm;
    rap_err *err;
} work;

/* A hard link if the file system allows it, so that the file survives a cleaning of the cache; else a symbolic link. */
static rap_status take(const work *w, const char *from, const char *to)
{
    char *real = realpath(from, NULL);
    rap_status status = RAP_OK;

    if (!real)
        return err_set(w->err, RAP_E_IO, "%s: %m", from);
    if (link(real, to) != 0 && symlink(real, to) != 0)
        status = err_set(w->err, RAP_E_IO, "%s: cannot link %s: %m", to, real);
    free(real);
    return status;
}

static convert_part part_of(const char *role)
{
    return strcmp(role, "llm") == 0      ? CONVERT_LLM
           : strcmp(role, "mmproj") == 0 ? CONVERT_MMPROJ
                                         : CONVERT_ALL;
}

static rap_status convert(const work *w, const recipe_step *s, const char *from, const char *to)
{
    char *vocab = s->vocab ? path_join(w->in->folder[s->source], s->vocab) : NULL;
    char *tower = s->tower >= 0 ? w->in->folder[s->tower] : NULL;
    convert_options options = { .vocab = vocab,
                                .image_size = s->image_size,
                                .tower = tower,
                                .quantise = quantise,
                                .part = part_of(s->role) };
    rap_status status = RAP_OK;

    if (s->vocab && !vocab)
        return err_memory(w->err, "converting");
    if (*s->type)
        status = convert_set_type(&options, s->type, w->err);
    if (status == RAP_OK)
        status = convert_file(from, to, &options, w->err);
    free(vocab);
    return status;
}

/* Checks a model file before it is used. mmproj and lora are compared with the llm. */
static rap_status check_made(work *w, const recipe_step *s, const char *path)
{
    gguf_file *g = NULL;
    rap_status status;

    if (strcmp(s->role, "llm") == 0) {
        status = check_model(&w->llm, path, w->err);
        w->has_llm = status == RAP_OK;
        return status;
    }
    if (w->has_llm && strcmp(s->role, "mmproj") == 0)
        return check_mmproj(path, &w->llm, w->err);
    if (w->has_llm && strcmp(s->role, "lora") == 0)
        return check_lora(path, &w->llm, w->err);
    status = gguf_file_open(&g, path, w->err);
    gguf_file_close(g);
    return status;
}

static rap_status note(work *w, const recipe_step *s, const char *path)
{
    char digest[65];
    struct stat info;
    rap_status status = file_sha256(digest, path, w->err);

    if (status != RAP_OK)
        return status;
    if (stat(path, &info) != 0)
        return err_set(w->err, RAP_E_IO, "%s: %m", path);
    if (json_object_set_new(w->files, s->role,
                            json_pack("{s:s, s:s, s:I}", "path", s->as, "sha256", digest, "bytes",
                                      (json_int_t)info.st_size)) != 0)
        return err_memory(w->err, "writing a profile");
    return RAP_OK;
}

static rap_status do_step(work *w, const recipe_step *s)
{
    const assemble_input *in = w->in;
    char *from =
        s->from ? path_join(in->folder[s->source], s->from) : mem_string(in->folder[s->source]);
    char *to = path_join(w->folder.path, s->as);
    rap_status status = from && to ? RAP_OK : err_memory(w->err, "making a profile");

    if (status == RAP_OK && in->on_step &&
        in->on_step(s->convert ? "converting" : "checking", s->as, in->payload))
        status = err_set(w->err, RAP_E_CANCELLED, "stopped; run the same command to resume");
    if (status == RAP_OK)
        status = s->convert ? convert(w, s, from, to) : take(w, from, to);
    if (status == RAP_OK) /* so that an error names a file that still exists */
        status = check_made(w, s, s->convert ? to : from);
    if (status == RAP_OK)
        status = note(w, s, to);
    free(from);
    free(to);
    return status;
}

/* llm before the files that are compared with it. */
static rap_status do_steps(work *w)
{
    const recipe *r = w->in->recipe;
    rap_status status = RAP_OK;

    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; status == RAP_OK && i < r->step_count; i++)
            if ((strcmp(r->step[i].role, "llm") == 0) == (pass == 0))
                status = do_step(w, &r->step[i]);
    return status;
}

/* The recipe's fields of profile.json, then the files that were made. */
static rap_status write_profile(work *w)
{
    const recipe *r = w->in->recipe;
    json_t *json = json_pack("{s:s, s:s, s:s}", "name", r->name, "description", r->description,
                             "license", r->license);
    char *path = path_join(w->folder.path, "profile.json"), *text = NULL;
    rap_status status = err_memory(w->err, "writing a profile");

    if (json && path && (!r->profile || json_object_update(json, (json_t *)r->profile) == 0) &&
        json_object_set(json, "files", w->files) == 0 &&
        json_object_set_new(json, "recipe",
                            json_pack("{s:s, s:s}", "name", r->name, "sha256", r->digest)) == 0)
        text = json_text(json);
    if (text) {
        err_clear(w->err);
        status = file_write(path, text, strlen(text), w->err);
    }
    free(text);
    free(path);
    json_decref(json);
    return status;
}

/* ---- folders ---- */

/* Removes a profile: a folder without subfolders. */
static void remove_flat(const char *folder)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;

    while (dir && (entry = readdir(dir)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            unlinkat(dirfd(dir), entry->d_name, 0);
    if (dir)
        closedir(dir);
    rmdir(folder);
}

/* Makes a temporary folder next to the profile. */
static rap_status make_folder(work *w)
{
    char *parent = path_folder(w->in->profile), *target = NULL;
    rap_status status =
        parent ? file_make_folders(parent, w->err) : err_memory(w->err, "making a profile");

    if (status == RAP_OK && asprintf(&target, "%s/.%s", parent, path_base(w->in->profile)) < 0) {
        target = NULL;
        status = err_memory(w->err, "making a profile");
    }
    if (status == RAP_OK)
        status = temp_folder(&w->folder, target, 0777, w->err);
    free(target);
    free(parent);
    return status;
}

/* Swaps the new profile in; an older one ends up in the temporary folder, and is removed with it. */
static rap_status put_in_place(const work *w)
{
    const char *made = w->folder.path, *profile = w->in->profile;

    if (rename(made, profile) == 0)
        return RAP_OK;
    if (errno != EEXIST && errno != ENOTEMPTY)
        return err_set(w->err, RAP_E_IO, "%s: cannot create the profile: %m", profile);
    if (renameat2(AT_FDCWD, made, AT_FDCWD, profile, RENAME_EXCHANGE) != 0) {
        remove_flat(profile);
        if (rename(made, profile) != 0)
            return err_set(w->err, RAP_E_IO, "%s: cannot replace the profile: %m", profile);
    }
    return RAP_OK;
}

rap_status assemble(const assemble_input *in, rap_err *err)
{
    work w = { .in = in, .files = json_object(), .folder = TEMP_INIT, .err = err };
    rap_status status = w.files ? make_folder(&w) : err_memory(err, "making a profile");

    if (status == RAP_OK)
        status = do_steps(&w);
    if (status == RAP_OK)
        status = write_profile(&w);
    if (status == RAP_OK)
        status = put_in_place(&w);
    temp_remove(&w.folder);
    json_decref(w.files);
    return status;
}

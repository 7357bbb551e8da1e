/* pull.c: finds the recipe, looks in the cache, asks the hub, checks the disk, downloads, assembles. */
#include "pull/pull.h"

#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "formats/json.h"
#include "pull/assemble.h"
#include "pull/fetch.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>

#define DISK_SPARE ((int64_t)64 << 20) /* bytes left free on purpose */

typedef struct pull {
    const pull_options *o;
    recipe *r;
    hub hub;
    http *http;   /* NULL offline */
    fetch *files; /* [count] every file of every source, in the recipe's order */
    int count;
    char *profile;       /* the folder to make */
    const char *current; /* the file that events are about */
    rap_err *err;
} pull;

static char *profile_folder(const char *name)
{
    buf relative = BUF_INIT;
    char *folder = NULL;

    buf_printf(&relative, "profiles/%s", name);
    if (!buf_failed(&relative))
        folder = path_user_data(buf_text(&relative));
    buf_release(&relative);
    return folder;
}

/* ---- events ---- */

static int is_cancelled(void *payload)
{
    const pull *p = payload;

    return p->o->cancelled && p->o->cancelled(p->o->payload);
}

static int tell(const pull *p, pull_event event, const char *file, const char *text, int64_t done,
                int64_t total)
{
    if (is_cancelled((void *)p))
        return 1;
    return p->o->on_event ? p->o->on_event(event, file, text, done, total, p->o->payload) : 0;
}

static int on_fetch(fetch_event event, const char *text, int64_t done, int64_t total, void *payload)
{
    const pull *p = payload;

    switch (event) {
    case FETCH_BYTES:
        return tell(p, PULL_BYTES, p->current, NULL, done, total);
    case FETCH_RETRY:
        return tell(p, PULL_RETRY, p->current, text, 0, 0);
    case FETCH_CHECK:
        return is_cancelled(payload);
    case FETCH_WAIT: /* without a text it only checks whether to continue */
        return text ? tell(p, PULL_WAIT, p->current, text, 0, 0) : is_cancelled(payload);
    }
    return 0;
}

static int on_step(const char *what, const char *file, void *payload)
{
    return tell(payload, PULL_STEP, file, what, 0, 0);
}

/* ---- opening ---- */

static void release_files(pull *p)
{
    for (int i = 0; i < p->count; i++)
        fetch_release(&p->files[i]);
    free(p->files);
    p->files = NULL;
    p->count = 0;
}

static rap_status list_files(pull *p)
{
    size_t count = 0;

    release_files(p);
    for (int i = 0; i < p->r->source_count; i++)
        count += (size_t)p->r->source[i].file_count;
    p->files = mem_array(count, sizeof *p->files);
    if (!p->files)
        return err_memory(p->err, "pulling a profile");
    for (int i = 0; i < p->r->source_count; i++)
        for (int k = 0; k < p->r->source[i].file_count; k++) {
            fetch *f = &p->files[p->count++];
            rap_status status;

            f->source = &p->r->source[i];
            f->file = &p->r->source[i].file[k];
            status = fetch_find(f, &p->hub, p->err);
            if (status != RAP_OK)
                return status;
        }
    return RAP_OK;
}

/* An index of shards that is in the cache tells of further files. */
static rap_status list_shards(pull *p)
{
    bool more = false;
    rap_status status = RAP_OK;

    for (int i = 0, k = 0; i < p->r->source_count && status == RAP_OK; i++) {
        recipe_source *s = &p->r->source[i];
        int listed = s->file_count;

        for (int file = 0; file < listed && status == RAP_OK; file++, k++)
            if (s->file[file].shards && p->files[k].here) {
                status = recipe_add_shards(p->r, s, file, p->files[k].path, p->err);
                more = true;
            }
    }
    return status == RAP_OK && more ? list_files(p) : status;
}

/* The old profile is removed with everything in it, so no recipe may be there. */
static rap_status spare_recipe(const pull *p, const char *path)
{
    char *folder = path_folder(path);
    struct stat here, there;
    rap_status status = folder ? RAP_OK : err_memory(p->err, "pulling a profile");

    if (folder && stat(folder, &here) == 0 && stat(p->profile, &there) == 0 &&
        here.st_dev == there.st_dev && here.st_ino == there.st_ino)
        status = err_set(p->err, RAP_E_ARGUMENT,
                         "%s: is in the folder that its profile replaces; move it elsewhere", path);
    free(folder);
    return status;
}

static rap_status find_recipe(pull *p)
{
    char *path = NULL;
    rap_status status = recipe_find(&path, p->o->recipe, p->err);

    if (status == RAP_OK)
        status = recipe_read(&p->r, path, p->err);
    if (status == RAP_OK && !(p->profile = profile_folder(p->r->name)))
        status =
            err_set(p->err, RAP_E_ARGUMENT, "no folder for profiles: set XDG_DATA_HOME or HOME");
    if (status == RAP_OK)
        status = spare_recipe(p, path);
    free(path);
    return status;
}

static rap_status pull_open(pull *p)
{
    rap_status status = find_recipe(p);

    if (status != RAP_OK)
        return status;
    status = hub_open(&p->hub, p->o->offline, p->err);
    if (status == RAP_OK)
        status = list_files(p);
    return status == RAP_OK ? list_shards(p) : status;
}

static void pull_close(pull *p)
{
    release_files(p);
    http_close(p->http);
    hub_release(&p->hub);
    free(p->profile);
    recipe_free(p->r);
}

/* ---- the report ---- */

static json_t *report_file(const pull *p, const fetch *f)
{
    char *url = hub_url(&p->hub, f->source, f->source->revision, f->file->path);
    json_t *json =
        json_pack("{s:s, s:o, s:o, s:b}", "file", f->file->path, "url", json_any_text(url), "bytes",
                  f->bytes >= 0 ? json_integer(f->bytes) : json_null(), "here", (int)f->here);

    free(url);
    return json;
}

static rap_status report(json_t **out, const pull *p, const char *state)
{
    json_t *files = json_array();
    int64_t missing = 0;

    for (int i = 0; files && i < p->count; i++) {
        const fetch *f = &p->files[i];

        json_array_append_new(files, report_file(p, f));
        missing += f->here || f->bytes < 0 ? 0 : f->bytes;
    }
    *out = json_pack("{s:s, s:s, s:o, s:o, s:s, s:I, s:o}", "name", p->r->name, "license",
                     p->r->license, "profile", json_any_text(p->profile), "cache",
                     json_any_text(p->hub.cache), "state", state, "download", (json_int_t)missing,
                     "files", files);
    return *out ? RAP_OK : err_memory(p->err, "pulling a profile");
}

/* ---- before the download ---- */

/* A source's files come from one commit: that of the first reply is used for the others, and cached files of another
 * commit are requested again. */
static rap_status ask_source(pull *p, const fetch_settings *set, const recipe_source *source)
{
    char commit[41] = "";
    rap_status status = RAP_OK;

    for (int again = 0; again < 2; again++)
        for (int i = 0; i < p->count && status == RAP_OK; i++) {
            fetch *f = &p->files[i];
            bool other = *commit && strcmp(f->commit, commit) != 0;

            if (f->source != source || (again ? !other : f->here && !p->o->force))
                continue;
            p->current = f->file->path;
            status = fetch_ask(f, set, commit, p->err);
            memcpy(commit, f->commit, sizeof commit);
        }
    return status;
}

static rap_status ask_hub(pull *p, const fetch_settings *set)
{
    rap_status status = RAP_OK;

    for (int i = 0; p->hub.offline && i < p->count; i++) {
        const fetch *f = &p->files[i];

        if (!f->here)
            return err_set(p->err, RAP_E_NOT_FOUND,
                           "%s of %s is not in the cache %s, and offline nothing is downloaded",
                           f->file->path, f->source->hub, p->hub.cache);
    }
    for (int i = 0; !p->hub.offline && i < p->r->source_count && status == RAP_OK; i++)
        status = ask_source(p, set, &p->r->source[i]);
    return status;
}

/* The nearest folder that exists, of a path that may not yet. */
static bool disk_of(const char *path, struct statvfs *space, dev_t *device)
{
    char *at = mem_string(path);
    struct stat info;
    bool found = false;

    while (at && !(found = stat(at, &info) == 0)) {
        char *up = path_folder(at);
        bool top = !up || strcmp(up, at) == 0;

        free(at);
        at = up;
        if (top)
            break;
    }
    found = found && statvfs(at, space) == 0;
    *device = found ? info.st_dev : 0;
    free(at);
    return found;
}

static rap_status need_space(const pull *p, const char *path, const struct statvfs *space,
                             int64_t need)
{
    double available = (double)space->f_bavail * (double)space->f_frsize;

    if ((double)need + (double)DISK_SPARE <= available)
        return RAP_OK;
    return err_set(
        p->err, RAP_E_IO,
        "%s: needs %.1f GB, but %.1f GB are free; free some space, or set HF_HUB_CACHE and "
        "XDG_DATA_HOME to another disk",
        path, ((double)need + (double)DISK_SPARE) / 1e9, available / 1e9);
}

/* What is made of a source of so many bytes: about as many. A quantised language model also takes a temporary file, an
 * image projector is a small part of its source. */
static int64_t bytes_made(const recipe_step *s, int64_t bytes)
{
    if (strcmp(s->role, "mmproj") == 0 && !s->from)
        return 0;
    return strchr(s->type, '_') && strcmp(s->role, "llm") == 0 ? bytes + bytes / 2 : bytes;
}

/* Space for the remaining downloads and for the converted files. */
static rap_status check_disk(const pull *p)
{
    struct statvfs cache_space, profile_space;
    dev_t cache_disk, profile_disk;
    int64_t download = 0, made = 0;
    rap_status status = RAP_OK;

    for (int i = 0; i < p->count; i++)
        if (!p->files[i].here && p->files[i].bytes > p->files[i].have)
            download += p->files[i].bytes - p->files[i].have;
    for (int i = 0; i < p->r->step_count; i++) {
        const recipe_step *s = &p->r->step[i];

        for (int k = 0; s->convert && k < p->count; k++)
            if (p->files[k].source == &p->r->source[s->source] && p->files[k].bytes > 0 &&
                (!s->from || strcmp(s->from, p->files[k].file->path) == 0))
                made += bytes_made(s, p->files[k].bytes);
    }
    if (!disk_of(p->hub.cache, &cache_space, &cache_disk) ||
        !disk_of(p->profile, &profile_space, &profile_disk))
        return RAP_OK;
    if (cache_disk == profile_disk)
        return need_space(p, p->hub.cache, &cache_space, download + made);
    status = need_space(p, p->hub.cache, &cache_space, download);
    return status == RAP_OK ? need_space(p, p->profile, &profile_space, made) : status;
}

/* ---- the download and after ---- */

static rap_status get_files(pull *p, const fetch_settings *set)
{
    rap_status status = RAP_OK;

    for (int i = 0; i < p->count && status == RAP_OK; i++) {
        fetch *f = &p->files[i];
        bool here = f->here;
        int64_t before = f->have;

        p->current = f->file->path;
        status = fetch_get(f, set, p->err);
        if (status == RAP_OK && tell(p, here ? PULL_REUSED : PULL_FETCHED, p->current, NULL,
                                     here ? 0 : f->bytes - before, f->bytes))
            status = err_set(p->err, RAP_E_CANCELLED, "stopped; run the same command to resume");
    }
    return status;
}

static rap_status make_profile(pull *p)
{
    char **folders = mem_array((size_t)p->r->source_count, sizeof *folders);
    assemble_input in = { p->r, folders, p->profile, on_step, p };
    rap_status status = folders ? RAP_OK : err_memory(p->err, "making a profile");

    for (int i = 0; i < p->count && status == RAP_OK; i++) {
        size_t at = (size_t)(p->files[i].source - p->r->source);

        if (folders[at])
            continue;
        folders[at] = hub_snapshot(&p->hub, p->files[i].source, p->files[i].commit);
        if (!folders[at])
            status = err_memory(p->err, "making a profile");
    }
    if (status == RAP_OK)
        status = assemble(&in, p->err);
    for (int i = 0; folders && i < p->r->source_count; i++)
        free(folders[i]);
    free(folders);
    return status;
}

/* Indexes of shards come first: only then are all files known. */
static rap_status get_indexes(pull *p, const fetch_settings *set)
{
    rap_status status = RAP_OK;

    for (int i = 0; i < p->count && status == RAP_OK && !p->hub.offline; i++) {
        fetch *f = &p->files[i];

        if (!f->file->shards || f->here)
            continue;
        p->current = f->file->path;
        status = fetch_ask(f, set, "", p->err);
        if (status == RAP_OK)
            status = fetch_get(f, set, p->err);
        f->here = status == RAP_OK;
    }
    return status == RAP_OK ? list_shards(p) : status;
}

static rap_status fetch_all(pull *p)
{
    const http_settings net = { is_cancelled, p };
    fetch_settings set = { &p->hub,  NULL, p->o->stall_seconds, p->o->retries, p->o->retry_ms,
                           on_fetch, p };
    rap_status status = RAP_OK;

    if (!p->hub.offline)
        status = http_open(&p->http, &net, p->err);
    set.http = p->http;
    if (status == RAP_OK)
        status = get_indexes(p, &set);
    if (status == RAP_OK)
        status = ask_hub(p, &set);
    if (status == RAP_OK)
        status = check_disk(p);
    return status == RAP_OK ? get_files(p, &set) : status;
}

/* Two pulls of one profile run one after the other; the second finds it done. */
static rap_status lock_profile(int *out, const pull *p)
{
    char *folder = path_folder(p->profile), *path = NULL;
    bool announced = false;
    rap_status status = RAP_OK;

    if (!folder || asprintf(&path, "%s/.%s.lock", folder, p->r->name) < 0) {
        free(folder);
        return err_memory(p->err, "pulling a profile");
    }
    while ((status = hub_try_lock(out, path, p->err)) == RAP_E_BUSY) {
        struct timespec nap = { 0, 200 * 1000000L };

        if (announced ? is_cancelled((void *)p)
                      : tell(p, PULL_WAIT, p->r->name, "another process pulls it", 0, 0)) {
            status = err_set(p->err, RAP_E_CANCELLED, "stopped while another process pulls it");
            break;
        }
        announced = true;
        nanosleep(&nap, NULL);
    }
    if (status == RAP_OK)
        err_clear(p->err);
    free(folder);
    free(path);
    return status;
}

static rap_status run_locked(json_t **out, pull *p)
{
    assemble_state state = assemble_look(p->profile, p->r);
    rap_status status;

    if (state == ASSEMBLE_FOREIGN)
        return err_set(p->err, RAP_E_EXISTS,
                       "%s: already exists and was not made by rap pull; move it away first",
                       p->profile);
    if (state == ASSEMBLE_DONE && !p->o->force)
        return report(out, p, "done");
    status = fetch_all(p);
    if (status == RAP_OK)
        status = make_profile(p);
    return status == RAP_OK ? report(out, p, "made") : status;
}

rap_status pull_run(json_t **out, const pull_options *options, bool dry_run, rap_err *err)
{
    rap_err own = { 0 };
    pull p = { .o = options, .err = err ? err : &own };
    rap_status status = pull_open(&p);
    int lock = -1;

    *out = NULL;
    if (status == RAP_OK && dry_run) {
        status = report(out, &p, assemble_look(p.profile, p.r) == ASSEMBLE_DONE ? "done" : "to do");
    } else if (status == RAP_OK) {
        status = lock_profile(&lock, &p);
        if (status == RAP_OK)
            status = run_locked(out, &p);
        hub_unlock(lock);
    }
    pull_close(&p);
    return status;
}

/* ---- the list ---- */

typedef struct listing {
    json_t *rows;
    pull_on_broken *on_broken;
} listing;

static void list_broken(const char *why, void *payload)
{
    ((const listing *)payload)->on_broken(why);
}

static rap_status list_one(const recipe *r, void *payload, rap_err *err)
{
    const listing *list = payload;
    char *folder = profile_folder(r->name);
    bool made = folder && assemble_look(folder, r) == ASSEMBLE_DONE, all;
    int64_t bytes = recipe_bytes(r, &all);
    json_t *row = json_pack("{s:s, s:s, s:s, s:I, s:b, s:o}", "name", r->name, "description",
                            r->description, "license", r->license, "bytes", (json_int_t)bytes,
                            "at_least", (int)!all, "profile", json_any_text(made ? folder : NULL));

    free(folder);
    return row && json_array_append_new(list->rows, row) == 0 ? RAP_OK
                                                              : err_memory(err, "listing recipes");
}

rap_status pull_list(json_t **out, pull_on_broken *on_broken, rap_err *err)
{
    listing list = { json_array(), on_broken };
    rap_status status;

    *out = list.rows;
    if (!*out)
        return err_memory(err, "listing recipes");
    status = recipe_each(list_one, list_broken, &list, err);
    if (status != RAP_OK) {
        json_decref(*out);
        *out = NULL;
    }
    return status;
}

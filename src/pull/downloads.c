/* downloads.c: walks the repositories that recipes name in the hub's cache.
 *
 * Profiles hold hard links to their files where the file system allows it, and these survive. Where a profile has only a
 * symbolic link into a repository, that repository is in use and stays. */
#include "pull/downloads.h"

#include "base/file.h"
#include "base/mem.h"
#include "pull/hub.h"
#include "pull/recipe.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct walk {
    pull_downloads *out;
    hub hub;
    int clear;
    char **seen; /* [count] repositories */
    size_t count, room;
} walk;

/* ---- is it in use? ---- */

static bool links_into(const char *path, const char *repository)
{
    struct stat info;
    char *real;
    bool inside;

    if (lstat(path, &info) != 0 || !S_ISLNK(info.st_mode) || !(real = realpath(path, NULL)))
        return false;
    inside = path_is_inside(real, repository);
    free(real);
    return inside;
}

/* Whether anything in `folder` links into the repository; `depth`: of folders to look into. */
static bool folder_links_into(const char *folder, const char *repository, int depth)
{
    DIR *dir = opendir(folder);
    const struct dirent *entry;
    bool found = false;

    while (dir && !found && (entry = readdir(dir)) != NULL) {
        char *path = entry->d_name[0] == '.' ? NULL : path_join(folder, entry->d_name);

        found = path && (links_into(path, repository) ||
                         (depth > 0 && folder_links_into(path, repository, depth - 1)));
        free(path);
    }
    if (dir)
        closedir(dir);
    return found;
}

static bool is_in_use(const char *repository)
{
    char *profiles = path_user_data("profiles"), *real = realpath(repository, NULL);
    bool used = profiles && real && folder_links_into(profiles, real, 1);

    free(profiles);
    free(real);
    return used;
}

/* ---- one repository ---- */

static void count_blobs(pull_downloads *out, const char *repository, bool used)
{
    char *blobs = path_join(repository, "blobs");
    DIR *dir = blobs ? opendir(blobs) : NULL;
    const struct dirent *entry;
    struct stat info;

    while (dir && (entry = readdir(dir)) != NULL)
        if (fstatat(dirfd(dir), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISREG(info.st_mode)) {
            out->files++;
            out->bytes += info.st_size;
            out->used += used;
        }
    if (dir)
        closedir(dir);
    free(blobs);
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *at)
{
    (void)info;
    (void)kind;
    (void)at;
    return remove(path) == 0 || errno == ENOENT ? 0 : -1;
}

/* Whether a download of one of its files is going on: its lock is held. */
static rap_status need_idle(const walk *w, const recipe_source *s, const char *repository,
                            rap_err *err)
{
    char *blobs = path_join(repository, "blobs");
    DIR *dir = blobs ? opendir(blobs) : NULL;
    const struct dirent *entry;
    rap_status status = RAP_OK;

    while (dir && status == RAP_OK && (entry = readdir(dir)) != NULL) {
        size_t len = strcspn(entry->d_name, ".");
        char *etag = len ? mem_string_n(entry->d_name, len) : NULL;
        char *lock = etag ? hub_lock(&w->hub, s, etag) : NULL;
        int fd = -1;

        if (lock && file_exists(lock))
            status = hub_try_lock(&fd, lock, NULL);
        hub_unlock(fd);
        if (status != RAP_OK)
            status = err_set(err, status,
                             "%s: is being downloaded by another process; try again later", s->hub);
        free(lock);
        free(etag);
    }
    if (dir)
        closedir(dir);
    free(blobs);
    return status;
}

static rap_status visit_repository(walk *w, const recipe_source *s, const char *repository,
                                   rap_err *err)
{
    bool used = is_in_use(repository);
    rap_status status = RAP_OK;

    count_blobs(w->out, repository, used);
    if (!w->clear || used)
        return RAP_OK;
    status = need_idle(w, s, repository, err);
    if (status == RAP_OK && nftw(repository, remove_entry, 16, FTW_DEPTH | FTW_PHYS) != 0)
        status = err_set(err, RAP_E_IO, "%s: cannot be removed: %s", repository, strerror(errno));
    return status;
}

/* ---- all of them ---- */

static bool was_seen(const walk *w, const char *repository)
{
    for (size_t i = 0; i < w->count; i++)
        if (strcmp(w->seen[i], repository) == 0)
            return true;
    return false;
}

static rap_status visit(const recipe *r, void *payload, rap_err *err)
{
    walk *w = payload;
    rap_status status = RAP_OK;

    for (int i = 0; status == RAP_OK && i < r->source_count; i++) {
        char *repository = hub_repository(&w->hub, &r->source[i]);
        char **grown = repository ? mem_grow(w->seen, w->count, &w->room, sizeof *grown) : NULL;

        if (!grown) {
            free(repository);
            return err_memory(err, "looking at downloads");
        }
        w->seen = grown;
        if (was_seen(w, repository) || !file_is_folder(repository)) {
            free(repository);
            continue;
        }
        w->seen[w->count++] = repository;
        status = visit_repository(w, &r->source[i], repository, err);
    }
    return status;
}

static void pass_over(const char *why, void *payload)
{
    (void)why;
    (void)payload;
}

rap_status pull_downloads_look(pull_downloads *out, int clear, rap_err *err)
{
    walk w = { .out = out, .clear = clear };
    rap_status status;

    *out = (pull_downloads){ .folder = NULL };
    status = hub_open(&w.hub, true, err);
    if (status == RAP_OK)
        status = recipe_each(visit, pass_over, &w, err);
    if (status == RAP_OK && !(out->folder = mem_string(w.hub.cache)))
        status = err_memory(err, "looking at downloads");
    for (size_t i = 0; i < w.count; i++)
        free(w.seen[i]);
    free(w.seen);
    hub_release(&w.hub);
    return status;
}

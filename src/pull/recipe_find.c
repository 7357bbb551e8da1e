/* recipe_find.c: the folders of recipes; finds one recipe by name, or all. */
#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "pull/recipe.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#ifndef RAP_SOURCE_RECIPES
#define RAP_SOURCE_RECIPES "models/recipes"
#endif
#ifndef RAP_INSTALLED_RECIPES
#define RAP_INSTALLED_RECIPES "/usr/share/rap/models/recipes"
#endif

enum { FOLDERS = 5 };

/* The folders in search order; free() each. */
static void folders(char *out[FOLDERS])
{
    const char *own = getenv("RAP_RECIPES");

    out[0] = own && *own ? mem_string(own) : NULL;
    out[1] = path_beside_program("../models/recipes");
    out[2] = path_beside_program("../share/rap/models/recipes");
    out[3] = mem_string(RAP_SOURCE_RECIPES);
    out[4] = mem_string(RAP_INSTALLED_RECIPES);
}

static void free_folders(char *list[FOLDERS])
{
    for (int i = 0; i < FOLDERS; i++)
        free(list[i]);
}

static char *recipe_path(const char *folder, const char *name)
{
    buf file = BUF_INIT;
    char *text, *path;

    buf_printf(&file, "%s.json", name);
    text = buf_detach(&file);
    path = text ? path_join(folder, text) : NULL;
    free(text);
    return path;
}

rap_status recipe_find(char **out, const char *name, rap_err *err)
{
    char *list[FOLDERS];

    *out = NULL;
    if (strchr(name, '/') || strcmp(path_extension(name), "json") == 0) {
        *out = mem_string(name);
        return *out ? RAP_OK : err_memory(err, "finding a recipe");
    }
    folders(list);
    for (int i = 0; i < FOLDERS && !*out; i++) {
        char *path = list[i] ? recipe_path(list[i], name) : NULL;

        if (path && file_exists(path))
            *out = path;
        else
            free(path);
    }
    free_folders(list);
    return *out ? RAP_OK
                : err_set(err, RAP_E_NOT_FOUND, "%s: no such recipe; `rap pull --list` lists them",
                          name);
}

/* ---- all of them ---- */

typedef struct names {
    char **path; /* [count] */
    size_t count, room;
} names;

static int by_base(const void *a, const void *b)
{
    return strcmp(path_base(*(char *const *)a), path_base(*(char *const *)b));
}

static bool has_base(const names *n, const char *base)
{
    for (size_t i = 0; i < n->count; i++)
        if (strcmp(path_base(n->path[i]), base) == 0)
            return true;
    return false;
}

static bool add(names *n, char *path)
{
    if (n->count == n->room) {
        size_t room = n->room ? 2 * n->room : 16;
        char **grown = realloc(n->path, room * sizeof *grown);

        if (!grown)
            return false;
        n->path = grown;
        n->room = room;
    }
    n->path[n->count++] = path;
    return true;
}

static bool add_folder(names *n, const char *folder)
{
    DIR *dir = folder ? opendir(folder) : NULL;
    struct dirent *entry;
    bool good = true;

    while (dir && good && (entry = readdir(dir)) != NULL) {
        char *path;

        if (*entry->d_name == '.' || strcmp(path_extension(entry->d_name), "json") != 0 ||
            has_base(n, entry->d_name))
            continue;
        path = path_join(folder, entry->d_name);
        good = path && add(n, path);
        if (!good)
            free(path);
    }
    if (dir)
        closedir(dir);
    return good;
}

rap_status recipe_each(recipe_visit *visit, recipe_broken *broken, void *payload, rap_err *err)
{
    char *list[FOLDERS];
    names n = { NULL, 0, 0 };
    rap_status status = RAP_OK;

    folders(list);
    for (int i = 0; i < FOLDERS && status == RAP_OK; i++)
        if (!add_folder(&n, list[i]))
            status = err_memory(err, "listing recipes");
    free_folders(list);
    if (n.count)
        qsort(n.path, n.count, sizeof *n.path, by_base);
    for (size_t i = 0; i < n.count && status == RAP_OK; i++) {
        recipe *r = NULL;

        rap_err why = { RAP_OK, "" };

        if (recipe_read(&r, n.path[i], &why) == RAP_OK)
            status = visit(r, payload, err);
        else
            broken(why.text, payload);
        recipe_free(r);
    }
    for (size_t i = 0; i < n.count; i++)
        free(n.path[i]);
    free(n.path);
    return status;
}

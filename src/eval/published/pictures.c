/* pictures.c: see pictures.h. */
#include "eval/published/pictures.h"

#include "base/file.h"
#include "formats/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* *out NULL: it is not there. */
static rap_status find(char **out, const char *root, const char *file, const json_t *item,
                       rap_err *err)
{
    const char *picture = list_text(item, "picture"), *place = list_text(item, "place");
    char *joined, *real;

    *out = NULL;
    if (picture[0] == '/' || path_climbs(picture))
        return err_set(err, RAP_E_FORMAT,
                       "%s: %s: the picture '%s' leads out of its folder; pictures are relative to "
                       "--images",
                       file, place, picture);
    if (!(joined = path_join(root, picture)))
        return err_memory(err, "finding a picture");
    real = realpath(joined, NULL);
    free(joined);
    if (real && !path_is_inside(real, root)) {
        free(real);
        return err_set(err, RAP_E_FORMAT,
                       "%s: %s: the picture '%s' is a link that leads out of its folder", file,
                       place, picture);
    }
    *out = real;
    return RAP_OK;
}

static void note_missing(pictures_missing *out, const json_t *item)
{
    if (out->count++ == 0)
        snprintf(out->first, sizeof out->first, "%s", list_text(item, "picture"));
}

static rap_status find_all(pictures_missing *out, json_t *kept, const list *l, const char *file,
                           const char *root, rap_err *err)
{
    rap_status status = RAP_OK;

    for (size_t i = 0; status == RAP_OK && i < list_count(l); i++) {
        json_t *item = json_array_get(l->items, i);
        char *path = NULL;

        if (list_text(item, "picture")) {
            status = find(&path, root, file, item, err);
            if (status == RAP_OK && !path) {
                note_missing(out, item);
                continue;
            }
            if (path)
                json_object_set_new(item, "path", json_any_text(path));
            free(path);
        }
        if (status == RAP_OK && json_array_append(kept, item) != 0)
            status = err_memory(err, "finding pictures");
    }
    return status;
}

rap_status pictures_find(pictures_missing *out, list *l, const char *file, const char *images,
                         rap_err *err)
{
    char *own = images ? NULL : path_folder(file);
    const char *folder = images ? images : own;
    char *root = folder ? realpath(folder, NULL) : NULL;
    json_t *kept = json_array();
    rap_status status = kept && folder ? RAP_OK : err_memory(err, "finding pictures");

    memset(out, 0, sizeof *out);
    if (status == RAP_OK && (!root || !file_is_folder(root)))
        status = err_set(err, RAP_E_NOT_FOUND, "%s: no such folder of pictures", folder);
    if (status == RAP_OK)
        status = find_all(out, kept, l, file, root, err);
    if (status == RAP_OK && json_array_size(kept) == 0)
        status = err_set(err, RAP_E_NOT_FOUND,
                         "%s: none of its %d pictures is in %s (the first: %s): name their folder "
                         "with --images",
                         file, out->count, folder, out->first);
    if (status == RAP_OK) {
        json_decref(l->items);
        l->items = kept;
        kept = NULL;
    }
    json_decref(kept);
    free(own);
    free(root);
    return status;
}

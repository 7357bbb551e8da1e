/* source_custom101.c: CustomConcept101: dataset.json is a list of {"instance_prompt", "class_prompt",
 * "instance_data_dir"}; the folders lie below "images", whatever "./benchmark_dataset/" stands before them.
 *
 * Memory: the list, which has 101 entries. */
#include "dataset/object_folder.h"

#include "base/file.h"
#include "base/mem.h"
#include "formats/json_walk.h"

#include <stdlib.h>
#include <string.h>

/* The longest end of the path that is a folder below `images`; free(). NULL: none. */
static char *below(const char *images, const char *path)
{
    while (*path) {
        char *folder = path_join(images, path);
        int found = folder && *path != '/' && file_is_folder(folder);

        free(folder);
        if (found)
            return mem_string(path);
        path += strcspn(path, "/");
        path += strspn(path, "/");
    }
    return NULL;
}

static rap_status take(source_sink *sink, const json_t *entry, rap_err *err)
{
    const char *folder = json_string_value(json_object_get(entry, "instance_data_dir"));
    const char *category = json_string_value(json_object_get(entry, "class_prompt"));
    object_folder f = { .category = category ? category : "" };
    rap_status status = RAP_OK;
    char *found;

    if (!folder || !path_stays(folder)) {
        report_drop(sink->report, folder ? DROP_PATH : DROP_REFERENCE, "%s",
                    folder ? folder : "an entry without \"instance_data_dir\"");
        return RAP_OK;
    }
    found = below(sink->source->images, folder);
    if (!found) {
        report_drop(sink->report, DROP_NO_PICTURE, "%s: no such folder", folder);
        return RAP_OK;
    }
    while (*found && found[strlen(found) - 1] == '/')
        found[strlen(found) - 1] = '\0';
    f.folder = f.identity = found;
    status = object_folder_read(&f, sink, err);
    free(found);
    return status;
}

rap_status source_custom101(source_sink *sink, rap_err *err)
{
    json_walk *w = NULL;
    bool more = true;
    rap_status status = json_walk_open(&w, sink->source->annotations, err);

    if (status == RAP_OK)
        status = json_walk_enter(w, '[', err);
    while (status == RAP_OK && (status = json_walk_item(&more, w, err)) == RAP_OK && more) {
        json_t *entry = NULL;

        status = json_walk_value(&entry, w, err);
        if (status == RAP_OK)
            status = take(sink, entry, err);
        json_decref(entry);
        if (status == RAP_OK)
            status = source_progress(sink, json_walk_share(w), err);
    }
    json_walk_close(w);
    return status;
}

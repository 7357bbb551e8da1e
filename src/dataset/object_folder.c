/* object_folder.c: pairs of pictures from one folder. */
#include "dataset/object_folder.h"

#include "base/file.h"
#include "base/mem.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void object_folder_category(char out[64], const char *folder)
{
    size_t len;

    report_copy(out, 64, path_base(folder));
    for (len = strlen(out); len > 1 && isdigit((unsigned char)out[len - 1]);)
        out[--len] = '\0';
    for (char *c = out; *c; c++)
        if (*c == '_' || *c == '-')
            *c = ' ';
    while (len > 1 && out[len - 1] == ' ')
        out[--len] = '\0';
}

/* NAME_mask.png beside NAME.png, below `images`; free(). NULL: there is none. */
static char *mask_of(const char *images, const char *picture)
{
    int stem = (int)(strlen(picture) - strlen(path_extension(picture)));
    char *mask = NULL, *path = NULL;
    bool there = stem > 1 && asprintf(&mask, "%.*s_mask.png", stem - 1, picture) > 0 &&
                 (path = path_join(images, mask)) && file_exists(path);

    free(path);
    if (there)
        return mask;
    free(stem > 1 ? mask : NULL);
    return NULL;
}

/* 0: out of memory. */
static int keep_mask(dataset_item *item, const char *concept, const source_sink *sink)
{
    char *mask = sink->plan->augment.background > 0 ? mask_of(sink->source->images, concept) : NULL;
    int enough = !mask || dataset_item_mask_picture(item, sink->source->name, mask);

    free(mask);
    return enough;
}

static rap_status offer(const object_folder *f, const char *concept, const char *picture,
                        source_sink *sink, rap_err *err)
{
    const rap_box whole = { 0, 0, 0, 0 };
    const char *source = sink->source->name;
    bool own = strcmp(f->folder, f->identity) == 0;
    char *path = path_join(f->folder, picture);
    char *id =
        path ? path_join(f->identity, own ? picture : path) : NULL; /* two may share a folder */
    dataset_item *item = path && id ? dataset_item_new(source, id, f->identity) : NULL;

    if (item &&
        !(dataset_item_place(&item->concept, source, concept, whole) &&
          dataset_item_place(&item->query, source, path, whole) &&
          dataset_item_text(&item->category, f->category ? f->category : "") &&
          dataset_item_text(&item->info, f->info ? f->info : "") &&
          keep_mask(item, concept, sink) && (!f->add || f->add(item, picture, f->payload)))) {
        dataset_item_free(item);
        item = NULL;
    }
    free(path);
    free(id);
    return source_offer(sink, item, err);
}

rap_status object_folder_read(const object_folder *f, source_sink *sink, rap_err *err)
{
    char *folder = path_join(sink->source->images, f->folder), *concept = mem_string(f->concept);
    char **name = NULL;
    size_t count = 0;
    int offered = 0;
    rap_status status =
        folder ? source_list(&name, &count, folder, err) : err_memory(err, "reading pictures");

    for (size_t i = 0; status == RAP_OK && i < count; i++) {
        if (!source_is_picture(name[i]) || source_is_mask(name[i]))
            continue;
        sink->report->read++;
        if (!concept) {
            concept = path_join(f->folder, name[i]);
            if (!concept)
                status = err_memory(err, "reading pictures");
        } else if (offered < sink->source->per_object) {
            status = offer(f, concept, name[i], sink, err);
            offered++;
        }
    }
    if (status == RAP_OK && offered == 0)
        report_drop(sink->report, DROP_NO_PAIR, "%s", f->folder);
    source_list_free(name, count);
    free(concept);
    free(folder);
    return status;
}

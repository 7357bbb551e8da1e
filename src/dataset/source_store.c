/* source_store.c: a concept store of our own ("annotations" names the file): each concept with its category, info and
 * avatar, the crop that was remembered. There is no second picture, so a store serves descriptions and questions, and
 * lends its concepts as noise and as absent ones to others. The avatars are written to images/NAME.
 *
 * Memory: one concept. */
#include "dataset/source.h"

#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "dataset/rename.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct reading {
    source_sink *sink;
    rap *r;
    char *folder; /* of the avatars */
    rap_status status;
    rap_err *err;
} reading;

/* The extension by the first bytes. */
static const char *kind_of(const unsigned char *bytes, size_t size)
{
    if (size > 8 && memcmp(bytes, "\x89PNG", 4) == 0)
        return "png";
    if (size > 12 && memcmp(bytes, "RIFF", 4) == 0)
        return "webp";
    if (size > 12 && memcmp(bytes + 4, "ftyp", 4) == 0)
        return "heic";
    return size > 4 && memcmp(bytes, "GIF8", 4) == 0 ? "gif" : "jpg";
}

static rap_status save_avatar(char **out, const reading *r, const rap_record *record, rap_err *err)
{
    void *bytes = NULL;
    size_t size = 0;
    char name[64], *path;
    rap_status status = rap_avatar(&bytes, &size, r->r, record->name);

    if (status != RAP_OK)
        return err_set(err, status, "%s", rap_error(r->r));
    snprintf(name, sizeof name, "%" PRId64 ".%s", record->id, kind_of(bytes, size));
    path = path_join(r->folder, name);
    *out = mem_string(name);
    status = path && *out ? RAP_OK : err_memory(err, "reading a store");
    if (status == RAP_OK && !file_exists(path)) /* written atomically: it is whole */
        status = file_write(path, bytes, size, err);
    free(path);
    rap_free(bytes);
    return status;
}

static int take(const rap_record *record, void *payload)
{
    const rap_box whole = { 0, 0, 0, 0 };
    reading *r = payload;
    const char *source = r->sink->source->name;
    char *picture = NULL, id[32];
    buf info = BUF_INIT;
    dataset_item *item;

    r->sink->report->read++;
    snprintf(id, sizeof id, "%" PRId64, record->id);
    r->status = save_avatar(&picture, r, record, r->err);
    rename_word(&info, record->info, record->name);
    item = r->status == RAP_OK ? dataset_item_new(source, id, id) : NULL;
    if (item)
        item->one_picture = 1;
    if (item && !(dataset_item_place(&item->concept, source, picture, whole) &&
                  dataset_item_place(&item->query, source, picture, whole) &&
                  dataset_item_text(&item->name, record->name) &&
                  dataset_item_text(&item->category, record->category) &&
                  dataset_item_text(&item->info, buf_text(&info)))) {
        dataset_item_free(item);
        item = NULL;
    }
    if (r->status == RAP_OK)
        r->status = source_offer(r->sink, item, r->err);
    buf_release(&info);
    free(picture);
    return r->status != RAP_OK;
}

rap_status source_store(source_sink *sink, rap_err *err)
{
    rap_options options = RAP_OPTIONS_INIT;
    reading r = { .sink = sink, .err = err };
    rap_status status;

    r.folder = path_join(sink->images, sink->source->name);
    status = r.folder ? file_make_folders(r.folder, err) : err_memory(err, "reading a store");
    if (status != RAP_OK) {
        free(r.folder);
        return status;
    }
    options.store = sink->source->annotations;
    options.store_use = RAP_STORE_READ;
    status = rap_open(&r.r, &options);
    if (status == RAP_OK)
        status = rap_each(r.r, NULL, take, &r);
    if (r.status != RAP_OK)
        status = r.status;
    else if (status != RAP_OK)
        err_set(err, status, "%s", rap_error(r.r));
    rap_close(r.r);
    free(r.folder);
    return status;
}

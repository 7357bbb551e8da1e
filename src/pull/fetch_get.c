/* fetch_get.c: downloads a missing file: lock, bytes (fetch_body.c), link in the cache (fetch.h). */
#include "pull/fetch_inside.h"

#include "base/file.h"

#include <stdlib.h>

/* Waits while another process downloads this blob. */
static rap_status take_lock(int *out, const fetch *f, const fetch_settings *set, rap_err *err)
{
    char *path = hub_lock(set->hub, f->source, f->etag);
    rap_status status = path ? RAP_OK : err_memory(err, "locking a download");
    bool announced = false;

    while (status == RAP_OK) {
        status = hub_try_lock(out, path, err);
        if (status != RAP_E_BUSY)
            break;
        if (!announced && fetch_tell(set, FETCH_WAIT, "another process is downloading it", 0, 0))
            status = err_set(err, RAP_E_CANCELLED, "stopped; run the same command to resume");
        announced = true;
        if (status == RAP_E_BUSY)
            status = fetch_pause(set, 200, err);
    }
    free(path);
    if (status == RAP_OK)
        err_clear(err);
    return status;
}

/* With the lock held: another process may have finished it meanwhile. */
static rap_status get_locked(fetch *f, const fetch_settings *set, rap_err *err)
{
    char *blob = hub_blob(set->hub, f->source, f->etag);
    char *folder = blob ? path_folder(blob) : NULL;
    rap_status status = folder ? file_make_folders(folder, err) : err_memory(err, "downloading");

    if (status == RAP_OK && !fetch_is_whole(f, blob))
        status = fetch_body(f, set, blob, err);
    if (status == RAP_OK)
        status = hub_link(set->hub, f->source, f->commit, f->file->path, f->etag, err);
    free(folder);
    free(blob);
    return status;
}

rap_status fetch_get(fetch *f, const fetch_settings *set, rap_err *err)
{
    rap_err own = { 0 };
    int lock = -1;
    rap_status status;

    if (f->here)
        return RAP_OK;
    err = err ? err : &own;
    status = take_lock(&lock, f, set, err);
    if (status == RAP_OK)
        status = get_locked(f, set, err);
    hub_unlock(lock);
    if (status != RAP_OK)
        return status;
    free(f->path);
    f->path = fetch_link(f, set->hub);
    if (!f->path)
        return err_memory(err, "downloading");
    f->here = true;
    f->bytes = f->have = fetch_size(f->path);
    return RAP_OK;
}

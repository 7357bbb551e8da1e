/* output.c: rap_may_write(): refuses to overwrite a file that the handle reads. */
#include "rap/handle.h"

#include "base/buf.h"
#include "base/file.h"

#include <stdlib.h>

/* The store and SQLite's files next to it: committed changes may be only in the log. */
static rap_status spare_store(const char *path, const char *name, rap_err *err)
{
    static const char *const tail[] = { "", "-wal", "-shm" };
    rap_status status = RAP_OK;

    for (size_t i = 0; status == RAP_OK && i < sizeof tail / sizeof *tail; i++) {
        buf file = BUF_INIT;

        buf_printf(&file, "%s%s", name, tail[i]);
        status = buf_failed(&file) ? err_memory(err, "comparing files")
                                   : file_spare(path, buf_text(&file), NULL, err);
        buf_release(&file);
    }
    return status;
}

rap_status rap_may_write(rap *r, const char *path, const rap_image *source)
{
    const profile *p;
    rap_status status;

    if (!rap_ready(r) || !path)
        return RAP_E_ARGUMENT;
    status = file_spare(path, source ? source->path : NULL, NULL, &r->err);
    if (status == RAP_OK)
        status = spare_store(path, store_path(r->store), &r->err);
    if (status == RAP_OK && engine_profile(&p, r->engine, NULL) == RAP_OK)
        status = profile_spare(p, path, &r->err);
    return status;
}

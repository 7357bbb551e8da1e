/* import.c: picks the kind of import, and the code that both share. The official format is in
 * official_import.c and official_export.c, the bundle in bundle_import.c and bundle_export.c. */
#include "remember/raw.h"
#include "remember/transfer_inside.h"

#include <string.h>

rap_status transfer_progress(const transfer *t, uint64_t done, uint64_t total, rap_err *err)
{
    if (t->on_progress && t->on_progress("importing concepts", done, total, t->progress_payload))
        return err_set(err, RAP_E_CANCELLED, "%s: import cancelled", t->path);
    return RAP_OK;
}

rap_status transfer_blame(const transfer *t, const char *concept, rap_status status, rap_err *err)
{
    rap_err reason;

    if (!err || status == RAP_OK || status == RAP_E_IO || status == RAP_E_BUSY ||
        status == RAP_E_MEMORY || status == RAP_E_CANCELLED)
        return status;
    reason = *err;
    return err_set(err, status, "%s: concept '%s': %s", t->path, concept, reason.text);
}

rap_status transfer_place(int64_t *out_id, transfer *t, const store_concept *c, rap_err *err)
{
    name_owner owner;
    rap_status status = name_find(&owner, t->s, c->name, err);

    if (status != RAP_OK)
        return status;
    if (!owner.found) {
        t->report.added++;
        return concept_insert(out_id, t->s, c, err);
    }
    if (!t->replace || owner.alias)
        return name_taken(t->s, &owner, c->name, err);
    t->report.updated++;
    *out_id = owner.concept_id;
    status = concept_set(t->s, owner.concept_id, c, err);
    if (status == RAP_OK)
        status = refusal_remove_all(t->s, owner.concept_id, err);
    return status == RAP_OK ? view_remove_all(t->s, owner.concept_id, err) : status;
}

/* A bundle is an SQLite file; everything else is read as JSON, which says what is wrong with it. */
static bool looks_like_bundle(const char *path)
{
    static const char magic[16] = "SQLite format 3";
    unsigned char header[RAW_HEADER];
    size_t got = 0;

    return raw_read_header(header, &got, path, NULL) == RAP_OK && got >= sizeof magic &&
           memcmp(header, magic, sizeof magic) == 0;
}

rap_status transfer_import(store *s, const char *path, int replace, transfer_embed *embed,
                           void *payload, rap_on_progress *on_progress, void *progress_payload,
                           rap_import_report *out, rap_err *err)
{
    transfer t = { s,       path,        replace != 0,     embed,
                   payload, on_progress, progress_payload, { 0, 0, 0, 0 },
                   0 };
    rap_status status;

    if (out)
        *out = (rap_import_report){ 0 };
    if (!path || !*path)
        return err_set(err, RAP_E_ARGUMENT, "the path of the import is empty");
    status = looks_like_bundle(path) ? bundle_import(&t, err) : official_import(&t, err);
    if (status == RAP_OK && out)
        *out = t.report;
    return status;
}

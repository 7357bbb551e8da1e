/* transfer_inside.h: what import and export share. */
#ifndef RAP_REMEMBER_TRANSFER_INSIDE_H
#define RAP_REMEMBER_TRANSFER_INSIDE_H

#include "remember/inside.h"
#include "remember/transfer.h"

/* One import: what transfer_import() was called with. */
typedef struct transfer {
    store *s;
    const char *path;
    bool replace;
    transfer_embed *embed; /* may be NULL: pictures come in without vectors */
    void *payload;
    rap_on_progress *on_progress; /* may be NULL */
    void *progress_payload;
    rap_import_report report;
    size_t left_out; /* vectors that cannot be what they are said to be */
} transfer;

/* RAP_E_CANCELLED when the callback asks for it. */
rap_status transfer_progress(const transfer *t, uint64_t done, uint64_t total, rap_err *err);

/* Puts "FILE: concept 'NAME': " before a line that does not name a file by itself. */
rap_status transfer_blame(const transfer *t, const char *concept, rap_status status, rap_err *err);

/* Makes room for a concept that comes in: a new one, or, where its name is taken and may be replaced,
 * that one with the new texts and without its pictures. Aliases NULL: those it has stay. Counts in the
 * report. */
rap_status transfer_place(int64_t *out_id, transfer *t, const store_concept *c, rap_err *err);

rap_status official_import(transfer *t, rap_err *err);
rap_status bundle_import(transfer *t, rap_err *err);

/* Finds a picture named in a JSON: relative to the JSON's folder, then to that folder's parent, never
 * outside it; free(). The message does not name the JSON. */
rap_status picture_locate(char **out, const char *json_path, const char *picture, rap_err *err);

/* "png", "jpg", "webp", "gif", "heic" by the bytes, "img" for anything else. */
const char *picture_extension(const void *bytes, size_t size);

#endif

/* transfer.h: the store in and out of files: the official database.json and our lossless bundle. */
#ifndef RAP_REMEMBER_TRANSFER_H
#define RAP_REMEMBER_TRANSFER_H

#include "remember/store.h"

/* A picture about to be imported. */
typedef struct transfer_picture {
    const char *name;    /* what errors call it */
    store_view view;     /* bytes, size and box come in; width, height and the clipped box go out */
    store_vector vector; /* goes out; owned by the callee until the next call */
} transfer_picture;

/* Computes the vectors of some pictures at once (the facade supplies it; remember runs no model): decodes
 * and embeds. After a failure *out_failed is the picture that the message is about. */
typedef rap_status transfer_embed(transfer_picture *picture, size_t count, size_t *out_failed,
                                  void *payload, rap_err *err);
#define TRANSFER_GROUP 64 /* pictures at once, at most */

/* Imports database.json or a bundle (recognised by content). All or nothing. */
rap_status transfer_import(store *s, const char *path, int replace, transfer_embed *embed,
                           void *payload, rap_on_progress *on_progress, void *progress_payload,
                           rap_import_report *out, rap_err *err);
/* Both write a temporary file next to the target and rename it at the end. on_progress (NULL: silent) may cancel. */
rap_status transfer_export_bundle(store *s, const char *path, rap_on_progress *on_progress,
                                  void *payload, rap_err *err);
rap_status transfer_export_official(store *s, const char *json_path, rap_on_progress *on_progress,
                                    void *payload, rap_err *err);

#endif

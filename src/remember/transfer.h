/* transfer.h: the store in and out of files: the official database.json and our lossless bundle. */
#ifndef RAP_REMEMBER_TRANSFER_H
#define RAP_REMEMBER_TRANSFER_H

#include "remember/store.h"

/* Computes the vector of a view about to be imported (the facade supplies it; remember runs no model):
 * decodes and embeds. Fills width/height of the view and *out_vector (data owned by the callee until the
 * next call). */
typedef rap_status transfer_embed(store_view *view, store_vector *out_vector, const char *name,
                                  void *payload, rap_err *err);

/* Imports database.json or a bundle (told apart by content). All or nothing. */
rap_status transfer_import(store *s, const char *path, int replace, transfer_embed *embed,
                           void *payload, rap_on_progress *on_progress, void *progress_payload,
                           rap_import_report *out, rap_err *err);
rap_status transfer_export_bundle(store *s, const char *path, rap_err *err);
rap_status transfer_export_official(store *s, const char *json_path, rap_err *err);

#endif

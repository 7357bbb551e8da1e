/* schema.h: the tables of a store and of a bundle, and the steps from one version to the next. */
#ifndef RAP_REMEMBER_SCHEMA_H
#define RAP_REMEMBER_SCHEMA_H

#include "remember/db.h"

/* The application ids in the file header (bytes 68 to 71): "RAPS" and "RAPB". */
#define SCHEMA_STORE_ID 0x52415053
#define SCHEMA_BUNDLE_ID 0x52415042
#define SCHEMA_VERSION 8    /* of both: user_version, bytes 60 to 63 */
#define SCHEMA_READABLE 4   /* the oldest store that can be read without being brought up to date */
#define SCHEMA_FOLDED 5     /* since then names are folded by text_fold.h */
#define SCHEMA_UNREADABLE 6 /* since then there is a table of pictures that cannot be read */
#define SCHEMA_AUTOMATIC 7  /* since then a concept says which of its texts a model wrote */
#define SCHEMA_LEARNT 8     /* since then there is a table of what was learnt of concepts */
#define SCHEMA_PAGE_SIZE 8192 /* three vectors of 512 numbers to a page, where 4096 holds one */

typedef enum schema_kind { SCHEMA_STORE, SCHEMA_BUNDLE } schema_kind;

/* Checks the first 100 bytes of a file, without SQLite touching it: RAP_E_FORMAT for another kind of
 * file, RAP_E_VERSION for a newer one. *out_empty is true if there is no store yet (no file, an
 * empty one, or one whose creation was interrupted). */
rap_status schema_inspect(bool *out_empty, const char *path, schema_kind kind, rap_err *err);

/* Whether a file of that version, by its own word, says which texts a model wrote. */
rap_status schema_has_automatic(bool *out, db *d, rap_err *err);

/* Brings a new or older file to SCHEMA_VERSION, inside a transaction of the caller. */
rap_status schema_migrate(db *d, schema_kind kind, rap_err *err);

/* Is it exactly what this program, or an older version of it, would have created: identifiers, version, every table and
 * index, and nothing else? Reads only the schema; if it matches, the file is trusted (db_trust()). *out_version is
 * its version, 0 for a file without tables. */
rap_status schema_verify(int64_t *out_version, db *d, schema_kind kind, rap_err *err);

/* A whole empty store as the bytes of its file; sqlite3_free(). */
rap_status schema_new_store(unsigned char **out, size_t *out_size, rap_err *err);

#endif

/* bundle.h: the bundle, our own lossless file of concepts.
 *
 * A bundle is an SQLite database (sqlite.org/fileformat2.html) with application_id 0x52415042 ("RAPB"),
 * user_version 6 and the tables concept, name, view, picture, encoder, key and refusal, exactly as schema.c makes
 * them: the concepts with their names, aliases and times, every view with its original bytes and box,
 * and every vector with the fingerprint of its encoder. No caches, no history. It is in rollback mode,
 * so the one file is all of it.
 *
 * A bundle that comes in is untrusted. It is opened read-only and immutable, with triggers, views and
 * untrusted functions off; it must have these tables and indexes and no other object; SQLite's
 * quick_check and foreign_key_check must pass; and each value is checked as if a caller had given it
 * (names, lengths, boxes, times, the hash of each picture). Vectors that cannot be are left out. */
#ifndef RAP_REMEMBER_BUNDLE_H
#define RAP_REMEMBER_BUNDLE_H

#include "remember/transfer_inside.h"

/* Opens and checks; see above. */
rap_status bundle_open(db *out, const char *path, rap_err *err);

#endif

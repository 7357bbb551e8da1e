/* raw.h: the file of a store below SQLite: its header, and making it.
 *
 * The file is opened through SQLite's VFS and nowhere else: POSIX drops all locks that a process holds on a file when it
 * closes any descriptor of it, so that an open() and close() of our own would unlock a store that another
 * handle of the process has open, and its log could then be deleted under it. */
#ifndef RAP_REMEMBER_RAW_H
#define RAP_REMEMBER_RAW_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

#define RAW_HEADER 100 /* bytes of an SQLite file's header */

/* *out_got is less than RAW_HEADER in a short file, 0 when there is none. */
rap_status raw_read_header(unsigned char out[RAW_HEADER], size_t *out_got, const char *path,
                           rap_err *err);
/* No byte, or zeros: the header of a new store is written last. */
bool raw_is_blank(const unsigned char header[RAW_HEADER], size_t got);

/* RAP_E_FORMAT if there is a rollback journal for the file. A store has a write-ahead log, so the journal is foreign;
 * SQLite would play it back, and delete the file that it names. */
rap_status raw_refuse_journal(const char *path, rap_err *err);

/* Creates the file, for its owner only, with these bytes, on disk when it returns. Whatever interrupts it leaves a
 * complete store or a blank file. A store that another process created in the meantime is left as it is. */
rap_status raw_make(const char *path, const unsigned char *bytes, size_t size, rap_err *err);

/* Marks the file in its header as having a write-ahead log, if it is not yet; there must be no readers. */
rap_status raw_make_wal(bool *out_changed, const char *path, rap_err *err);

#endif

/* db.h: SQLite with our errors: statements bound by a format string, failures as one line that names
 * the file. Knows no table. Reading order: open, the statements, the two shortcuts, transactions. */
#ifndef RAP_REMEMBER_DB_H
#define RAP_REMEMBER_DB_H

#include "base/err.h"
#include "base/file.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DB_KEPT 32

/* Counts a table. A plain count(*) is one step, however long it takes in a damaged file, and nothing can end it. */
#define DB_COUNT(table) "SELECT count(*) FROM (SELECT 1 FROM " table " LIMIT -1)"

/* This moment, in SQL. */
#define DB_NOW "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')"

typedef struct db {
    sqlite3 *handle; /* NULL: closed */
    char *path;      /* what errors call it */
    struct {
        sqlite3_stmt *statement; /* NULL: free */
        bool busy;
    } kept[DB_KEPT];        /* prepared statements of db_run(), db_int() and db_borrow() */
    int next;               /* which one makes room */
    sqlite3_stmt *rollback; /* prepared before it is needed: memory may have run out then */
    bool guarded;           /* until db_trust() */
    int steps; /* run while it was guarded, in units; later those since the connection was last idle */
    struct {
        char *log; /* the path of its log; NULL: not watched */
        file_state file_then, log_then;
    } watch;
} db;

/* Opens with everything a hostile file could use switched off: triggers, views, extensions,
 * functions in the schema, double-quoted strings. Does not read the file yet. `name` goes to
 * sqlite3_open_v2(), `path` into error messages.
 *
 * The connection is guarded at first. SQLite reads a schema when it is first needed and, with it, the tables of
 * statistics, whose columns may be expressions; so until db_trust() only sqlite_schema and pragmas may be read, and
 * reading ends after a few thousand steps on values of a few KiB: exceeding that means the file is damaged or hostile. */
rap_status db_open(db *out, const char *name, const char *path, int flags, const char *vfs,
                   rap_err *err);
void db_close(db *d); /* leaves {0}; NULL-safe inside */
/* The schema is known to be ours: everything may be read and written. Damaged pages may still form a cycle: a statement
 * that runs far longer than a file of this size can need fails with RAP_E_FORMAT. */
void db_trust(db *d);

/* For a file that is read without locks: whenever a statement begins or ends and the file or its log is not what it is
 * now, that is RAP_E_BUSY. */
rap_status db_watch(db *d, rap_err *err);

/* The status and line for what SQLite last said on this handle. */
rap_status db_fail(db *d, const char *doing, rap_err *err);

/* Runs statements without values; rows are ignored. */
rap_status db_exec(db *d, const char *sql, rap_err *err);

/* Prepares and binds. `types` has one letter for each `?`, in order:
 *   i int64_t   f double   s const char * (NULL: NULL)   b const void *, size_t
 * Text and bytes are borrowed until the statement is finalized. *out is NULL on failure. */
rap_status db_query(sqlite3_stmt **out, db *d, rap_err *err, const char *sql, const char *types,
                    ...);
/* The same, but prepared only once: db_give_back() it instead of finalizing. */
rap_status db_borrow(sqlite3_stmt **out, db *d, rap_err *err, const char *sql, const char *types,
                     ...);
void db_give_back(db *d, sqlite3_stmt *statement); /* NULL-safe */
/* The next row: *out_row is false at the end. */
rap_status db_step(bool *out_row, db *d, sqlite3_stmt *statement, rap_err *err);

/* db_query, run to its end, finalized. */
rap_status db_run(db *d, rap_err *err, const char *sql, const char *types, ...);
/* The first column of the first row; *out_found (may be NULL) says whether there was one, and *out
 * stays as it was when there was none. */
rap_status db_int(int64_t *out, bool *out_found, db *d, rap_err *err, const char *sql,
                  const char *types, ...);
int db_changed_rows(const db *d); /* by the last statement */

/* A text column as a copy ("" for NULL); free(). NULL: out of memory. */
char *db_text(sqlite3_stmt *statement, int column);

/* A write lock from the start, so that nothing read inside can be outdated at commit. db_end()
 * commits when `status` is RAP_OK and rolls back otherwise; it returns what failed first. */
rap_status db_begin(db *d, rap_err *err);
rap_status db_end(db *d, rap_status status, rap_err *err);
/* One unchanging view of the file over several statements, without a lock on writers. End it with
 * db_end(). */
rap_status db_begin_reading(db *d, rap_err *err);

/* "file:…?options" for a path, with what has a meaning in a URI escaped; free(). */
char *db_uri(const char *path, const char *options);

#endif

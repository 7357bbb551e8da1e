/* db.c: see db.h. Reading order: failures, open, statements, transactions. */
#include "remember/db.h"

#include "base/buf.h"
#include "base/mem.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* ---- failures ---- */

static rap_status db_fail_io(db *d, int code, const char *doing, rap_err *err)
{
    int reason = sqlite3_system_errno(d->handle);
    char memory[128];

    if (reason && (code & 0xff) == SQLITE_IOERR)
        return err_set(err, RAP_E_IO, "%s: %s failed: %s", d->path, doing,
                       strerror_r(reason, memory, sizeof memory));
    return err_set(err, RAP_E_IO, "%s: %s failed: %s", d->path, doing, sqlite3_errmsg(d->handle));
}

rap_status db_fail(db *d, const char *doing, rap_err *err)
{
    int code = sqlite3_extended_errcode(d->handle);

    if (d->guarded && (code == SQLITE_INTERRUPT || code == SQLITE_AUTH || code == SQLITE_TOOBIG))
        return err_set(err, RAP_E_FORMAT, "%s: damaged: its tables are not those of this program",
                       d->path);
    switch (code & 0xff) {
    case SQLITE_INTERRUPT:
        return err_set(err, RAP_E_FORMAT,
                       "%s: damaged: %s does not end, because its pages lead to each other",
                       d->path, doing);
    case SQLITE_FULL:
        return err_set(err, RAP_E_IO, "%s: %s failed: the disk is full", d->path, doing);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return err_set(err, RAP_E_BUSY, "%s: another process is writing to it", d->path);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return err_set(err, RAP_E_FORMAT, "%s: damaged: %s", d->path, sqlite3_errmsg(d->handle));
    case SQLITE_READONLY:
        return err_set(err, RAP_E_IO, "%s: %s failed: it cannot be written to", d->path, doing);
    case SQLITE_NOMEM:
        return err_memory(err, doing);
    case SQLITE_TOOBIG:
        return err_set(err, RAP_E_LIMIT, "%s: %s failed: too large", d->path, doing);
    case SQLITE_CONSTRAINT:
        return err_set(err, RAP_E_FORMAT, "%s: %s failed: %s", d->path, doing,
                       sqlite3_errmsg(d->handle));
    default:
        return db_fail_io(d, code, doing, err);
    }
}

/* ---- open ---- */

static void db_harden(sqlite3 *handle)
{
    static const struct {
        int option, value;
    } settings[] = {
        { SQLITE_DBCONFIG_DEFENSIVE, 1 },
        { SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0 },
        { SQLITE_DBCONFIG_ENABLE_TRIGGER, 0 },
        { SQLITE_DBCONFIG_ENABLE_VIEW, 0 },
        { SQLITE_DBCONFIG_DQS_DDL, 0 },
        { SQLITE_DBCONFIG_DQS_DML, 0 },
        { SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0 },
    };

    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        sqlite3_db_config(handle, settings[i].option, settings[i].value, (int *)NULL);
    sqlite3_limit(handle, SQLITE_LIMIT_ATTACHED, 0);
    sqlite3_extended_result_codes(handle, 1);
}

/* ---- what is not known to be ours yet ---- */

enum { GUARD_UNIT = 50, GUARD_UNITS = 100, GUARD_BYTES = 8 << 10, TRUSTED_BYTES = 512 << 20 };

static int guard_step(void *payload)
{
    db *d = payload;

    return ++d->steps > GUARD_UNITS;
}

static int guard_action(void *payload, int action, const char *first, const char *second,
                        const char *database, const char *trigger)
{
    (void)payload;
    (void)second;
    (void)database;
    (void)trigger;
    switch (action) {
    case SQLITE_SELECT:
    case SQLITE_PRAGMA:
    case SQLITE_FUNCTION: /* of our own statements; SQLite does not ask for those of the file */
        return SQLITE_OK;
    case SQLITE_READ:
        return first && (strcmp(first, "sqlite_schema") == 0 || strcmp(first, "sqlite_master") == 0)
                   ? SQLITE_OK
                   : SQLITE_DENY;
    default:
        return SQLITE_DENY;
    }
}

static void guard(db *d)
{
    d->guarded = true;
    sqlite3_limit(d->handle, SQLITE_LIMIT_LENGTH, GUARD_BYTES);
    sqlite3_limit(d->handle, SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 0);
    sqlite3_progress_handler(d->handle, GUARD_UNIT, guard_step, d);
    sqlite3_set_authorizer(d->handle, guard_action, d);
}

/* ---- what never ends ---- */

/* Steps of a statement come to a few for each byte at most; only files have damage. */
enum { BOUND_UNIT = 100000, BOUND_FREE = 100, BOUND_BYTES = BOUND_UNIT / 50 };

static int bound_step(void *payload)
{
    db *d = payload;
    const char *path = sqlite3_db_filename(d->handle, "main");
    file_state file, log;

    if (++d->steps <= BOUND_FREE || !path || !*path || !file_identify(&file, path))
        return 0;
    if (!file_identify(&log, sqlite3_filename_wal(path)))
        log.size = 0;
    return (uint64_t)(d->steps - BOUND_FREE) > (file.size + log.size) / BOUND_BYTES;
}

/* A statement begins: resets the count of steps unless it runs inside another statement. */
static void bound_begin(db *d)
{
    if (d->guarded || d->steps == 0)
        return;
    for (sqlite3_stmt *s = sqlite3_next_stmt(d->handle, NULL); s;
         s = sqlite3_next_stmt(d->handle, s))
        if (sqlite3_stmt_busy(s))
            return;
    d->steps = 0;
}

void db_trust(db *d)
{
    d->guarded = false;
    d->steps = 0;
    sqlite3_limit(d->handle, SQLITE_LIMIT_LENGTH, TRUSTED_BYTES);
    sqlite3_limit(d->handle, SQLITE_LIMIT_LIKE_PATTERN_LENGTH, GUARD_BYTES);
    sqlite3_progress_handler(d->handle, BOUND_UNIT, bound_step, d);
    sqlite3_set_authorizer(d->handle, NULL, NULL);
}

/* ---- opening ---- */

rap_status db_open(db *out, const char *name, const char *path, int flags, const char *vfs,
                   rap_err *err)
{
    *out = (db){ .handle = NULL };
    out->path = mem_string(path);
    if (!out->path)
        return err_memory(err, "opening a store");
    if (sqlite3_open_v2(name, &out->handle, flags | SQLITE_OPEN_NOMUTEX, vfs) != SQLITE_OK) {
        rap_status status =
            out->handle ? db_fail(out, "opening", err) : err_memory(err, "opening a store");
        db_close(out);
        return status;
    }
    db_harden(out->handle);
    guard(out);
    return db_exec(out, "PRAGMA cell_size_check = ON", err);
}

void db_close(db *d)
{
    for (int i = 0; i < DB_KEPT; i++)
        sqlite3_finalize(d->kept[i].statement);
    sqlite3_finalize(d->rollback);
    sqlite3_close_v2(d->handle);
    free(d->watch.log);
    free(d->path);
    *d = (db){ .handle = NULL };
}

char *db_uri(const char *path, const char *options)
{
    static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-";
    buf uri = BUF_INIT;

    buf_puts(&uri, path[0] == '/' ? "file://" : "file:"); /* an empty host, else "//x" names one */
    for (const char *c = path; *c; c++) {
        if (strchr(safe, *c))
            buf_putc(&uri, *c);
        else
            buf_printf(&uri, "%%%02X", (unsigned)(unsigned char)*c);
    }
    buf_printf(&uri, "?%s", options);
    if (buf_failed(&uri)) {
        buf_release(&uri);
        return NULL;
    }
    return buf_detach(&uri);
}

/* ---- watching ---- */

static void look(const db *d, file_state *out_file, file_state *out_log)
{
    file_identify(out_file, sqlite3_db_filename(d->handle, "main"));
    file_identify(out_log, d->watch.log);
}

rap_status db_watch(db *d, rap_err *err)
{
    d->watch.log = mem_string(sqlite3_filename_wal(sqlite3_db_filename(d->handle, "main")));
    if (!d->watch.log)
        return err_memory(err, "opening a store");
    look(d, &d->watch.file_then, &d->watch.log_then);
    return RAP_OK;
}

static rap_status watch(const db *d, rap_err *err)
{
    file_state file, log;

    if (!d->watch.log)
        return RAP_OK;
    look(d, &file, &log);
    if (memcmp(&file, &d->watch.file_then, sizeof file) == 0 &&
        memcmp(&log, &d->watch.log_then, sizeof log) == 0)
        return RAP_OK;
    return err_set(err, RAP_E_BUSY,
                   "%s: was changed while it was read without a lock: open it again", d->path);
}

/* ---- statements ---- */

rap_status db_exec(db *d, const char *sql, rap_err *err)
{
    bound_begin(d);
    if (sqlite3_exec(d->handle, sql, NULL, NULL, NULL) != SQLITE_OK)
        return db_fail(d, "changing", err);
    return RAP_OK;
}

static int db_bind(sqlite3_stmt *statement, const char *types, va_list values)
{
    int code = SQLITE_OK;

    for (int i = 1; types[i - 1] && code == SQLITE_OK; i++) {
        const void *bytes;

        switch (types[i - 1]) {
        case 'i':
            code = sqlite3_bind_int64(statement, i, va_arg(values, int64_t));
            break;
        case 'f':
            code = sqlite3_bind_double(statement, i, va_arg(values, double));
            break;
        case 's':
            code = sqlite3_bind_text(statement, i, va_arg(values, const char *), -1, SQLITE_STATIC);
            break;
        case 'b':
            bytes = va_arg(values, const void *);
            code = sqlite3_bind_blob64(statement, i, bytes, va_arg(values, size_t), SQLITE_STATIC);
            break;
        default:
            code = SQLITE_MISUSE;
        }
    }
    return code;
}

static rap_status bind_list(sqlite3_stmt **out, db *d, const char *types, va_list values,
                            rap_err *err)
{
    rap_status status = watch(d, err);

    if (status == RAP_OK && *out && db_bind(*out, types, values) == SQLITE_OK)
        return RAP_OK;
    if (status == RAP_OK)
        status = db_fail(d, "reading", err);
    sqlite3_finalize(*out);
    *out = NULL;
    return status;
}

/* ---- statements that are kept: preparing one takes longer than running it ---- */

static sqlite3_stmt *kept_find(db *d, const char *sql)
{
    for (int i = 0; i < DB_KEPT; i++) {
        sqlite3_stmt *statement = d->kept[i].statement;

        if (statement && !d->kept[i].busy && strcmp(sqlite3_sql(statement), sql) == 0) {
            d->kept[i].busy = true;
            return statement;
        }
    }
    return NULL;
}

/* Pragmas are not kept prepared: some take effect while they are prepared. */
static void kept_add(db *d, sqlite3_stmt *statement)
{
    if (sqlite3_strnicmp(sqlite3_sql(statement), "PRAGMA", 6) == 0)
        return;
    for (int tries = 0; tries < DB_KEPT; tries++) {
        int i = d->next;

        d->next = (d->next + 1) % DB_KEPT;
        if (d->kept[i].busy)
            continue;
        sqlite3_finalize(d->kept[i].statement);
        d->kept[i].statement = statement;
        d->kept[i].busy = true;
        return;
    }
}

void db_give_back(db *d, sqlite3_stmt *statement)
{
    for (int i = 0; statement && i < DB_KEPT; i++) {
        if (d->kept[i].statement != statement)
            continue;
        sqlite3_reset(statement);
        sqlite3_clear_bindings(statement);
        d->kept[i].busy = false;
        return;
    }
    sqlite3_finalize(statement);
}

static rap_status db_borrow_list(sqlite3_stmt **out, db *d, rap_err *err, const char *sql,
                                 const char *types, va_list values)
{
    rap_status status;

    *out = NULL;
    if ((status = watch(d, err)) != RAP_OK)
        return status;
    bound_begin(d);
    *out = kept_find(d, sql);
    if (*out && db_bind(*out, types, values) != SQLITE_OK) {
        status = db_fail(d, "reading", err);
        db_give_back(d, *out);
        *out = NULL;
        return status;
    }
    if (*out)
        return RAP_OK;
    sqlite3_prepare_v2(d->handle, sql, -1, out, NULL);
    status = bind_list(out, d, types, values, err);
    if (status == RAP_OK)
        kept_add(d, *out);
    return status;
}

rap_status db_borrow(sqlite3_stmt **out, db *d, rap_err *err, const char *sql, const char *types,
                     ...)
{
    va_list values;
    rap_status status;

    va_start(values, types);
    status = db_borrow_list(out, d, err, sql, types, values);
    va_end(values);
    return status;
}

rap_status db_query(sqlite3_stmt **out, db *d, rap_err *err, const char *sql, const char *types,
                    ...)
{
    va_list values;
    rap_status status;

    *out = NULL;
    bound_begin(d);
    sqlite3_prepare_v2(d->handle, sql, -1, out, NULL);
    va_start(values, types);
    status = bind_list(out, d, types, values, err);
    va_end(values);
    return status;
}

rap_status db_step(bool *out_row, db *d, sqlite3_stmt *statement, rap_err *err)
{
    int code = sqlite3_step(statement);

    *out_row = code == SQLITE_ROW;
    if (code == SQLITE_ROW)
        return RAP_OK;
    if (d->watch.log && watch(d, err) != RAP_OK)
        return RAP_E_BUSY;
    if (code == SQLITE_DONE)
        return RAP_OK;
    return db_fail(d, sqlite3_stmt_readonly(statement) ? "reading" : "writing", err);
}

rap_status db_run(db *d, rap_err *err, const char *sql, const char *types, ...)
{
    sqlite3_stmt *statement = NULL;
    bool row = true;
    va_list values;
    rap_status status;

    va_start(values, types);
    status = db_borrow_list(&statement, d, err, sql, types, values);
    va_end(values);
    while (status == RAP_OK && row)
        status = db_step(&row, d, statement, err);
    db_give_back(d, statement);
    return status;
}

rap_status db_int(int64_t *out, bool *out_found, db *d, rap_err *err, const char *sql,
                  const char *types, ...)
{
    sqlite3_stmt *statement = NULL;
    bool row = false;
    va_list values;
    rap_status status;

    va_start(values, types);
    status = db_borrow_list(&statement, d, err, sql, types, values);
    va_end(values);
    if (status == RAP_OK)
        status = db_step(&row, d, statement, err);
    if (row)
        *out = sqlite3_column_int64(statement, 0);
    if (out_found)
        *out_found = row;
    db_give_back(d, statement);
    return status;
}

int db_changed_rows(const db *d)
{
    return sqlite3_changes(d->handle);
}

char *db_text(sqlite3_stmt *statement, int column)
{
    bool null = sqlite3_column_type(statement, column) == SQLITE_NULL;

    return mem_string(null ? "" : (const char *)sqlite3_column_text(statement, column));
}

/* ---- transactions ---- */

static void roll_back(db *d)
{
    if (sqlite3_get_autocommit(d->handle)) /* a full disk may have rolled back by itself */
        return;
    sqlite3_step(d->rollback);
    sqlite3_reset(d->rollback);
}

static rap_status begin(db *d, const char *sql, rap_err *err)
{
    if (!d->rollback && sqlite3_prepare_v3(d->handle, "ROLLBACK", -1, SQLITE_PREPARE_PERSISTENT,
                                           &d->rollback, NULL) != SQLITE_OK)
        return db_fail(d, "changing", err);
    roll_back(d); /* a rollback that failed earlier */
    return db_exec(d, sql, err);
}

rap_status db_begin(db *d, rap_err *err)
{
    return begin(d, "BEGIN IMMEDIATE", err);
}

rap_status db_begin_reading(db *d, rap_err *err)
{
    return begin(d, "BEGIN", err);
}

rap_status db_end(db *d, rap_status status, rap_err *err)
{
    if (status == RAP_OK) {
        if (sqlite3_exec(d->handle, "COMMIT", NULL, NULL, NULL) == SQLITE_OK)
            return RAP_OK;
        status = db_fail(d, "writing", err);
    }
    roll_back(d);
    return status;
}

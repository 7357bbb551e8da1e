/* schema.c: the tables, each with what it is for. This file is the store's documentation: read the
 * SQL first, then inspect (a file's header), migrate and verify.
 *
 * A bundle is a file of the same make with the tables of `shared_tables` only: what a person put in and
 * the vectors made of it, without caches and history. */
#include "remember/schema.h"

#include "base/buf.h"
#include "remember/refold.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Times are ISO 8601 in UTC with milliseconds: 2026-05-04T12:30:00.250Z. Text is UTF-8; STRICT tables
 * hold no value of another type. */
static const char shared_tables[] =
    /* A thing to be known again. AUTOINCREMENT: an id is never given twice, so that whoever kept the
     * id of a forgotten concept does not meet another. */
    "CREATE TABLE concept ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " category TEXT NOT NULL," /* '' when none */
    " info TEXT NOT NULL,"     /* '' when none */
    " created TEXT NOT NULL,"
    " updated TEXT NOT NULL"
    ") STRICT;"

    /* What a concept is called: one name and any aliases, in one table so that `folded` (the text as it is
     * compared: text_fold.h) is unique across both. */
    "CREATE TABLE name ("
    " id INTEGER PRIMARY KEY,"
    " concept_id INTEGER NOT NULL REFERENCES concept(id) ON DELETE CASCADE,"
    " alias INTEGER NOT NULL CHECK (alias IN (0, 1)),"
    " text TEXT NOT NULL,"
    " folded TEXT NOT NULL UNIQUE"
    ") STRICT;"
    "CREATE INDEX name_of_concept ON name(concept_id, alias);"
    "CREATE UNIQUE INDEX one_name ON name(concept_id) WHERE alias = 0;"

    /* A picture of a concept, without its bytes, so that listing reads no picture. The box is where in
     * the upright picture the concept is; box_w = 0: everywhere. width = 0: not decoded yet. */
    "CREATE TABLE view ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " concept_id INTEGER NOT NULL REFERENCES concept(id) ON DELETE CASCADE,"
    " avatar INTEGER NOT NULL CHECK (avatar IN (0, 1)),"
    " hash TEXT NOT NULL," /* SHA-256 of the bytes, hex */
    " size INTEGER NOT NULL,"
    " width INTEGER NOT NULL,"
    " height INTEGER NOT NULL,"
    " box_x REAL NOT NULL, box_y REAL NOT NULL, box_w REAL NOT NULL, box_h REAL NOT NULL"
    ") STRICT;"
    "CREATE INDEX view_of_concept ON view(concept_id);"
    "CREATE UNIQUE INDEX one_avatar ON view(concept_id) WHERE avatar = 1;"

    /* The original bytes of a view. */
    "CREATE TABLE picture ("
    " view_id INTEGER PRIMARY KEY REFERENCES view(id) ON DELETE CASCADE,"
    " bytes BLOB NOT NULL"
    ") STRICT;"

    /* Who made vectors: vectors of two encoders are never compared. */
    "CREATE TABLE encoder ("
    " id INTEGER PRIMARY KEY,"
    " fingerprint TEXT NOT NULL UNIQUE,"
    " dim INTEGER NOT NULL CHECK (dim > 0)"
    ") STRICT;"

    /* What a view is found by: `dim` little-endian f32, not normalised. */
    "CREATE TABLE key ("
    " id INTEGER PRIMARY KEY,"
    " encoder_id INTEGER NOT NULL REFERENCES encoder(id),"
    " view_id INTEGER NOT NULL REFERENCES view(id) ON DELETE CASCADE,"
    " vector BLOB NOT NULL,"
    " UNIQUE (view_id, encoder_id)"
    ") STRICT;";

static const char store_tables[] =
    /* The image tokens that a model's projector made of a view, as f32: a concept's picture is encoded
     * once, not at every question. */
    "CREATE TABLE cache ("
    " view_id INTEGER NOT NULL REFERENCES view(id) ON DELETE CASCADE,"
    " model TEXT NOT NULL," /* fingerprint of the projector */
    " tokens BLOB NOT NULL,"
    " UNIQUE (view_id, model)"
    ") STRICT;"

    /* The detector's words and their vectors. */
    "CREATE TABLE vocabulary ("
    " id INTEGER PRIMARY KEY,"
    " text TEXT NOT NULL,"
    " encoder TEXT NOT NULL,"
    " vector BLOB NOT NULL,"
    " UNIQUE (text, encoder)"
    ") STRICT;"

    /* What changed when. It names concepts by number only: it outlives what was forgotten. */
    "CREATE TABLE event ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " at TEXT NOT NULL,"
    " what TEXT NOT NULL," /* add, edit, view, refuse, alias, unalias, forget, import, rename */
    " concept_id INTEGER NOT NULL"
    ") STRICT;";

/* Version 2: what large stores need. */
static const char large_stores[] =
    /* The cache with a size, and the hour (since 1970) of last use: what was used longest ago makes room. */
    "CREATE TABLE bounded_cache ("
    " id INTEGER PRIMARY KEY,"
    " view_id INTEGER NOT NULL REFERENCES view(id) ON DELETE CASCADE,"
    " model TEXT NOT NULL," /* fingerprint of the projector */
    " used INTEGER NOT NULL,"
    " size INTEGER NOT NULL,"
    " tokens BLOB NOT NULL,"
    " UNIQUE (view_id, model)"
    ") STRICT;"
    "INSERT INTO bounded_cache (view_id, model, used, size, tokens)"
    " SELECT view_id, model, 0, length(tokens), tokens FROM cache;"
    "DROP TABLE cache;"
    "ALTER TABLE bounded_cache RENAME TO cache;"
    "CREATE INDEX cache_by_use ON cache(used, id, size);"

    /* The file beside the store that holds the vectors of an encoder ready for searching (snapshot.h):
     * it is used only when it names this token. */
    "CREATE TABLE snapshot ("
    " encoder_id INTEGER PRIMARY KEY REFERENCES encoder(id),"
    " token TEXT NOT NULL"
    ") STRICT;"

    /* The detector asks for the distinct categories of all concepts. */
    "CREATE INDEX category_of_concept ON concept(category COLLATE NOCASE);";

/* Version 3: what a concept is not. */
static const char refusals[] =
    /* A picture a person gave to correct a concept: "this is not it". One vector, by whoever made it last;
     * maker = '': nobody yet. The box as in `view`. */
    "CREATE TABLE refusal ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " concept_id INTEGER NOT NULL REFERENCES concept(id) ON DELETE CASCADE,"
    " hash TEXT NOT NULL," /* SHA-256 of the bytes, hex */
    " width INTEGER NOT NULL,"
    " height INTEGER NOT NULL,"
    " box_x REAL NOT NULL, box_y REAL NOT NULL, box_w REAL NOT NULL, box_h REAL NOT NULL,"
    " bytes BLOB NOT NULL,"
    " maker TEXT NOT NULL,"
    " vector BLOB NOT NULL"
    ") STRICT;"
    "CREATE INDEX refusal_of_concept ON refusal(concept_id);";

/* Version 4: which refusals a maker has not seen, without reading past their pictures. */
static const char refusals_by_maker[] = "CREATE INDEX refusal_by_maker ON refusal(maker, id);";

/* Version 5: `name.folded` by a new rule (refold.h), and the detector's words likewise: those folded by the
 * old one would not be found again when their category is forgotten. */
static const char refolded[] = "DELETE FROM vocabulary;";

/* step[v] brings version v to v + 1: the shared tables, then what only a store has. A step that was once
 * released never changes. */
static const char *const step[SCHEMA_VERSION][2] = {
    { shared_tables, store_tables }, { "", large_stores }, { refusals, "" },
    { "", refusals_by_maker },       { "", refolded },
};

/* ---- inspect ---- */

static uint32_t big_endian(const unsigned char *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static const char *kind_text(schema_kind kind)
{
    return kind == SCHEMA_STORE ? "a concept store" : "a bundle of concepts";
}

static uint32_t kind_id(schema_kind kind)
{
    return kind == SCHEMA_STORE ? SCHEMA_STORE_ID : SCHEMA_BUNDLE_ID;
}

static rap_status wrong_kind(const char *path, schema_kind kind, uint32_t id, rap_err *err)
{
    if (id == kind_id(kind == SCHEMA_STORE ? SCHEMA_BUNDLE : SCHEMA_STORE))
        return err_set(err, RAP_E_FORMAT, "%s: is %s, not %s", path,
                       kind_text(kind == SCHEMA_STORE ? SCHEMA_BUNDLE : SCHEMA_STORE),
                       kind_text(kind));
    return err_set(err, RAP_E_FORMAT, "%s: is not %s", path, kind_text(kind));
}

static rap_status newer(const char *path, int64_t version, rap_err *err)
{
    return err_set(
        err, RAP_E_VERSION,
        "%s: written by a newer version of this program (format %lld, this one reads %d)", path,
        (long long)version, SCHEMA_VERSION);
}

/* Reads the header; *out_got is less than `size` in a short file, 0 when there is none. */
static rap_status read_header(unsigned char *out, size_t size, size_t *out_got, const char *path,
                              rap_err *err)
{
    struct stat info;
    ssize_t got = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    char memory[128];

    *out_got = 0;
    if (fd < 0 && errno == ENOENT)
        return RAP_OK;
    if (fd < 0)
        return err_set(err, RAP_E_IO, "%s: opening failed: %s", path,
                       strerror_r(errno, memory, sizeof memory));
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
        close(fd);
        return err_set(err, RAP_E_ARGUMENT, "%s: is not a regular file", path);
    }
    got = pread(fd, out, size, 0);
    close(fd);
    if (got < 0)
        return err_set(err, RAP_E_IO, "%s: reading failed", path);
    *out_got = (size_t)got;
    return RAP_OK;
}

rap_status schema_inspect(bool *out_empty, const char *path, schema_kind kind, rap_err *err)
{
    unsigned char header[100];
    size_t got = 0;
    uint32_t id, version;
    rap_status status = read_header(header, sizeof header, &got, path, err);

    *out_empty = got == 0;
    if (status != RAP_OK || got == 0)
        return status;
    if (got < sizeof header || memcmp(header, "SQLite format 3", 16) != 0)
        return wrong_kind(path, kind, 0, err);
    version = big_endian(header + 60);
    id = big_endian(header + 68);
    /* Both are 0 in a store that was never closed: the truth is in the log beside it, and
     * schema_migrate() looks again. A bundle has no log. */
    if (id != kind_id(kind) && (kind == SCHEMA_BUNDLE || id != 0 || version != 0))
        return wrong_kind(path, kind, id, err);
    if (version > SCHEMA_VERSION)
        return newer(path, version, err);
    return RAP_OK;
}

/* ---- migrate ---- */

static rap_status read_numbers(db *d, int64_t *out_id, int64_t *out_version, rap_err *err)
{
    rap_status status = db_int(out_id, NULL, d, err, "PRAGMA application_id", "");

    if (status == RAP_OK)
        status = db_int(out_version, NULL, d, err, "PRAGMA user_version", "");
    return status;
}

/* The numbers fit this program, or the file is new: no number, no table. */
static rap_status check_numbers(db *d, schema_kind kind, int64_t *out_version, rap_err *err)
{
    int64_t id = 0, tables = 0;
    rap_status status = read_numbers(d, &id, out_version, err);

    if (status == RAP_OK)
        status = db_int(&tables, NULL, d, err, "SELECT count(*) FROM sqlite_schema", "");
    if (status != RAP_OK)
        return status;
    if ((uint32_t)id != kind_id(kind) && (id != 0 || *out_version != 0 || tables != 0))
        return wrong_kind(d->path, kind, (uint32_t)id, err);
    if (*out_version > SCHEMA_VERSION)
        return newer(d->path, *out_version, err);
    return *out_version < 0 ? wrong_kind(d->path, kind, 0, err) : RAP_OK;
}

static rap_status run_steps(db *d, schema_kind kind, int64_t version, int64_t to, rap_err *err)
{
    rap_status status = RAP_OK;

    for (; version < to && status == RAP_OK; version++) {
        status = db_exec(d, step[version][0], err);
        if (status == RAP_OK && kind == SCHEMA_STORE)
            status = db_exec(d, step[version][1], err);
    }
    return status;
}

rap_status schema_migrate(db *d, schema_kind kind, rap_err *err)
{
    char numbers[96];
    int64_t version = 0;
    rap_status status = check_numbers(d, kind, &version, err);

    if (status != RAP_OK || version == SCHEMA_VERSION)
        return status;
    status = run_steps(d, kind, version, SCHEMA_VERSION, err);
    if (status == RAP_OK && kind == SCHEMA_STORE && version < SCHEMA_FOLDED)
        status = refold_names(d, err);
    if (status != RAP_OK)
        return status;
    sqlite3_snprintf(sizeof numbers, numbers,
                     "PRAGMA application_id = %d; PRAGMA user_version = %d", (int)kind_id(kind),
                     SCHEMA_VERSION);
    return db_exec(d, numbers, err);
}

/* ---- verify ---- */

/* Every object of the schema as text, but for the statistics that ANALYZE leaves. */
static rap_status describe(buf *out, db *d, rap_err *err)
{
    static const char sql[] =
        "SELECT type, name, tbl_name, sql FROM sqlite_schema"
        " WHERE NOT (type = 'table' AND name IN ('sqlite_stat1', 'sqlite_stat4'))"
        " ORDER BY type, name";
    sqlite3_stmt *statement = NULL;
    bool row = true;
    rap_status status = db_query(&statement, d, err, sql, "");

    while (status == RAP_OK && (status = db_step(&row, d, statement, err)) == RAP_OK && row)
        for (int i = 0; i < 4; i++) {
            const char *text = (const char *)sqlite3_column_text(statement, i);
            buf_printf(out, "%s\n", text ? text : "");
        }
    sqlite3_finalize(statement);
    if (status == RAP_OK && buf_failed(out))
        status = err_memory(err, "checking a store");
    return status;
}

/* The same of a new file in memory, of this version. */
static rap_status describe_expected(buf *out, schema_kind kind, int64_t version, rap_err *err)
{
    db fresh = { .handle = NULL };
    rap_status status =
        db_open(&fresh, ":memory:", "memory",
                SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_MEMORY, NULL, err);

    if (status == RAP_OK)
        status = run_steps(&fresh, kind, 0, version, err);
    if (status == RAP_OK)
        status = describe(out, &fresh, err);
    db_close(&fresh);
    return status;
}

rap_status schema_verify(db *d, schema_kind kind, rap_err *err)
{
    buf expected = BUF_INIT, found = BUF_INIT;
    int64_t version = 0;
    rap_status status = check_numbers(d, kind, &version, err);

    if (status == RAP_OK && (version < 1 || (kind == SCHEMA_STORE && version < SCHEMA_READABLE)))
        status = err_set(err, RAP_E_FORMAT, "%s: %s", d->path,
                         version < 1 ? "is not complete"
                                     : "written by an older version of this program: open it once "
                                       "for writing");
    if (status == RAP_OK)
        status = describe_expected(&expected, kind, version, err);
    if (status == RAP_OK)
        status = describe(&found, d, err);
    if (status == RAP_OK && strcmp(buf_text(&expected), buf_text(&found)) != 0)
        status = err_set(err, RAP_E_FORMAT, "%s: damaged: its tables are not those of %s", d->path,
                         kind_text(kind));
    buf_release(&expected);
    buf_release(&found);
    return status;
}

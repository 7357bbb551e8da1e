/* schema.c: the tables, each with what it is for. This file is the store's documentation: read the
 * SQL first, then inspect (a file's header), migrate and verify.
 *
 * A bundle has the same format, with the tables of `shared_tables` only: what a person put in and
 * the vectors made of it, without caches and history. */
#include "remember/schema.h"

#include "base/buf.h"
#include "remember/raw.h"
#include "remember/refold.h"

#include <string.h>

/* Times are ISO 8601 in UTC with milliseconds: 2026-05-04T12:30:00.250Z. Text is UTF-8; STRICT tables
 * hold no value of another type. */
static const char shared_tables[] =
    /* A concept. AUTOINCREMENT: ids are never reused, so the id of a forgotten concept never refers to
     * another one. */
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

    /* The vector of a view, for searching: `dim` little-endian f32, not normalised. */
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

/* Version 2: for large stores. */
static const char large_stores[] =
    /* The cache with a size, and the hour (since 1970) of last use: the least recently used is evicted. */
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

    /* The file with the vectors of an encoder packed for searching (snapshot.h): used only if it has
     * this token. */
    "CREATE TABLE snapshot ("
    " encoder_id INTEGER PRIMARY KEY REFERENCES encoder(id),"
    " token TEXT NOT NULL"
    ") STRICT;"

    /* The detector asks for the distinct categories of all concepts. */
    "CREATE INDEX category_of_concept ON concept(category COLLATE NOCASE);";

/* Version 3: refusals. */
static const char refusals[] =
    /* A picture that the user gave to correct a concept: "this is not it". One vector, from the encoder that
     * made it last; maker = '': none yet. The box as in `view`. */
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

/* Version 6: pictures that gave no vector, and which encoder tried them: decoding one that runs into a limit takes
 * minutes, so it is not tried twice (unreadable.c). */
static const char unreadable_pictures[] =
    "CREATE TABLE unreadable ("
    " id INTEGER PRIMARY KEY,"
    " view_id INTEGER UNIQUE REFERENCES view(id) ON DELETE CASCADE," /* one of the two */
    " refusal_id INTEGER UNIQUE REFERENCES refusal(id) ON DELETE CASCADE,"
    " reader TEXT NOT NULL" /* a decoder, or a maker of vectors */
    ") STRICT;";

/* Version 7: which texts of a concept a model wrote and the user only agreed to: 1 the info, 2 the category, 3 both
 * (rap_automatic). */
static const char automatic_texts[] =
    "ALTER TABLE concept ADD COLUMN automatic INTEGER NOT NULL DEFAULT 0"
    " CHECK (automatic BETWEEN 0 AND 3);";

/* Version 8: what training made of a concept for one set of models (learnt.h). A bundle does not take it along: it fits no
 * other models, and can be learnt again. */
static const char learnt_things[] =
    "CREATE TABLE learnt ("
    " id INTEGER PRIMARY KEY,"
    " concept_id INTEGER NOT NULL REFERENCES concept(id) ON DELETE CASCADE,"
    " method TEXT NOT NULL," /* head, soft-tokens */
    " model TEXT NOT NULL,"  /* the fingerprints of the models that it was learnt with */
    " made TEXT NOT NULL,"
    " numbers BLOB NOT NULL," /* little-endian f32 */
    " UNIQUE (concept_id, method, model)"
    ") STRICT;";

/* step[v] brings version v to v + 1: the shared tables, then what only a store has. A step that was once
 * released never changes. */
static const char *const step[SCHEMA_VERSION][2] = {
    { shared_tables, store_tables }, { "", large_stores },  { refusals, "" },
    { "", refusals_by_maker },       { "", refolded },      { "", unreadable_pictures },
    { automatic_texts, "" },         { "", learnt_things },
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

rap_status schema_inspect(bool *out_empty, const char *path, schema_kind kind, rap_err *err)
{
    unsigned char header[RAW_HEADER];
    size_t got = 0;
    uint32_t id, version;
    rap_status status = raw_read_header(header, &got, path, err);

    *out_empty = raw_is_blank(header, got);
    if (status != RAP_OK || *out_empty)
        return status;
    if (got < sizeof header || memcmp(header, "SQLite format 3", 16) != 0)
        return wrong_kind(path, kind, 0, err);
    version = big_endian(header + 60);
    id = big_endian(header + 68);
    /* Both are 0 in a store that was never closed: the real values are in its log, and schema_migrate() checks
     * again. A bundle has no log. */
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

/* The id and version fit this program, or the file is new: neither, and no table. */
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

rap_status schema_has_automatic(bool *out, db *d, rap_err *err)
{
    int64_t version = 0;
    rap_status status = db_int(&version, NULL, d, err, "PRAGMA user_version", "");

    *out = version >= SCHEMA_AUTOMATIC;
    return status;
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

/* ---- verify ---- */

/* Every object of the schema as text. ANALYZE's tables of statistics are allowed: the user may have
 * run it. */
static rap_status describe(buf *out, db *d, rap_err *err)
{
    static const char sql[] =
        "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE sql IS NULL OR sql NOT IN ("
        " 'CREATE TABLE sqlite_stat1(tbl,idx,stat)',"
        " 'CREATE TABLE sqlite_stat4(tbl,idx,neq,nlt,ndlt,sample)') ORDER BY type, name";
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

/* A new file of this version in memory. */
static rap_status open_fresh(db *out, schema_kind kind, int64_t version, rap_err *err)
{
    rap_status status =
        db_open(out, ":memory:", "memory",
                SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_MEMORY, NULL, err);
    char page_size[64];

    sqlite3_snprintf(sizeof page_size, page_size, "PRAGMA page_size = %d", SCHEMA_PAGE_SIZE);
    if (status == RAP_OK) {
        db_trust(out);
        status = db_exec(out, page_size, err);
    }
    return status == RAP_OK ? run_steps(out, kind, 0, version, err) : status;
}

static rap_status describe_expected(buf *out, schema_kind kind, int64_t version, rap_err *err)
{
    db fresh = { .handle = NULL };
    rap_status status = open_fresh(&fresh, kind, version, err);

    if (status == RAP_OK)
        status = describe(out, &fresh, err);
    db_close(&fresh);
    return status;
}

rap_status schema_verify(int64_t *out_version, db *d, schema_kind kind, rap_err *err)
{
    buf expected = BUF_INIT, found = BUF_INIT;
    rap_status status = check_numbers(d, kind, out_version, err);

    if (status == RAP_OK)
        status = describe_expected(&expected, kind, *out_version, err);
    if (status == RAP_OK)
        status = describe(&found, d, err);
    if (status == RAP_OK && *out_version == 0 && *buf_text(&found))
        status = err_set(err, RAP_E_FORMAT, "%s: is not complete", d->path);
    if (status == RAP_OK && strcmp(buf_text(&expected), buf_text(&found)) != 0)
        status = err_set(err, RAP_E_FORMAT, "%s: damaged: its tables are not those of %s", d->path,
                         kind_text(kind));
    if (status == RAP_OK)
        db_trust(d);
    buf_release(&expected);
    buf_release(&found);
    return status;
}

/* ---- a new store ---- */

static rap_status set_numbers(db *d, schema_kind kind, rap_err *err)
{
    char numbers[96];

    sqlite3_snprintf(sizeof numbers, numbers,
                     "PRAGMA application_id = %d; PRAGMA user_version = %d", (int)kind_id(kind),
                     SCHEMA_VERSION);
    return db_exec(d, numbers, err);
}

rap_status schema_migrate(db *d, schema_kind kind, rap_err *err)
{
    int64_t version = 0;
    rap_status status = check_numbers(d, kind, &version, err);

    if (status != RAP_OK || version == SCHEMA_VERSION)
        return status;
    status = run_steps(d, kind, version, SCHEMA_VERSION, err);
    if (status == RAP_OK && kind == SCHEMA_STORE && version < SCHEMA_FOLDED)
        status = refold_names(d, err);
    return status == RAP_OK ? set_numbers(d, kind, err) : status;
}

rap_status schema_new_store(unsigned char **out, size_t *out_size, rap_err *err)
{
    db fresh = { .handle = NULL };
    sqlite3_int64 size = 0;
    rap_status status = open_fresh(&fresh, SCHEMA_STORE, SCHEMA_VERSION, err);

    *out = NULL;
    if (status == RAP_OK)
        status = set_numbers(&fresh, SCHEMA_STORE, err);
    if (status == RAP_OK && !(*out = sqlite3_serialize(fresh.handle, "main", &size, 0)))
        status = err_memory(err, "making a store");
    if (*out)
        (*out)[18] = (*out)[19] = 2; /* written and read with a write-ahead log */
    *out_size = (size_t)size;
    db_close(&fresh);
    return status;
}

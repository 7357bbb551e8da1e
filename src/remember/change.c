/* change.c: begins and ends every change of a store, pays the overwriting it owes, and closes.
 *
 * Deleted data is overwritten in the pages that change (secure_delete, slack.c). Their former content stays in the log
 * until the whole log has been copied into the file and truncated, which a reader or another writer can prevent. The
 * truncation is then owed: by this handle, which tries again after each change and on closing; and by every other
 * handle, which notices the deletion (change_noticed()) and pays when its own reading, perhaps the obstacle, is over.
 * Opening a store with a log pays what the last process could not. */
#include "remember/prefixes.h"
#include "remember/schema.h"
#include "remember/snapshot.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SCRUB_WAIT_MS 2000

/* The events that may have deleted data. */
#define DELETING "('edit', 'unalias', 'forget', 'import')"

/* ---- what is owed ---- */

/* Checkpoints the log into the file and truncates it. */
static void scrub(store *s, int wait_ms)
{
    sqlite3_busy_timeout(s->d.handle, wait_ms);
    if (sqlite3_wal_checkpoint_v2(s->d.handle, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL) ==
        SQLITE_OK)
        s->scrub = false;
    sqlite3_busy_timeout(s->d.handle, STORE_WAIT_MS);
}

static int64_t data_version(store *s)
{
    int64_t version = -1;

    db_int(&version, NULL, &s->d, NULL, "PRAGMA data_version", "");
    return version;
}

/* Whether another handle has deleted something since this one last looked. */
static void look_for_deletions(store *s)
{
    int64_t version = data_version(s), last = s->last_event;
    bool found = false;

    if (version == s->looked_at)
        return;
    if (db_int(&last, NULL, &s->d, NULL, "SELECT coalesce(max(id), 0) FROM event", "") != RAP_OK ||
        db_int(&(int64_t){ 0 }, &found, &s->d, NULL,
               "SELECT 1 FROM event WHERE id > ? AND what IN " DELETING " LIMIT 1", "i",
               s->last_event) != RAP_OK)
        return;
    s->looked_at = version;
    s->last_event = last;
    s->scrub = s->scrub || found;
}

void change_noticed(store *s)
{
    if (s->read_only || !sqlite3_get_autocommit(s->d.handle))
        return;
    look_for_deletions(s);
    if (s->scrub)
        scrub(s, 0);
}

void change_opened(store *s)
{
    s->looked_at = data_version(s);
    db_int(&s->last_event, NULL, &s->d, NULL, "SELECT coalesce(max(id), 0) FROM event", "");
    s->scrub = true; /* for all that is known */
    scrub(s, 0);
    prefixes_sweep(s);
}

const char *store_note(const store *s)
{
    return s->note;
}

void store_clear_note(store *s)
{
    *s->note = '\0';
}

void store_say(store *s, const char *format, ...)
{
    rap_err line;
    va_list values;
    char text[sizeof s->note];

    if (*s->note)
        return;
    va_start(values, format);
    vsnprintf(text, sizeof text, format, values);
    va_end(values);
    err_set(&line, RAP_OK, "%s", text); /* err_set() makes it one line, whatever is in the path */
    memcpy(s->note, line.text, sizeof s->note - 1);
}

/* ---- changes ---- */

/* `wait_ms`: for another writer. */
static rap_status begin(store *s, store_durability durability, int wait_ms, rap_err *err)
{
    rap_status status;

    if (s->read_only)
        return err_set(err, RAP_E_UNSUPPORTED, "%s: opened for reading only", s->d.path);
    status = db_exec(&s->d,
                     durability == STORE_DURABLE ? "PRAGMA synchronous = FULL"
                                                 : "PRAGMA synchronous = NORMAL",
                     err);
    if (status != RAP_OK)
        return status;
    sqlite3_busy_timeout(s->d.handle, wait_ms);
    status = db_begin(&s->d, err);
    sqlite3_busy_timeout(s->d.handle, STORE_WAIT_MS);
    return status;
}

rap_status store_begin(store *s, store_durability durability, rap_err *err)
{
    s->optional = false;
    return begin(s, durability, STORE_WAIT_MS, err);
}

rap_status store_begin_optional(store *s, rap_err *err)
{
    s->optional = true;
    return begin(s, STORE_DERIVED, 0, err);
}

void store_will_delete(store *s)
{
    s->scrub = true;
}

/* A transaction whose log could not be synced is no longer visible, but is still complete in the log: the next process to
 * open the store after all have closed it would find it. Any later transaction overwrites it there, so this runs one
 * that changes nothing and does not wait for the disk. */
static rap_status take_back(store *s, rap_status status, rap_err *err)
{
    char line[sizeof err->text], same[64];
    rap_err why = { 0 };
    rap_status written = db_exec(&s->d, "PRAGMA synchronous = NORMAL", &why);

    sqlite3_snprintf(sizeof same, same, "PRAGMA user_version = %d", SCHEMA_VERSION);
    if (written == RAP_OK)
        written = db_begin(&s->d, &why);
    if (written == RAP_OK)
        written = db_end(&s->d, db_exec(&s->d, same, &why), &why);
    if (written == RAP_OK || !err)
        return status;
    memcpy(line, err->text, sizeof line);
    return err_set(err, status,
                   "%s; whether the change is stored is not known until the store is opened again",
                   line);
}

rap_status store_end(store *s, rap_status status, rap_err *err)
{
    bool tried = status == RAP_OK, deleted;

    if (status == RAP_OK)
        status = snapshot_scrub(s, err);
    s->gone_count = 0;
    status = db_end(&s->d, status, err);
    if (status == RAP_OK)
        s->changes++;
    else if (tried && status == RAP_E_IO)
        status = take_back(s, status, err);
    deleted = status == RAP_OK && s->scrub;
    /* Also after a failure: on a full disk the next change needs the log's space. */
    if ((status == RAP_OK && s->scrub) || status == RAP_E_IO)
        scrub(s, s->optional ? 0 : SCRUB_WAIT_MS);
    if (status == RAP_OK && s->scrub && !s->optional)
        store_say(
            s,
            "%s: done, but the deleted data is still in the store's log, because the store is "
            "in use elsewhere; it is overwritten when that use ends",
            s->d.path);
    if (deleted)
        prefixes_sweep(s);
    if (status == RAP_OK)
        change_noticed(s);
    return status;
}

rap_status store_end_cache(store *s, rap_status status, rap_err *err)
{
    status = store_end(s, status, err);
    if (status == RAP_OK)
        s->changes--;
    return status;
}

void store_close(store *s)
{
    if (!s)
        return;
    if (s->d.handle && !s->d.guarded)
        change_noticed(s);
    db_close(&s->d);
    free(s->gone);
    free(s->unread);
    free(s->decoder);
    free(s->encoder);
    free(s);
}

int64_t store_generation(store *s)
{
    int64_t others = -1;

    change_noticed(s);
    if (db_int(&others, NULL, &s->d, NULL, "PRAGMA data_version", "") != RAP_OK)
        return -1;
    return (int64_t)((uint64_t)others << 32) + s->changes;
}

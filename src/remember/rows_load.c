/* rows_load.c: the packed vectors of an encoder: lists what the store has, then compares it with the
 * snapshot (rows.h). Reading order: the list, loading, writing a snapshot. */
#include "base/mem.h"
#include "remember/snapshot.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

/* ---- what the store has ---- */

typedef struct place {
    int64_t view_id, concept_id; /* −1: the view is not there */
} place;

/* The views that have a vector of an encoder, in order of their number. */
typedef struct listing {
    place *place;
    size_t count;
} listing;

static int compare_views(const void *left, const void *right)
{
    const place *a = left, *b = right;

    return (a->view_id > b->view_id) - (a->view_id < b->view_id);
}

/* Rows of (view, concept) in order of the view; both statements below read only an index. */
static rap_status list_views(listing *out, store *s, rap_err *err)
{
    sqlite3_stmt *statement = NULL;
    int64_t count = 0;
    bool row = false, sorted = true;
    rap_status status = db_int(&count, NULL, &s->d, err, DB_COUNT("view"), "");

    *out = (listing){ NULL, 0 };
    if (status == RAP_OK && !(out->place = mem_array((size_t)count + 1, sizeof *out->place)))
        status = err_memory(err, "listing views");
    if (status == RAP_OK)
        status = db_query(&statement, &s->d, err,
                          "SELECT id, concept_id FROM view INDEXED BY view_of_concept", "");
    while (status == RAP_OK && out->count < (size_t)count &&
           (status = db_step(&row, &s->d, statement, err)) == RAP_OK && row) {
        place *p = &out->place[out->count];

        *p = (place){ sqlite3_column_int64(statement, 0), sqlite3_column_int64(statement, 1) };
        sorted = sorted && (out->count == 0 || p[-1].view_id < p->view_id);
        out->count++;
    }
    sqlite3_finalize(statement);
    if (status == RAP_OK && !sorted)
        qsort(out->place, out->count, sizeof *out->place, compare_views);
    return status;
}

/* Leaves the views that have a vector of the encoder. */
static rap_status keep_embedded(listing *views, store *s, int64_t encoder, rap_err *err)
{
    sqlite3_stmt *statement = NULL;
    size_t kept = 0, at = 0;
    bool row = false;
    rap_status status = db_query(&statement, &s->d, err,
                                 "SELECT view_id FROM key INDEXED BY sqlite_autoindex_key_1"
                                 " WHERE encoder_id = ? ORDER BY view_id",
                                 "i", encoder);

    while (status == RAP_OK && (status = db_step(&row, &s->d, statement, err)) == RAP_OK && row) {
        int64_t id = sqlite3_column_int64(statement, 0);

        while (at < views->count && views->place[at].view_id < id)
            at++;
        if (at < views->count && views->place[at].view_id == id)
            views->place[kept++] = views->place[at++];
    }
    sqlite3_finalize(statement);
    views->count = kept;
    return status;
}

static rap_status list_places(listing *out, store *s, int64_t encoder, rap_err *err)
{
    rap_status status = list_views(out, s, err);

    return status == RAP_OK ? keep_embedded(out, s, encoder, err) : status;
}

/* ---- vectors that the snapshot does not have ---- */

/* A vector of another size is damaged: only its view cannot be found. */
static rap_status read_vector(store_vectors *out, store *s, sqlite3_stmt *statement, const place *p,
                              int64_t encoder, rap_err *err)
{
    size_t size = (size_t)out->dim * sizeof(float);
    bool row = false;
    rap_status status;

    sqlite3_bind_int64(statement, 1, p->view_id);
    sqlite3_bind_int64(statement, 2, encoder);
    status = db_step(&row, &s->d, statement, err);
    if (status == RAP_OK && row) {
        const void *bytes = sqlite3_column_blob(statement, 0);

        if (bytes && (size_t)sqlite3_column_bytes(statement, 0) == size) {
            out->concept_id[out->count] = p->concept_id;
            vector_copy(out->data + out->count++ * (size_t)out->dim, bytes, (size_t)out->dim);
        }
    }
    sqlite3_reset(statement);
    return status;
}

static rap_status read_fresh(store_vectors *out, store *s, const listing *missing, int64_t encoder,
                             int dim, rap_err *err)
{
    sqlite3_stmt *statement = NULL;
    size_t floats;
    rap_status status;

    out->dim = dim;
    if (!mem_mul(&floats, missing->count, (size_t)dim) ||
        !(out->concept_id = mem_array(missing->count + 1, sizeof *out->concept_id)) ||
        !(out->data = mem_array(floats + 1, sizeof *out->data)))
        return err_memory(err, "reading vectors");
    status = db_query(&statement, &s->d, err,
                      "SELECT vector FROM key WHERE view_id = ? AND encoder_id = ?", "");
    for (size_t i = 0; status == RAP_OK && i < missing->count; i++)
        status = read_vector(out, s, statement, &missing->place[i], encoder, err);
    sqlite3_finalize(statement);
    return status;
}

/* ---- comparing ---- */

typedef struct comparison {
    listing missing; /* in the store, not in the snapshot */
    int64_t *dead;   /* [dead_count] in the snapshot, not in the store */
    size_t dead_count;
} comparison;

/* Gives each row of the snapshot its concept. Both lists ascend; a row out of order counts as missing. */
static void compare_rows(comparison *out, int64_t *concept_id, const snapshot *snap,
                         const listing *places)
{
    int64_t last = 0;
    size_t at = 0;

    for (size_t row = 0; row < snap->count; row++) {
        int64_t view = snap->view_id[row];

        concept_id[row] = -1;
        if (view <= last || !snapshot_row_is_whole(snap, row))
            continue;
        last = view;
        while (at < places->count && places->place[at].view_id < view)
            out->missing.place[out->missing.count++] = places->place[at++];
        if (at < places->count && places->place[at].view_id == view)
            concept_id[row] = places->place[at++].concept_id;
        else
            out->dead[out->dead_count++] = view;
    }
    while (at < places->count)
        out->missing.place[out->missing.count++] = places->place[at++];
}

static rap_status compare(comparison *out, store_rows *rows, const snapshot *snap,
                          const listing *places, rap_err *err)
{
    *out = (comparison){ { mem_array(places->count + 1, sizeof(place)), 0 },
                         mem_array(snap->count + 1, sizeof *out->dead),
                         0 };
    rows->concept_id = mem_array(snap->count + 1, sizeof *rows->concept_id);
    if (!out->missing.place || !out->dead || !rows->concept_id)
        return err_memory(err, "comparing vectors");
    compare_rows(out, rows->concept_id, snap, places);
    return RAP_OK;
}

/* ---- writing a snapshot ---- */

typedef struct writer {
    store *s;
    int64_t encoder;
    const store_packing *packing;
    rap_on_progress *on_progress;
    void *payload;
    snapshot snap;
    size_t done;
    float *vector; /* [dim] */
} writer;

static bool say(const writer *w)
{
    return w->on_progress && w->done % 4096 == 0 &&
           w->on_progress("packing vectors", w->done, w->snap.count, w->payload) != 0;
}

static rap_status pack_row(writer *w, const listing *places, int64_t view, const void *bytes,
                           int size)
{
    const place wanted = { view, 0 };
    const place *found =
        bsearch(&wanted, places->place, places->count, sizeof wanted, compare_views);
    void *part[STORE_PARTS];
    size_t row;

    if (!found || !bytes || (size_t)size != (size_t)w->packing->dim * sizeof(float))
        return RAP_OK; /* a hole: reading it from the store reports the error */
    row = (size_t)(found - places->place);
    for (int i = 0; i < STORE_PARTS; i++)
        part[i] = w->snap.part[i] + row * w->snap.part_size[i];
    vector_copy(w->vector, bytes, (size_t)w->packing->dim);
    if (w->packing->pack(part, w->snap.shared, w->vector, w->packing->dim)) {
        w->snap.view_id[row] = view;
        snapshot_seal_row(&w->snap, row);
    }
    w->done++;
    return say(w) ? RAP_E_CANCELLED : RAP_OK;
}

/* Computes the shared part of all rows from every n-th vector. */
static rap_status prepare(writer *w, const listing *places)
{
    size_t step = places->count / STORE_SAMPLE + (places->count < STORE_SAMPLE);
    listing chosen = { mem_array(STORE_SAMPLE, sizeof *chosen.place), 0 };
    store_vectors sample = { 0 };
    rap_status status = chosen.place ? RAP_OK : RAP_E_MEMORY;

    for (size_t i = 0; status == RAP_OK && chosen.count < STORE_SAMPLE && i < places->count;
         i += step)
        chosen.place[chosen.count++] = places->place[i];
    if (status == RAP_OK)
        status = read_fresh(&sample, w->s, &chosen, w->encoder, w->packing->dim, NULL);
    if (status == RAP_OK) {
        w->packing->prepare(w->snap.shared, sample.data, sample.count, w->packing->dim);
        snapshot_seal_shared(&w->snap);
    }
    store_vectors_release(&sample);
    free(chosen.place);
    return status;
}

static rap_status pack_all(writer *w, const listing *places)
{
    sqlite3_stmt *statement = NULL;
    bool row = false;
    rap_status status = w->packing->shared_size ? prepare(w, places) : RAP_OK;

    if (status == RAP_OK) /* in the order of the file: one pass over the vectors, no index */
        status = db_query(&statement, &w->s->d, NULL,
                          "SELECT view_id, vector FROM key NOT INDEXED WHERE encoder_id = ?", "i",
                          w->encoder);
    while (status == RAP_OK && (status = db_step(&row, &w->s->d, statement, NULL)) == RAP_OK && row)
        status = pack_row(w, places, sqlite3_column_int64(statement, 0),
                          sqlite3_column_blob(statement, 1), sqlite3_column_bytes(statement, 1));
    sqlite3_finalize(statement);
    return status;
}

/* Under the write lock: removes what was forgotten while the snapshot was made, then publishes it
 * in the store, unless it was deleted because a vector was replaced. */
static rap_status publish(writer *w, const char *token)
{
    char *from = snapshot_path(w->s, w->encoder, true),
         *to = snapshot_path(w->s, w->encoder, false);
    listing now = { NULL, 0 };
    size_t at = 0;
    rap_status status = from && to ? store_begin_optional(w->s, NULL) : RAP_E_MEMORY;

    if (status != RAP_OK)
        goto cleanup;
    if (!snapshot_is_named(&w->snap, from))
        status = RAP_E_BUSY;
    if (status == RAP_OK)
        status = list_places(&now, w->s, w->encoder, NULL);
    for (size_t row = 0; status == RAP_OK && row < w->snap.count; row++) {
        while (at < now.count && now.place[at].view_id < w->snap.view_id[row])
            at++;
        if (w->snap.view_id[row] &&
            (at == now.count || now.place[at].view_id != w->snap.view_id[row]))
            snapshot_zero_row(&w->snap, row);
    }
    if (status == RAP_OK)
        status = db_run(&w->s->d, NULL,
                        "INSERT INTO snapshot (encoder_id, token) VALUES (?, ?)"
                        " ON CONFLICT (encoder_id) DO UPDATE SET token = excluded.token",
                        "is", w->encoder, token);
    if (status == RAP_OK && rename(from, to) != 0)
        status = RAP_E_IO;
    status = store_end_cache(w->s, status, NULL);
cleanup:
    free(now.place);
    free(from);
    free(to);
    return status;
}

static bool make_token(char out[SNAPSHOT_TOKEN + 1])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char noise[SNAPSHOT_TOKEN / 2];

    if (getrandom(noise, sizeof noise, 0) != (ssize_t)sizeof noise)
        return false;
    for (size_t i = 0; i < sizeof noise; i++) {
        out[2 * i] = digits[noise[i] >> 4];
        out[2 * i + 1] = digits[noise[i] & 15];
    }
    out[SNAPSHOT_TOKEN] = '\0';
    return true;
}

/* A failure (disk full, another process making one) is harmless: the vectors are read from the store. */
static rap_status write_snapshot(writer *w, const listing *places)
{
    char token[SNAPSHOT_TOKEN + 1], *path = snapshot_path(w->s, w->encoder, true);
    rap_status status = RAP_E_IO;

    w->vector = mem_array((size_t)w->packing->dim, sizeof *w->vector);
    if (!path || !w->vector || !make_token(token) ||
        !snapshot_make(&w->snap, path, token, w->packing, places->count))
        goto cleanup;
    status = db_begin_reading(&w->s->d, NULL);
    if (status == RAP_OK)
        status = db_end(&w->s->d, pack_all(w, places), NULL);
    if (status == RAP_OK)
        status = publish(w, token);
    if (status != RAP_OK && snapshot_is_named(&w->snap, path))
        unlink(path);
    snapshot_close(&w->snap);
cleanup:
    free(w->vector);
    free(path);
    return status;
}

/* ---- loading ---- */

/* An encoder that the store has vectors of; id 0: none. */
typedef struct encoder_entry {
    int64_t id, dim;
    char token[SNAPSHOT_TOKEN + 1]; /* "": no snapshot was made */
} encoder_entry;

static rap_status find_entry(encoder_entry *out, store *s, const char *fingerprint, rap_err *err)
{
    sqlite3_stmt *statement = NULL;
    bool row = false;
    rap_status status = db_query(&statement, &s->d, err,
                                 "SELECT e.id, e.dim, n.token FROM encoder e"
                                 " LEFT JOIN snapshot n ON n.encoder_id = e.id"
                                 " WHERE e.fingerprint = ?",
                                 "s", fingerprint);

    *out = (encoder_entry){ 0, 0, "" };
    if (status == RAP_OK)
        status = db_step(&row, &s->d, statement, err);
    if (row) {
        const char *token = (const char *)sqlite3_column_text(statement, 2);

        out->id = sqlite3_column_int64(statement, 0);
        out->dim = sqlite3_column_int64(statement, 1);
        if (token && strlen(token) == SNAPSHOT_TOKEN)
            memcpy(out->token, token, sizeof out->token);
    }
    sqlite3_finalize(statement);
    return status;
}

static void lend(store_rows *out, const snapshot *snap)
{
    out->count = snap->count;
    for (int i = 0; i < STORE_PARTS; i++)
        out->part[i] = snap->part[i];
    out->shared = snap->shared;
    out->last_sum = snap->last_sum;
    out->map = snap->map;
    out->map_size = snap->size;
    out->scrubs = snap->scrubs;
    out->scrubs_seen = __atomic_load_n(snap->scrubs, __ATOMIC_ACQUIRE);
}

/* The state of one load. */
typedef struct loading {
    store *s;
    const store_packing *packing;
    encoder_entry encoder;
    listing places;
    comparison compared;
    bool stale; /* a new snapshot would help */
} loading;

static void loading_release(loading *l)
{
    free(l->places.place);
    free(l->compared.missing.place);
    free(l->compared.dead);
}

/* The snapshot compared with what the store has now. */
static rap_status look(store_rows *out, loading *l, rap_err *err)
{
    snapshot snap = { .fd = -1 };
    char *path = snapshot_path(l->s, l->encoder.id, false);
    rap_status status = path ? list_places(&l->places, l->s, l->encoder.id, err)
                             : err_memory(err, "reading vectors");
    size_t missing;

    if (status == RAP_OK && *l->encoder.token && strcmp(l->encoder.token, l->s->distrusted) != 0 &&
        snapshot_open(&snap, path, l->encoder.token, l->packing))
        lend(out, &snap);
    if (status == RAP_OK)
        status = compare(&l->compared, out, &snap, &l->places, err);
    missing = l->compared.missing.count;
    l->stale = missing >= l->s->snapshot_min && missing > l->places.count / 16;
    free(path);
    return status;
}

/* Loads everything from one consistent state of the store. With `wait`, vectors are not read from the store while a new
 * snapshot would help. */
static rap_status load(store_rows *out, loading *l, const char *fingerprint, bool wait,
                       rap_err *err)
{
    rap_status status = find_entry(&l->encoder, l->s, fingerprint, err);

    if (status != RAP_OK || l->encoder.id == 0 || l->encoder.dim != l->packing->dim)
        return status; /* vectors of another size are not this encoder's: store_correct_encoder() */
    status = look(out, l, err);
    if (status == RAP_OK && !(wait && l->stale))
        status = read_fresh(&out->fresh, l->s, &l->compared.missing, l->encoder.id, l->packing->dim,
                            err);
    return status;
}

/* Forgetting scrubs the snapshot first; this catches what was missed. */
static void scrub_dead(loading *l)
{
    rap_status status = RAP_OK;

    if (!l->compared.dead_count || l->s->read_only || store_begin_optional(l->s, NULL) != RAP_OK)
        return;
    for (size_t i = 0; status == RAP_OK && i < l->compared.dead_count; i++)
        status = snapshot_will_scrub(l->s, l->encoder.id, l->compared.dead[i], false, NULL);
    store_end_cache(l->s, status, NULL);
}

rap_status store_rows_load(store_rows *out, store *s, const char *encoder,
                           const store_packing *packing, rap_on_progress *on_progress,
                           void *payload, rap_err *err)
{
    bool wait = !s->read_only;
    rap_status status;

    if (!s->read_only)
        snapshot_remove_leftovers(s);
    for (;;) {
        loading l = { .s = s, .packing = packing };
        writer w = { .s = s, .packing = packing, .on_progress = on_progress, .payload = payload };

        *out = (store_rows){ 0 };
        status = db_begin_reading(&s->d, err);
        if (status == RAP_OK)
            status = db_end(&s->d, load(out, &l, encoder, wait, err), err);
        if (status == RAP_OK)
            scrub_dead(&l);
        if (status == RAP_OK && wait && l.stale) { /* write one, then load again */
            store_rows_release(out);
            w.encoder = l.encoder.id;
            if (write_snapshot(&w, &l.places) == RAP_E_CANCELLED)
                status = err_set(err, RAP_E_CANCELLED, "%s: packing was cancelled", s->d.path);
            loading_release(&l);
            wait = false;
            if (status == RAP_OK)
                continue;
        } else {
            loading_release(&l);
        }
        break;
    }
    if (status != RAP_OK)
        store_rows_release(out);
    change_noticed(s);
    return status;
}

void store_vectors_release(store_vectors *v)
{
    free(v->concept_id);
    free(v->data);
    *v = (store_vectors){ 0, 0, NULL, NULL };
}

void store_rows_release(store_rows *rows)
{
    if (rows->map)
        munmap(rows->map, rows->map_size);
    free(rows->concept_id);
    store_vectors_release(&rows->fresh);
    *rows = (store_rows){ 0 };
}

bool store_rows_outdated(const store_rows *rows)
{
    return rows->scrubs && __atomic_load_n(rows->scrubs, __ATOMIC_ACQUIRE) != rows->scrubs_seen;
}

void store_rows_distrust(store *s, const char *encoder)
{
    encoder_entry e;
    char *path;

    if (find_entry(&e, s, encoder, NULL) != RAP_OK || !e.id)
        return;
    memcpy(s->distrusted, e.token, sizeof s->distrusted);
    if (s->read_only)
        return;
    path = snapshot_path(s, e.id, false);
    if (path)
        unlink(path);
    free(path);
}

/* official_import.c: imports the paper's database.json (official_items.h).
 *
 * Order: read and check everything, find the pictures, run the encoder on each (slow, no lock held),
 * then write all in one transaction. The pictures are read twice instead of keeping them all in memory; their
 * hash shows that they have not changed. */
#include "base/file.h"
#include "base/mem.h"
#include "base/threads.h"
#include "formats/json.h"
#include "remember/official_items.h"

#include <stdlib.h>
#include <string.h>

#define OFFICIAL_MAX_JSON (256u << 20) /* a million concepts */
#define GROUP_BYTES ((size_t)32 << 20)
#define GROUP_MS 400

/* ---- names that are there twice ---- */

static int compare_folded(const void *a, const void *b)
{
    return strcmp((*(const item *const *)a)->folded, (*(const item *const *)b)->folded);
}

static rap_status check_twice(const items *all, transfer *t, rap_err *err)
{
    const item **sorted = mem_array(all->count + 1, sizeof *sorted);
    rap_status status = RAP_OK;

    if (!sorted)
        return err_memory(err, "checking names");
    for (size_t i = 0; i < all->count; i++)
        sorted[i] = &all->item[i];
    qsort(sorted, all->count, sizeof *sorted, compare_folded);
    for (size_t i = 1; i < all->count && status == RAP_OK; i++)
        if (strcmp(sorted[i - 1]->folded, sorted[i]->folded) == 0)
            status =
                err_set(err, RAP_E_FORMAT, "%s: the concept '%s' is there twice ('%s' and '%s')",
                        t->path, sorted[i]->name, sorted[i - 1]->key, sorted[i]->key);
    free(sorted);
    return status;
}

/* Names that the store already has, before the long work. */
static rap_status check_taken(const items *all, transfer *t, rap_err *err)
{
    rap_status status = RAP_OK;

    for (size_t i = 0; i < all->count && status == RAP_OK; i++) {
        const item *it = &all->item[i];
        name_owner owner;

        status = name_find(&owner, t->s, it->name, err);
        if (status == RAP_OK && owner.found && (owner.alias || !t->replace))
            status = name_taken(t->s, &owner, it->name, err);
        status = transfer_blame(t, it->key, status, err);
    }
    return status;
}

/* ---- pictures and vectors ---- */

/* Reads a picture and computes its hash; free(*out_bytes). */
static rap_status read_picture(shot *it, char **out_bytes, rap_err *err)
{
    size_t size = 0;
    rap_status status = file_read(out_bytes, &size, it->picture, STORE_MAX_PICTURE, err);

    if (status == RAP_OK && size == 0) {
        free(*out_bytes);
        *out_bytes = NULL;
        status = err_set(err, RAP_E_FORMAT, "%s: the picture is empty", it->picture);
    }
    if (status == RAP_OK)
        sha256_hex(it->hash, *out_bytes, size);
    it->view.bytes = *out_bytes;
    it->view.size = size;
    return status;
}

static bool is_same_view(const shot *it, sqlite3_stmt *row)
{
    const char *hash = (const char *)sqlite3_column_text(row, 0);
    const rap_box *box = &it->view.box;

    return hash && strcmp(hash, it->hash) == 0 && sqlite3_column_double(row, 1) == (double)box->x &&
           sqlite3_column_double(row, 2) == (double)box->y &&
           sqlite3_column_double(row, 3) == (double)box->w &&
           sqlite3_column_double(row, 4) == (double)box->h;
}

/* Does the store have an identical concept of this name? The hashes are known. */
static rap_status is_same(bool *out, transfer *t, const item *it, rap_err *err)
{
    static const char sql[] =
        "SELECT v.hash, v.box_x, v.box_y, v.box_w, v.box_h"
        " FROM name n JOIN concept c ON c.id = n.concept_id JOIN view v ON v.concept_id = c.id"
        " WHERE n.folded = ? AND n.alias = 0 AND n.text = ? AND c.category = ? AND c.info = ?"
        " ORDER BY v.avatar DESC, v.id";
    sqlite3_stmt *rows = NULL;
    size_t same = 0, found = 0;
    bool row = false;
    rap_status status = db_query(&rows, store_db(t->s), err, sql, "ssss", it->folded, it->name,
                                 it->concept.category, it->concept.info);

    while (status == RAP_OK && (status = db_step(&row, store_db(t->s), rows, err)) == RAP_OK &&
           row) {
        same += found < it->shots && is_same_view(&it->shot[found], rows);
        found++;
    }
    sqlite3_finalize(rows);
    *out = same == it->shots && found == it->shots;
    return status;
}

/* Reads the pictures to see whether a concept is unchanged: only useful if it may be replaced. */
static rap_status look_for_same(item *it, transfer *t, rap_err *err)
{
    rap_status status = RAP_OK;

    if (!t->replace || it->concept.aliases)
        return RAP_OK;
    for (size_t i = 0; status == RAP_OK && i < it->shots; i++) {
        char *bytes = NULL;

        status = read_picture(&it->shot[i], &bytes, err);
        free(bytes);
    }
    return status == RAP_OK ? is_same(&it->skip, t, it, err) : status;
}

static rap_status keep_vector(shot *it, const store_vector *vector, rap_err *err)
{
    if (!vector->data || vector->dim < 1 || !vector->encoder)
        return RAP_OK;
    it->encoder = mem_string(vector->encoder);
    it->data = mem_array((size_t)vector->dim, sizeof(float));
    if (!it->encoder || !it->data)
        return err_memory(err, "keeping a vector");
    memcpy(it->data, vector->data, (size_t)vector->dim * sizeof(float));
    it->vector = (store_vector){ it->encoder, vector->dim, it->data };
    return RAP_OK;
}

/* Pictures that are embedded together: not too many bytes, and as many as take about GROUP_MS, so that
 * progress is seen and cancelling does not wait. */
typedef struct group {
    shot *shot[TRANSFER_GROUP];
    const char *key[TRANSFER_GROUP]; /* of its concept */
    char *bytes[TRANSFER_GROUP];
    size_t count, size;
    size_t room; /* 1 … TRANSFER_GROUP */
} group;

static void group_clear(group *g)
{
    for (size_t i = 0; i < g->count; i++) {
        free(g->bytes[i]);
        g->shot[i]->view.bytes = NULL;
    }
    g->count = g->size = 0;
}

static rap_status embed_group(group *g, transfer *t, rap_err *err)
{
    transfer_picture picture[TRANSFER_GROUP];
    size_t failed = 0;
    rap_status status = RAP_OK;

    for (size_t i = 0; i < g->count; i++)
        picture[i] = (transfer_picture){ g->shot[i]->picture, g->shot[i]->view, { NULL, 0, NULL } };
    if (g->count && t->embed)
        status = t->embed(picture, g->count, &failed, t->payload, err);
    if (status != RAP_OK)
        return transfer_blame(t, g->key[failed], status, err);
    for (size_t i = 0; i < g->count && status == RAP_OK; i++) {
        g->shot[i]->view = picture[i].view; /* its box is clipped to the picture */
        status = keep_vector(g->shot[i], &picture[i].vector, err);
    }
    return status;
}

static rap_status embed_timed(group *g, transfer *t, rap_err *err)
{
    double start = clock_ms();
    rap_status status = embed_group(g, t, err);
    double took = clock_ms() - start;

    group_clear(g);
    if (took > GROUP_MS && g->room > 1)
        g->room /= 2;
    else if (took < GROUP_MS / 2 && g->room < TRANSFER_GROUP)
        g->room *= 2;
    return status;
}

static rap_status prepare_item(item *it, group *g, transfer *t, rap_err *err)
{
    rap_status status = look_for_same(it, t, err);

    for (size_t i = 0; status == RAP_OK && !it->skip && i < it->shots; i++) {
        if (g->count >= g->room || g->size >= GROUP_BYTES)
            status = embed_timed(g, t, err);
        if (status != RAP_OK)
            return status; /* the error names the concept */
        g->shot[g->count] = &it->shot[i];
        g->key[g->count] = it->key;
        status = read_picture(&it->shot[i], &g->bytes[g->count], err);
        if (status == RAP_OK)
            g->size += it->shot[i].view.size, g->count++;
    }
    return transfer_blame(t, it->key, status, err);
}

static rap_status prepare(items *all, transfer *t, rap_err *err)
{
    group g = { .room = TRANSFER_GROUP / 4 };
    rap_status status = transfer_progress(t, 0, all->count, err);

    for (size_t i = 0; i < all->count && status == RAP_OK; i++) {
        status = prepare_item(&all->item[i], &g, t, err);
        if (status != RAP_OK || (g.count < g.room && g.size < GROUP_BYTES && i + 1 < all->count))
            continue;
        status = embed_timed(&g, t, err);
        if (status == RAP_OK)
            status = transfer_progress(t, i + 1, all->count, err);
    }
    group_clear(&g);
    return status;
}

/* ---- writing ---- */

static rap_status write_shot(const shot *it, transfer *t, int64_t id, bool avatar, rap_err *err)
{
    store_view view = it->view;
    char *bytes = NULL, hash[65];
    int64_t view_id = 0;
    rap_status status = file_read(&bytes, &view.size, it->picture, STORE_MAX_PICTURE, err);

    view.bytes = bytes;
    if (status == RAP_OK) {
        sha256_hex(hash, bytes, view.size);
        if (strcmp(hash, it->hash) != 0)
            status = err_set(err, RAP_E_IO, "%s: changed while it was imported", it->picture);
    }
    if (status == RAP_OK)
        status = view_insert(&view_id, t->s, id, &view, avatar, err);
    if (status == RAP_OK && it->encoder)
        status = vector_insert(t->s, view_id, &it->vector, err);
    free(bytes);
    return status;
}

static rap_status write_item(const item *it, transfer *t, rap_err *err)
{
    int64_t id = 0;
    rap_status status = transfer_place(&id, t, &it->concept, err);

    for (size_t i = 0; status == RAP_OK && i < it->shots; i++)
        status = write_shot(&it->shot[i], t, id, i == 0, err);
    t->report.views += (int)it->shots - 1;
    return status == RAP_OK ? concept_touch(t->s, id, "import", err) : status;
}

static rap_status write_items(const items *all, transfer *t, rap_err *err)
{
    rap_status status = store_begin(t->s, STORE_DURABLE, err);

    if (status != RAP_OK)
        return status;
    for (size_t i = 0; i < all->count && status == RAP_OK; i++) {
        if (all->item[i].skip)
            t->report.skipped++;
        else
            status = transfer_blame(t, all->item[i].key, write_item(&all->item[i], t, err), err);
    }
    return store_end(t->s, status, err);
}

rap_status official_import(transfer *t, rap_err *err)
{
    json_t *root = NULL;
    items all = { NULL, 0, 0 };
    rap_status status = json_read(&root, t->path, OFFICIAL_MAX_JSON, err);

    if (status == RAP_OK)
        status = items_read(&all, t, root, err);
    if (status == RAP_OK)
        status = check_twice(&all, t, err);
    if (status == RAP_OK)
        status = check_taken(&all, t, err);
    if (status == RAP_OK)
        status = prepare(&all, t, err);
    if (status == RAP_OK)
        status = write_items(&all, t, err);
    if (status == RAP_OK && all.strays)
        store_say(
            t->s,
            "%s: path_to_concept has pictures of what concept_dict does not have: %zu left out",
            t->path, all.strays);
    items_release(&all);
    json_decref(root);
    return status;
}

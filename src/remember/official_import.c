/* official_import.c: the paper's database.json comes in.
 *
 *     { "concept_dict": { "<bo>": { "name": "bo", "image": "pictures/bo.png",
 *                                   "info": "<bo> is …", "category": "dog" } } }
 *
 * name and image are required; info and category are not. Two fields of ours are understood as well:
 * "aliases" (a list of names) and "box" ([x, y, w, h] in pixels). Everything else, such as the
 * path_to_concept that the official file has, is left alone.
 *
 * Order: read and check everything, find the pictures, run the encoder on each (slow, no lock held),
 * then write all in one transaction. The pictures are read twice rather than all kept in memory; their
 * hash says that they are still the same. */
#include "base/file.h"
#include "base/mem.h"
#include "base/text_fold.h"
#include "base/threads.h"
#include "formats/json.h"
#include "remember/transfer_inside.h"

#include <stdlib.h>
#include <string.h>

#define OFFICIAL_MAX_JSON (256u << 20) /* a million concepts */
#define GROUP_BYTES ((size_t)32 << 20)
#define GROUP_MS 400

typedef struct item {
    const char *key; /* in concept_dict; borrowed from the JSON, as are the texts of concept */
    store_concept concept; /* but the name is `name` */
    char *name, *folded;
    char *picture; /* its path */
    char hash[65];
    store_view view; /* its bytes only while it is embedded */
    store_vector vector;
    char *encoder; /* what vector.encoder and vector.data point to; NULL: no vector */
    float *data;
    bool skip; /* it is in the store exactly like this */
} item;

typedef struct items {
    item *item; /* [count] */
    size_t count;
} items;

static void items_release(items *all)
{
    for (size_t i = 0; i < all->count; i++) {
        item *it = &all->item[i];
        free(it->name);
        free(it->folded);
        free(it->picture);
        free((void *)it->concept.aliases);
        free(it->encoder);
        free(it->data);
    }
    free(all->item);
    *all = (items){ NULL, 0 };
}

/* ---- reading the JSON ---- */

/* A text field; `needed` ones must be there. */
static rap_status read_text(const char **out, const json_t *object, const char *field, bool needed,
                            rap_err *err)
{
    const json_t *value = json_object_get(object, field);

    if (!value || json_is_null(value)) {
        if (needed)
            return err_set(err, RAP_E_FORMAT, "the field '%s' is missing", field);
        return RAP_OK;
    }
    if (!json_is_string(value))
        return err_set(err, RAP_E_FORMAT, "the field '%s' is not text", field);
    *out = json_string_value(value);
    return RAP_OK;
}

static rap_status read_aliases(item *out, const json_t *object, rap_err *err)
{
    const json_t *list = json_object_get(object, "aliases");
    const char **aliases;

    if (!list || json_is_null(list))
        return RAP_OK;
    if (!json_is_array(list))
        return err_set(err, RAP_E_FORMAT, "the field 'aliases' is not a list");
    aliases = mem_array(json_array_size(list) + 1, sizeof *aliases);
    if (!aliases)
        return err_memory(err, "reading aliases");
    out->concept.aliases = aliases;
    for (size_t i = 0; i < json_array_size(list); i++) {
        aliases[i] = json_string_value(json_array_get(list, i));
        if (!aliases[i])
            return err_set(err, RAP_E_FORMAT,
                           "the field 'aliases' holds something that is not text");
    }
    return RAP_OK;
}

static rap_status read_box(rap_box *out, const json_t *object, rap_err *err)
{
    const json_t *list = json_object_get(object, "box");
    float number[4];

    if (!list || json_is_null(list))
        return RAP_OK;
    if (!json_is_array(list) || json_array_size(list) != 4)
        return err_set(err, RAP_E_FORMAT, "the field 'box' is not a list of four numbers");
    for (size_t i = 0; i < 4; i++) {
        const json_t *value = json_array_get(list, i);
        if (!json_is_number(value) || json_number_value(value) < 0 ||
            json_number_value(value) > 1e6)
            return err_set(err, RAP_E_FORMAT, "the field 'box' holds what is no pixel");
        number[i] = (float)json_number_value(value);
    }
    *out = (rap_box){ number[0], number[1], number[2], number[3] };
    return RAP_OK;
}

static rap_status read_name(item *out, const json_t *object, rap_err *err)
{
    const char *text = NULL;
    rap_status status = read_text(&text, object, "name", true, err);

    if (status == RAP_OK)
        status = name_check(&out->name, "name", text, err);
    if (status == RAP_OK && !(out->folded = text_fold_name(out->name)))
        status = err_memory(err, "reading a name");
    out->concept.name = out->name;
    return status;
}

static rap_status read_item(item *out, const json_t *object, const char *json_path, rap_err *err)
{
    const char *picture = NULL;
    rap_status status;

    if (!json_is_object(object))
        return err_set(err, RAP_E_FORMAT, "is not an object");
    status = read_name(out, object, err);
    if (status == RAP_OK)
        status = read_text(&picture, object, "image", true, err);
    out->concept.info = out->concept.category = "";
    if (status == RAP_OK)
        status = read_text(&out->concept.info, object, "info", false, err);
    if (status == RAP_OK)
        status = read_text(&out->concept.category, object, "category", false, err);
    if (status == RAP_OK)
        status = read_aliases(out, object, err);
    if (status == RAP_OK)
        status = read_box(&out->view.box, object, err);
    if (status == RAP_OK)
        status = picture_locate(&out->picture, json_path, picture, err);
    return status;
}

static rap_status read_items(items *out, transfer *t, json_t *root, rap_err *err)
{
    json_t *dict = json_object_get(root, "concept_dict"), *value;
    const char *key;
    rap_status status = RAP_OK;

    if (!json_is_object(dict))
        return err_set(err, RAP_E_FORMAT, "%s: has no object 'concept_dict'", t->path);
    out->item = mem_array(json_object_size(dict) + 1, sizeof *out->item);
    if (!out->item)
        return err_memory(err, "reading a database.json");
    json_object_foreach(dict, key, value)
    {
        item *it = &out->item[out->count++];
        it->key = key;
        status = transfer_blame(t, key, read_item(it, value, t->path, err), err);
        if (status != RAP_OK)
            break;
    }
    return status;
}

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

/* Is a concept of this name in the store that differs in nothing? */
static rap_status is_same(bool *out, transfer *t, const item *it, rap_err *err)
{
    static const char sql[] =
        "SELECT count(*) FROM name n JOIN concept c ON c.id = n.concept_id"
        " JOIN view v ON v.concept_id = c.id WHERE n.folded = ? AND n.alias = 0 AND n.text = ?"
        " AND c.category = ? AND c.info = ? AND v.hash = ?"
        " AND v.box_x = ? AND v.box_y = ? AND v.box_w = ? AND v.box_h = ?"
        " AND (SELECT count(*) FROM view o WHERE o.concept_id = c.id) = 1";
    const rap_box *box = &it->view.box;
    int64_t same = 0;
    rap_status status;

    *out = false;
    if (!t->replace || it->concept.aliases)
        return RAP_OK;
    status = db_int(&same, NULL, store_db(t->s), err, sql, "sssssffff", it->folded, it->name,
                    it->concept.category, it->concept.info, it->hash, (double)box->x,
                    (double)box->y, (double)box->w, (double)box->h);
    *out = same > 0;
    return status;
}

static rap_status keep_vector(item *it, const store_vector *vector, rap_err *err)
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

/* Reads a picture and sees whether it is new; free(*out_bytes). */
static rap_status read_picture(item *it, char **out_bytes, transfer *t, rap_err *err)
{
    size_t size = 0;
    rap_status status = file_read(out_bytes, &size, it->picture, STORE_MAX_PICTURE, err);

    if (status == RAP_OK && size == 0)
        status = err_set(err, RAP_E_FORMAT, "%s: the picture is empty", it->picture);
    if (status == RAP_OK) {
        sha256_hex(it->hash, *out_bytes, size);
        status = is_same(&it->skip, t, it, err);
    }
    it->view.bytes = *out_bytes;
    it->view.size = size;
    return status;
}

/* Pictures that are embedded together: not too many bytes, and as many as take about GROUP_MS, so that
 * progress is seen and cancelling does not wait. */
typedef struct group {
    item *item[TRANSFER_GROUP];
    char *bytes[TRANSFER_GROUP];
    size_t count, size;
    size_t room; /* 1 … TRANSFER_GROUP */
} group;

static void group_clear(group *g)
{
    for (size_t i = 0; i < g->count; i++) {
        free(g->bytes[i]);
        g->item[i]->view.bytes = NULL;
    }
    g->count = g->size = 0;
}

static rap_status embed_group(group *g, transfer *t, rap_err *err)
{
    transfer_picture picture[TRANSFER_GROUP];
    size_t failed = 0;
    rap_status status = RAP_OK;

    for (size_t i = 0; i < g->count; i++)
        picture[i] = (transfer_picture){ g->item[i]->picture, g->item[i]->view, { NULL, 0, NULL } };
    if (g->count && t->embed)
        status = t->embed(picture, g->count, &failed, t->payload, err);
    if (status != RAP_OK)
        return transfer_blame(t, g->item[failed]->key, status, err);
    for (size_t i = 0; i < g->count && status == RAP_OK; i++) {
        g->item[i]->view = picture[i].view; /* its box is cut to the picture */
        status = keep_vector(g->item[i], &picture[i].vector, err);
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

static rap_status prepare(items *all, transfer *t, rap_err *err)
{
    group g = { .room = TRANSFER_GROUP / 4 };
    rap_status status = transfer_progress(t, 0, all->count, err);

    for (size_t i = 0; i < all->count && status == RAP_OK; i++) {
        item *it = &all->item[i];

        g.item[g.count] = it;
        status = read_picture(it, &g.bytes[g.count], t, err);
        if (status == RAP_OK && it->skip)
            free(g.bytes[g.count]);
        else
            g.size += it->view.size, g.count++;
        status = transfer_blame(t, it->key, status, err);
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

static rap_status write_item(const item *it, transfer *t, rap_err *err)
{
    store_view view = it->view;
    char *bytes = NULL, hash[65];
    int64_t id = 0, view_id = 0;
    rap_status status = file_read(&bytes, &view.size, it->picture, STORE_MAX_PICTURE, err);

    view.bytes = bytes;
    if (status == RAP_OK) {
        sha256_hex(hash, bytes, view.size);
        if (strcmp(hash, it->hash) != 0)
            status = err_set(err, RAP_E_IO, "%s: changed while it was imported", it->picture);
    }
    if (status == RAP_OK)
        status = transfer_place(&id, t, &it->concept, err);
    if (status == RAP_OK)
        status = view_insert(&view_id, t->s, id, &view, true, err);
    if (status == RAP_OK && it->encoder)
        status = vector_insert(t->s, view_id, &it->vector, err);
    if (status == RAP_OK)
        status = concept_touch(t->s, id, "import", err);
    free(bytes);
    return status;
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
    items all = { NULL, 0 };
    rap_status status = json_read(&root, t->path, OFFICIAL_MAX_JSON, err);

    if (status == RAP_OK)
        status = read_items(&all, t, root, err);
    if (status == RAP_OK)
        status = check_twice(&all, t, err);
    if (status == RAP_OK)
        status = check_taken(&all, t, err);
    if (status == RAP_OK)
        status = prepare(&all, t, err);
    if (status == RAP_OK)
        status = write_items(&all, t, err);
    items_release(&all);
    json_decref(root);
    return status;
}

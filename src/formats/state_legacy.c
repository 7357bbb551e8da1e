/* state_legacy.c: the torch.save format before version 1.6 (still written on request): five
 * consecutive pickles (magic number, format version, machine properties, the object, the keys of
 * its storages), then for each key the number of elements in 8 bytes and the elements. */
#include "base/mem.h"
#include "formats/state_inside.h"

#include <stdlib.h>
#include <string.h>

enum { LAYOUT_VERSION = 1001, COUNT_BYTES = 8, MAGIC_WITHIN = 32 };

/* 0x1950a86a20f9469cfc6c as a pickled number; a frame of a later protocol may precede it. */
static const char magic[] = "\x8a\nl\xfc\x9c\x46\xf9 j\xa8P\x19.";

bool state_is_legacy(const uint8_t *bytes, size_t size)
{
    size_t len = sizeof magic - 1, within = size < MAGIC_WITHIN ? size : MAGIC_WITHIN;
    for (size_t at = 0; at + len <= within; at++)
        if (!memcmp(bytes + at, magic, len))
            return bytes[0] == 0x80;
    return false;
}

/* ---- the pickles -------------------------------------------------------------------------- */

/* Reads the pickle at *at and moves past it. */
static rap_status next_pickle(unpickled **out, const state_part *p, size_t *at, rap_err *err)
{
    size_t left = p->map.size - *at;
    rap_status status = unpickle(out, p->map.data + *at,
                                 left < PICKLE_MAX_BYTES ? left : PICKLE_MAX_BYTES, p->path, err);
    if (status == RAP_OK)
        *at += unpickle_size(*out);
    return status;
}

static rap_status check_layout(const state_part *p, const pickle_value *version, rap_err *err)
{
    if (version->kind == PICKLE_INT && version->as.integer == LAYOUT_VERSION)
        return RAP_OK;
    return err_set(err, RAP_E_UNSUPPORTED,
                   "%s: an old torch.save file in an unknown format: load it and save it again "
                   "with a current PyTorch",
                   p->path);
}

static rap_status check_machine(const state_part *p, const pickle_value *facts, rap_err *err)
{
    const pickle_value *little = pickle_get(facts, "little_endian");
    if (little && little->kind == PICKLE_BOOL && !little->as.integer)
        return err_set(err, RAP_E_UNSUPPORTED, "%s: its data is not little-endian", p->path);
    return RAP_OK;
}

/* Reads and discards magic number, version, machine properties. */
static rap_status read_head(const state_part *p, size_t *at, rap_err *err)
{
    rap_status status = RAP_OK;
    for (int i = 0; status == RAP_OK && i < 3; i++) {
        unpickled *u = NULL;
        status = next_pickle(&u, p, at, err);
        if (status == RAP_OK && i == 1)
            status = check_layout(p, unpickle_root(u), err);
        if (status == RAP_OK && i == 2)
            status = check_machine(p, unpickle_root(u), err);
        unpickle_free(u);
    }
    return status;
}

/* ---- the storages ------------------------------------------------------------------------- */

static int by_key(const void *a, const void *b)
{
    const state_storage *x = a, *y = b;
    size_t shorter = x->key.len < y->key.len ? x->key.len : y->key.len;
    int order = memcmp(x->key.bytes, y->key.bytes, shorter);
    return order ? order : (x->key.len > y->key.len) - (x->key.len < y->key.len);
}

static rap_status damaged(const state_part *p, const char *reason, rap_err *err)
{
    return err_set(err, RAP_E_FORMAT, "%s: damaged checkpoint: %s", p->path, reason);
}

/* Lists the storages the object mentions, each once, sorted. */
static rap_status list_storages(state_part *p, rap_err *err)
{
    size_t count = 0, kept = 0;
    for (const pickle_storage *s = unpickle_storages(p->pickle); s; s = s->next)
        count++;
    p->storages = mem_array(count ? count : 1, sizeof *p->storages);
    if (!p->storages)
        return err_memory(err, "reading a checkpoint");
    for (const pickle_storage *s = unpickle_storages(p->pickle); s; s = s->next)
        p->storages[p->storage_count++] =
            (state_storage){ .key = s->key->as.text, .type = s->type, .elements = s->whole };
    qsort(p->storages, count, sizeof *p->storages, by_key);
    for (size_t i = 0; i < count; i++) {
        if (kept && !by_key(&p->storages[kept - 1], &p->storages[i])) {
            if (p->storages[kept - 1].type != p->storages[i].type ||
                p->storages[kept - 1].elements != p->storages[i].elements)
                return damaged(p, "two storages have the same key", err);
            continue;
        }
        p->storages[kept++] = p->storages[i];
    }
    p->storage_count = kept;
    return RAP_OK;
}

static state_storage *find(const state_part *p, pickle_chars key)
{
    state_storage wanted = { .key = key };
    return bsearch(&wanted, p->storages, p->storage_count, sizeof wanted, by_key);
}

/* Reads one storage's count and bytes at *at. */
static rap_status place_storage(state_part *p, const pickle_value *key, size_t *at, rap_err *err)
{
    uint64_t count = 0;
    size_t bytes, left = p->map.size - *at;
    state_storage *s = key->kind == PICKLE_TEXT ? find(p, key->as.text) : NULL;
    if (!s)
        return err_set(err, RAP_E_UNSUPPORTED,
                       "%s: an old torch.save file with an unsupported data type: load "
                       "it and save its weights again with a current PyTorch",
                       p->path);
    if (left < COUNT_BYTES)
        return damaged(p, "it is cut short", err);
    for (int i = 0; i < COUNT_BYTES; i++)
        count |= (uint64_t)p->map.data[*at + (size_t)i] << (8 * i);
    *at += COUNT_BYTES;
    if (s->bytes || count != (uint64_t)s->elements)
        return damaged(p, "a storage has the wrong number of elements", err);
    if (!mem_mul(&bytes, (size_t)count, dtype_size(s->type)) || bytes > p->map.size - *at)
        return damaged(p, "it is cut short", err);
    s->bytes = p->map.data + *at;
    *at += bytes;
    return RAP_OK;
}

static rap_status place_storages(state_part *p, size_t at, rap_err *err)
{
    unpickled *keys = NULL;
    rap_status status = next_pickle(&keys, p, &at, err);
    const pickle_value *list = status == RAP_OK ? unpickle_root(keys) : NULL;
    if (list && list->kind != PICKLE_LIST)
        status = damaged(p, "it has no list of storage keys", err);
    for (size_t i = 0; status == RAP_OK && i < list->as.list.count; i++)
        status = place_storage(p, list->as.list.items[i], &at, err);
    unpickle_free(keys);
    return status;
}

rap_status state_legacy_find(const uint8_t **out, size_t *out_size, const state_part *p,
                             pickle_chars key, rap_err *err)
{
    const state_storage *s = find(p, key);
    if (!s || !s->bytes)
        return damaged(p, "a storage is missing", err);
    *out = s->bytes;
    *out_size = (size_t)s->elements * dtype_size(s->type);
    return RAP_OK;
}

rap_status state_open_legacy(state_dict *d, const char *path, rap_err *err)
{
    size_t at = 0;
    rap_status status;
    state_part *p = state_new_part(d, path, err);

    if (!p)
        return RAP_E_MEMORY;
    if ((status = file_map_open(&p->map, path, err)) != RAP_OK ||
        (status = read_head(p, &at, err)) != RAP_OK ||
        (status = next_pickle(&p->pickle, p, &at, err)) != RAP_OK ||
        (status = list_storages(p, err)) != RAP_OK ||
        (status = place_storages(p, at, err)) != RAP_OK)
        return status;
    return state_list_torch(d, p, err);
}

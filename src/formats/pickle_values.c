/* pickle_values.c: memory for a pickle's values, and access to them.
 *
 * Values are allocated in blocks that are freed together, so shared and cyclic values need no
 * special care and nothing recurses. */
#include "base/file.h"
#include "base/mem.h"
#include "formats/pickle_machine.h"

#include <stdlib.h>
#include <string.h>

enum { BLOCK_VALUES = 512, ROOM_BYTES = 1 << 14, ROOM_ALIGN = 16 };

struct pickle_block {
    pickle_block *next;
    size_t used;
    pickle_value values[BLOCK_VALUES];
};

struct pickle_room {
    pickle_room *next;
    size_t used, cap;
    _Alignas(ROOM_ALIGN) char bytes[];
};

/* ---- memory ------------------------------------------------------------------------------- */

pickle_value *unpickle_new(unpickled *u, pickle_kind kind)
{
    if (u->value_count++ >= PICKLE_MAX_VALUES) {
        err_set(u->err, RAP_E_LIMIT, "%s: its pickle makes more values than a checkpoint needs",
                u->name);
        return NULL;
    }
    if (!u->blocks || u->blocks->used == BLOCK_VALUES) {
        pickle_block *b = mem_array(1, sizeof *b);
        if (!b) {
            err_memory(u->err, "reading a pickle");
            return NULL;
        }
        b->next = u->blocks;
        u->blocks = b;
    }
    pickle_value *v = &u->blocks->values[u->blocks->used++];
    v->kind = kind;
    return v;
}

void *unpickle_room(unpickled *u, size_t bytes)
{
    size_t need = (bytes + ROOM_ALIGN - 1) / ROOM_ALIGN * ROOM_ALIGN;
    if (!u->rooms || need > u->rooms->cap - u->rooms->used) {
        size_t cap = need > ROOM_BYTES ? need : ROOM_BYTES;
        pickle_room *r = mem_array(1, sizeof *r + cap);
        if (!r) {
            err_memory(u->err, "reading a pickle");
            return NULL;
        }
        *r = (pickle_room){ .next = u->rooms, .cap = cap };
        u->rooms = r;
    }
    char *room = u->rooms->bytes + u->rooms->used;
    u->rooms->used += need;
    return room;
}

static bool has_items(const pickle_value *v)
{
    return v->kind == PICKLE_TUPLE || v->kind == PICKLE_LIST || v->kind == PICKLE_DICT ||
           v->kind == PICKLE_SET;
}

rap_status unpickle_append(unpickled *u, pickle_value *to, pickle_value *const *items, size_t count)
{
    size_t need = to->as.list.count + count;
    if (need > PICKLE_MAX_ITEMS)
        return unpickle_bad(u, "a list has more items than a checkpoint needs");
    if (need > to->as.list.cap) {
        size_t cap = need > to->as.list.cap * 2 ? need : to->as.list.cap * 2;
        pickle_value **grown = realloc(to->as.list.items, cap * sizeof *grown);
        if (!grown)
            return err_memory(u->err, "reading a pickle");
        to->as.list.items = grown;
        to->as.list.cap = (uint32_t)cap;
    }
    if (count)
        memcpy(to->as.list.items + to->as.list.count, items, count * sizeof *items);
    to->as.list.count = (uint32_t)need;
    return RAP_OK;
}

void unpickle_free(unpickled *u)
{
    if (!u)
        return;
    while (u->blocks) {
        pickle_block *b = u->blocks;
        for (size_t i = 0; i < b->used; i++)
            if (has_items(&b->values[i]))
                free(b->values[i].as.list.items);
        u->blocks = b->next;
        free(b);
    }
    while (u->rooms) {
        pickle_room *r = u->rooms;
        u->rooms = r->next;
        free(r);
    }
    free(u->stack);
    free(u->memo);
    free(u->owned);
    free(u);
}

rap_status unpickle_failed(const unpickled *u)
{
    return u->err->status != RAP_OK ? u->err->status : RAP_E_MEMORY;
}

rap_status unpickle_bad(unpickled *u, const char *reason)
{
    return err_set(u->err, RAP_E_FORMAT, "%s: damaged pickle: %s", u->name, reason);
}

/* ---- a file ------------------------------------------------------------------------------- */

rap_status unpickle_file(unpickled **out, const char *path, size_t limit, rap_err *err)
{
    char *bytes;
    size_t size;
    *out = NULL;
    rap_status status =
        file_read(&bytes, &size, path, limit < PICKLE_MAX_BYTES ? limit : PICKLE_MAX_BYTES, err);
    if (status != RAP_OK)
        return status;
    status = unpickle(out, (const uint8_t *)bytes, size, path, err);
    if (status == RAP_OK)
        (*out)->owned = bytes;
    else
        free(bytes);
    return status;
}

/* ---- access ------------------------------------------------------------------------------ */

const pickle_storage *unpickle_storages(const unpickled *u)
{
    return u->storages;
}

const pickle_value *unpickle_root(const unpickled *u)
{
    return u->root;
}

size_t unpickle_size(const unpickled *u)
{
    return u->at;
}

static bool same_text(pickle_chars a, const char *b)
{
    return a.len == strlen(b) && !memcmp(a.bytes, b, a.len);
}

bool pickle_text_is(const pickle_value *v, const char *text)
{
    return v->kind == PICKLE_TEXT && same_text(v->as.text, text);
}

bool pickle_is_a(const pickle_value *v, const char *class_name)
{
    return v && v->kind == PICKLE_OBJECT &&
           same_text(v->as.object.type->as.global->name, class_name);
}

const pickle_value *pickle_dict(const pickle_value *v)
{
    if (v && v->kind == PICKLE_OBJECT)
        v = v->as.object.content;
    return v && v->kind == PICKLE_DICT ? v : NULL;
}

static const pickle_value *get(const pickle_value *dict, const char *key)
{
    if (!dict || dict->kind != PICKLE_DICT)
        return NULL;
    for (size_t i = dict->as.list.count; i >= 2; i -= 2) /* the last one set wins */
        if (pickle_text_is(dict->as.list.items[i - 2], key))
            return dict->as.list.items[i - 1];
    return NULL;
}

/* An object's attributes are a dict, or a pair of dicts if its class has slots. */
static const pickle_value *get_attribute(const pickle_value *state, const char *key)
{
    const pickle_value *found = get(state, key);
    if (found || !state || state->kind != PICKLE_TUPLE)
        return found;
    for (size_t i = 0; !found && i < state->as.list.count && i < 2; i++)
        found = get(state->as.list.items[i], key);
    return found;
}

const pickle_value *pickle_get(const pickle_value *dict, const char *key)
{
    if (!dict || dict->kind != PICKLE_OBJECT)
        return get(dict, key);
    const pickle_value *found = get_attribute(dict->as.object.state, key);
    return found ? found : get(dict->as.object.content, key);
}

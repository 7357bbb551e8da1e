/* state_torch.c: archive and pickle together: which tensors a file of torch.save holds, and where. Read
 * list_tensors() first: a dict of tensors, or a whole module. */
#include "base/mem.h"
#include "formats/module_tree.h"
#include "formats/script_tree.h"
#include "formats/state_inside.h"

#include <stdio.h>
#include <string.h>

enum { MAX_BYTE_ORDER = 64 };

static size_t count_tensors(const pickle_value *dict)
{
    size_t n = 0;
    for (size_t i = 1; dict && dict->kind == PICKLE_DICT && i < dict->as.list.count; i += 2)
        n += dict->as.list.items[i]->kind == PICKLE_TENSOR;
    return n;
}

/* The dict with the most tensors: a trainer may keep one of its own beside the model's. */
static const pickle_value *find_dict(const pickle_value *root)
{
    static const char *const places[] = { "state_dict", "model_state_dict", "model" };
    const pickle_value *best = root;
    for (size_t i = 0; i < 3; i++) {
        const pickle_value *inner = pickle_get(root, places[i]);
        if (count_tensors(inner) > count_tensors(best))
            best = inner;
    }
    return count_tensors(best) ? best : NULL;
}

/* Finds the storage's bytes; they must be all there. */
static rap_status locate(state_tensor *t, const state_part *p, const pickle_storage *s,
                         rap_err *err)
{
    char entry[64];
    size_t size, needed;
    if (s->key->as.text.len > 20)
        return err_set(err, RAP_E_FORMAT, "%s: damaged checkpoint: a storage has a long name",
                       p->path);
    snprintf(entry, sizeof entry, "data/%.*s", (int)s->key->as.text.len, s->key->as.text.bytes);
    rap_status status = torch_zip_read(p->zip, entry, SIZE_MAX, &t->bytes, &size, err);
    if (status != RAP_OK)
        return status;
    if (!mem_mul(&needed, (size_t)s->elements, dtype_size(s->type)) || needed > size)
        return err_set(err, RAP_E_FORMAT,
                       "%s: damaged checkpoint: '%s' holds %zu bytes, fewer than tensor '%s' needs",
                       p->path, entry, size, t->name);
    return RAP_OK;
}

static rap_status add_tensor(state_dict *d, const state_part *p, const char *name, size_t len,
                             const pickle_tensor *value, rap_err *err)
{
    state_tensor *t;
    rap_status status = state_add(&t, d, name, len, p->path, err);
    if (status != RAP_OK)
        return status;
    t->type = value->storage->type;
    t->dims = value->dims;
    memcpy(t->size, value->size, sizeof t->size);
    memcpy(t->stride, value->stride, sizeof t->stride);
    t->offset = value->offset;
    t->elements = value->elements;
    return locate(t, p, value->storage, err);
}

static rap_status list_dict(state_dict *d, const state_part *p, const pickle_value *dict,
                            rap_err *err)
{
    rap_status status = state_reserve(d, count_tensors(dict), err);
    for (size_t i = 0; status == RAP_OK && i + 1 < dict->as.list.count; i += 2) {
        const pickle_value *key = dict->as.list.items[i], *value = dict->as.list.items[i + 1];
        if (value->kind != PICKLE_TENSOR)
            continue;
        if (key->kind != PICKLE_TEXT)
            return err_set(err, RAP_E_FORMAT, "%s: damaged checkpoint: a tensor has no proper name",
                           p->path);
        status = add_tensor(d, p, key->as.text.bytes, key->as.text.len, &value->as.tensor, err);
    }
    return status;
}

/* ---- a whole module ----------------------------------------------------------------------- */

/* The module itself, or one that a trainer saved: the average of its last steps before the last. */
static const pickle_value *find_module(const pickle_value *root)
{
    static const char *const places[] = { "ema", "model" };
    for (size_t i = 0; i < 2 && !module_is(root); i++)
        if (module_is(pickle_get(root, places[i])))
            return pickle_get(root, places[i]);
    return module_is(root) ? root : NULL;
}

typedef struct listing {
    state_dict *d;
    const state_part *p;
    size_t count;
} listing;

static rap_status count_one(void *payload, const char *name, const pickle_tensor *tensor,
                            rap_err *err)
{
    ((listing *)payload)->count++;
    return RAP_OK;
}

static rap_status add_one(void *payload, const char *name, const pickle_tensor *tensor,
                          rap_err *err)
{
    const listing *l = payload;
    return add_tensor(l->d, l->p, name, strlen(name), tensor, err);
}

/* The tensors below `tree`, as module_walk() or script_walk() finds them. */
static rap_status list_tree(state_dict *d, const state_part *p, const pickle_value *tree,
                            rap_status walk(const pickle_value *, const char *, module_visit *,
                                            void *, rap_err *),
                            rap_err *err)
{
    listing l = { .d = d, .p = p };
    rap_status status = walk(tree, p->path, count_one, &l, err);
    if (status == RAP_OK)
        status = state_reserve(d, l.count, err);
    return status == RAP_OK ? walk(tree, p->path, add_one, &l, err) : status;
}

static rap_status list_tensors(state_dict *d, const state_part *p, rap_err *err)
{
    const pickle_value *root = unpickle_root(p->pickle), *dict = find_dict(root);
    if (script_is(root))
        return list_tree(d, p, root, script_walk, err);
    if (dict)
        return list_dict(d, p, dict, err);
    d->module = find_module(root);
    d->saved = root;
    return d->module
               ? list_tree(d, p, d->module, module_walk, err)
               : err_set(err, RAP_E_FORMAT,
                         "%s: holds no state dict (names and tensors) and no module", p->path);
}

/* Numbers are little-endian here and in every checkpoint of our time; the archive says so. */
static rap_status check_byte_order(const state_part *p, rap_err *err)
{
    const uint8_t *order;
    size_t size;
    if (!torch_zip_has(p->zip, "byteorder"))
        return RAP_OK;
    rap_status status = torch_zip_read(p->zip, "byteorder", MAX_BYTE_ORDER, &order, &size, err);
    if (status != RAP_OK)
        return status;
    if (size < 6 || memcmp(order, "little", 6))
        return err_set(err, RAP_E_UNSUPPORTED, "%s: its numbers are not little-endian", p->path);
    return RAP_OK;
}

rap_status state_open_torch(state_dict *d, const char *path, rap_err *err)
{
    const uint8_t *bytes;
    size_t size;
    rap_status status;
    state_part *p = state_new_part(d, path, err);

    if (!p)
        return RAP_E_MEMORY;
    if ((status = torch_zip_open(&p->zip, path, err)) != RAP_OK ||
        (status = check_byte_order(p, err)) != RAP_OK ||
        (status = torch_zip_read(p->zip, "data.pkl", PICKLE_MAX_BYTES, &bytes, &size, err)) !=
            RAP_OK ||
        (status = unpickle(&p->pickle, bytes, size, p->path, err)) != RAP_OK)
        return status;
    return list_tensors(d, p, err);
}

/* state_torch.c: archive and pickle together: which tensors a torch.save file holds, and where.
 * Read state_list_torch() first: a dict of tensors, or a whole module. */
#include "base/buf.h"
#include "base/mem.h"
#include "formats/module_tree.h"
#include "formats/script_tree.h"
#include "formats/state_choose.h"
#include "formats/state_inside.h"

#include <stdio.h>
#include <string.h>

enum { MAX_BYTE_ORDER = 64 };

/* The storage's bytes: an archive entry, or part of an old file. */
static rap_status storage_bytes(const uint8_t **out, size_t *out_size, const state_part *p,
                                pickle_chars key, rap_err *err)
{
    char entry[64];
    if (!p->zip)
        return state_legacy_find(out, out_size, p, key, err);
    if (key.len > 20)
        return err_set(err, RAP_E_FORMAT, "%s: damaged checkpoint: a storage has a long name",
                       p->path);
    snprintf(entry, sizeof entry, "data/%.*s", (int)key.len, key.bytes);
    return torch_zip_read(p->zip, entry, SIZE_MAX, out, out_size, err);
}

/* Checks that the storage is complete. */
static rap_status locate(state_tensor *t, const state_part *p, const pickle_storage *s,
                         rap_err *err)
{
    size_t size, needed;
    pickle_chars key = s->key->as.text;
    rap_status status = storage_bytes(&t->bytes, &size, p, key, err);
    if (status != RAP_OK)
        return status;
    if (!mem_mul(&needed, (size_t)s->whole, dtype_size(s->type)) || needed > size)
        return err_set(
            err, RAP_E_FORMAT,
            "%s: damaged checkpoint: storage '%.*s' holds %zu bytes, fewer than tensor '%s' needs",
            p->path, key.len < 40 ? (int)key.len : 40, key.bytes, size, t->name);
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
                            size_t count, rap_err *err)
{
    rap_status status = state_reserve(d, count, err);
    for (size_t i = 0; status == RAP_OK && i + 1 < dict->as.list.count; i += 2) {
        const pickle_value *key = dict->as.list.items[i], *value = dict->as.list.items[i + 1];
        if (value->kind == PICKLE_TENSOR && key->kind == PICKLE_TEXT)
            status = add_tensor(d, p, key->as.text.bytes, key->as.text.len, value->as.tensor, err);
    }
    return status;
}

/* ---- a whole module, a dict ---------------------------------------------------------------- */

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

/* Adds the tensors below `tree` with module_walk() or script_walk(). */
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

/* The note on which weights were chosen. */
static rap_status put_note(state_dict *d, const state_choice *choice, rap_err *err)
{
    buf note = BUF_INIT;
    if (choice->average == STATE_AVERAGE_NONE || d->note)
        return RAP_OK;
    if (choice->average == STATE_AVERAGE_TAKEN)
        buf_printf(&note, "took the averaged weights ('%s'), not those of the last step",
                   choice->averaged);
    else
        buf_printf(&note,
                   "took the weights of '%s': the averaged ones ('%s') lack some of its tensors",
                   *choice->place ? choice->place : "the top level", choice->averaged);
    if (buf_failed(&note)) {
        buf_release(&note);
        return err_memory(err, "reading a checkpoint");
    }
    d->note = buf_detach(&note);
    return RAP_OK;
}

rap_status state_list_torch(state_dict *d, const state_part *p, rap_err *err)
{
    const pickle_value *root = unpickle_root(p->pickle);
    state_choice choice;
    if (script_is(root))
        return list_tree(d, p, root, script_walk, err);
    rap_status status = state_choose(&choice, root, p->path, err);
    if (status == RAP_OK)
        status = put_note(d, &choice, err);
    if (status != RAP_OK)
        return status;
    if (choice.dict)
        return list_dict(d, p, choice.dict, choice.tensors, err);
    d->module = choice.module;
    d->saved = root;
    return d->module
               ? list_tree(d, p, d->module, module_walk, err)
               : err_set(err, RAP_E_FORMAT,
                         "%s: holds no state dict (names and tensors) and no module", p->path);
}

/* Data is little-endian here and in all current checkpoints; the archive states its byte order. */
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
        return err_set(err, RAP_E_UNSUPPORTED, "%s: its data is not little-endian", p->path);
    return RAP_OK;
}

/* Any zip archive may be given. */
static rap_status check_members(const state_part *p, rap_err *err)
{
    if (torch_zip_has(p->zip, "data.pkl"))
        return RAP_OK;
    if (!strcmp(path_extension(p->path), "npz"))
        return err_set(err, RAP_E_UNSUPPORTED,
                       "%s: an archive of NumPy arrays (a JAX model), which is "
                       "not supported: use timm's copy of the model",
                       p->path);
    return err_set(err, RAP_E_FORMAT,
                   "%s: a zip archive not written by torch.save (it has no data.pkl): unpack it "
                   "first",
                   p->path);
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
        (status = check_members(p, err)) != RAP_OK ||
        (status = check_byte_order(p, err)) != RAP_OK ||
        (status = torch_zip_read(p->zip, "data.pkl", PICKLE_MAX_BYTES, &bytes, &size, err)) !=
            RAP_OK ||
        (status = unpickle(&p->pickle, bytes, size, p->path, err)) != RAP_OK)
        return status;
    return state_list_torch(d, p, err);
}

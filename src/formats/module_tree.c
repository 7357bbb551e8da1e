/* module_tree.c: walks a module's unpickled objects. Its attributes `_parameters` and `_buffers`
 * hold tensors by name, `_modules` the child layers. */
#include "formats/module_tree.h"

#include <stdio.h>
#include <string.h>

enum { MAX_DEPTH = 32, MAX_STEPS = 1 << 22, MAX_NAME = 200 };

bool module_is(const pickle_value *v)
{
    return v && v->kind == PICKLE_OBJECT && pickle_get(v, "_modules") &&
           pickle_get(v, "_parameters");
}

const pickle_value *module_child(const pickle_value *module, const char *name)
{
    const pickle_value *below = pickle_get(pickle_get(module, "_modules"), name);
    return module_is(below) ? below : NULL;
}

const pickle_value *module_find(const pickle_value *module, const char *path)
{
    char name[MAX_NAME + 1];
    while (module && *path) {
        size_t len = strcspn(path, ".");
        if (len > MAX_NAME)
            return NULL;
        memcpy(name, path, len);
        name[len] = 0;
        module = module_child(module, name);
        path += len + (path[len] == '.');
    }
    return module;
}

/* ---- the walk ----------------------------------------------------------------------------- */

typedef struct walk {
    const char *file;
    module_visit *visit;
    void *payload;
    size_t steps; /* attributes and tensors visited */
    char name[MAX_NAME + 1];
    rap_err *err;
} walk;

static rap_status bad(walk *w, const char *reason)
{
    return err_set(w->err, RAP_E_FORMAT, "%s: damaged checkpoint: %s", w->file, reason);
}

/* Sets the path to its first `len` bytes plus a key; returns the new length, 0 if that is not a
 * valid name. */
static size_t extend(walk *w, size_t len, const pickle_value *key)
{
    if (key->kind != PICKLE_TEXT || !key->as.text.len ||
        memchr(key->as.text.bytes, 0, key->as.text.len) || key->as.text.len + 1 > MAX_NAME - len)
        return 0;
    if (len)
        w->name[len++] = '.';
    memcpy(w->name + len, key->as.text.bytes, key->as.text.len);
    len += key->as.text.len;
    w->name[len] = 0;
    return len;
}

/* A module without a bias has None in its place. */
static rap_status visit_tensors(walk *w, const pickle_value *dict, size_t len)
{
    rap_status status = RAP_OK;
    if (!dict || dict->kind != PICKLE_DICT)
        return dict ? bad(w, "a layer's tensors are not a dict") : RAP_OK;
    for (size_t i = 0; status == RAP_OK && i + 1 < dict->as.list.count; i += 2) {
        const pickle_value *value = dict->as.list.items[i + 1];
        if (value->kind == PICKLE_NONE)
            continue;
        if (value->kind != PICKLE_TENSOR || !extend(w, len, dict->as.list.items[i]))
            return bad(w, "a layer's tensor has no valid name or is not a tensor");
        status = w->visit(w->payload, w->name, value->as.tensor, w->err);
    }
    return status;
}

static size_t items_of(const pickle_value *dict)
{
    return dict && dict->kind == PICKLE_DICT ? dict->as.list.count : 0;
}

/* A damaged file may repeat the same layers many times, so visits are counted. */
static rap_status visit_layer(walk *w, const pickle_value *module, size_t len, int depth)
{
    w->steps += 1 + items_of(module->as.object.state);
    if (depth > MAX_DEPTH || w->steps > MAX_STEPS)
        return bad(w, "its layers nest too deeply");
    const pickle_value *below = pickle_get(module, "_modules");
    w->steps += items_of(below) + items_of(pickle_get(module, "_parameters")) +
                items_of(pickle_get(module, "_buffers"));
    rap_status status = visit_tensors(w, pickle_get(module, "_parameters"), len);
    if (status == RAP_OK)
        status = visit_tensors(w, pickle_get(module, "_buffers"), len);
    if (status == RAP_OK && below->kind != PICKLE_DICT)
        return bad(w, "a layer's child layers are not a dict");
    for (size_t i = 0; status == RAP_OK && i + 1 < below->as.list.count; i += 2) {
        const pickle_value *child = below->as.list.items[i + 1];
        if (child->kind == PICKLE_NONE)
            continue;
        size_t longer = extend(w, len, below->as.list.items[i]);
        if (!longer || !module_is(child))
            return bad(w, "a layer has no valid name or is not a layer");
        status = visit_layer(w, child, longer, depth + 1);
    }
    return status;
}

rap_status module_walk(const pickle_value *module, const char *file, module_visit *visit,
                       void *payload, rap_err *err)
{
    walk w = { .file = file, .visit = visit, .payload = payload, .err = err };
    return visit_layer(&w, module, 0, 0);
}

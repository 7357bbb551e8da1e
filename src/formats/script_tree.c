/* script_tree.c: walks the objects of a TorchScript archive.
 *
 * A damaged file may hold objects that contain themselves or repeat many times, so the walk limits
 * the length of names, which bounds its depth, and the number of steps. */
#include "formats/script_tree.h"

#include <string.h>

enum { MAX_NAME = 200, MAX_STEPS = 1 << 20 };

typedef struct walk {
    const char *file;
    module_visit *visit;
    void *payload;
    rap_err *err;
    size_t steps;
    char name[MAX_NAME + 1];
} walk;

bool script_is(const pickle_value *v)
{
    static const char module[] = "__torch__";
    if (!v || v->kind != PICKLE_OBJECT || v->as.object.type->kind != PICKLE_GLOBAL)
        return false;
    pickle_chars m = v->as.object.type->as.global->module;
    return m.len >= sizeof module - 1 && !memcmp(m.bytes, module, sizeof module - 1);
}

static rap_status walk_object(walk *w, const pickle_value *object, size_t len);

/* Attribute `key` of the object whose name ends at `len`. */
static rap_status walk_attribute(walk *w, const pickle_value *key, const pickle_value *value,
                                 size_t len)
{
    if (w->steps++ >= MAX_STEPS)
        return err_set(w->err, RAP_E_LIMIT, "%s: has more parts than a checkpoint needs", w->file);
    if (value->kind != PICKLE_TENSOR && !script_is(value))
        return RAP_OK;
    if (key->kind != PICKLE_TEXT || key->as.text.len == 0 || key->as.text.len > MAX_NAME ||
        len + 1 + key->as.text.len > MAX_NAME || memchr(key->as.text.bytes, 0, key->as.text.len))
        return err_set(w->err, RAP_E_FORMAT, "%s: damaged checkpoint: a tensor has no valid name",
                       w->file);
    if (len)
        w->name[len++] = '.';
    memcpy(w->name + len, key->as.text.bytes, key->as.text.len);
    len += key->as.text.len;
    w->name[len] = '\0';
    return value->kind == PICKLE_TENSOR ? w->visit(w->payload, w->name, value->as.tensor, w->err)
                                        : walk_object(w, value, len);
}

static rap_status walk_object(walk *w, const pickle_value *object, size_t len)
{
    const pickle_value *state = object->as.object.state;
    rap_status status = RAP_OK;
    if (!state || state->kind != PICKLE_DICT)
        return RAP_OK;
    for (size_t i = 0; status == RAP_OK && i + 1 < state->as.list.count; i += 2)
        status = walk_attribute(w, state->as.list.items[i], state->as.list.items[i + 1], len);
    return status;
}

rap_status script_walk(const pickle_value *root, const char *file, module_visit *visit,
                       void *payload, rap_err *err)
{
    walk w = { .file = file, .visit = visit, .payload = payload, .err = err };
    return script_is(root) ? walk_object(&w, root, 0) : RAP_OK;
}

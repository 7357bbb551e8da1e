/* state_names.c: strips wrappers from tensor names: torch.compile() and distributed training
 * insert parts of their own, and trainers add a common prefix. */
#include "formats/module_tree.h"
#include "formats/state_inside.h"

#include <stdlib.h>
#include <string.h>

/* Parts that are not layers of a model, anywhere in a name. */
static const char *const wrappers[] = { "_orig_mod.", "_forward_module.", "_fsdp_wrapped_module.",
                                        "_checkpoint_wrapped_module." };

/* Does a part of the name begin at `at`? */
static bool begins_part(const char *name, const char *at)
{
    return at == name || at[-1] == '.';
}

static bool unwrap_name(char *name)
{
    bool changed = false;
    for (size_t i = 0; i < sizeof wrappers / sizeof *wrappers; i++) {
        size_t len = strlen(wrappers[i]);
        for (char *at = name; (at = strstr(at, wrappers[i]));) {
            if (begins_part(name, at) && at[len]) {
                memmove(at, at + len, strlen(at + len) + 1);
                changed = true;
            } else {
                at += len;
            }
        }
    }
    return changed;
}

rap_status state_unwrap_names(state_dict *d, rap_err *err)
{
    bool changed = false;
    for (size_t i = 0; i < d->count; i++)
        changed |= unwrap_name(d->tensors[i].name);
    return changed ? state_sort(d, err) : RAP_OK;
}

rap_status state_dict_select(state_dict *d, const char *prefix, rap_err *err)
{
    size_t len = strlen(prefix), kept = 0;
    for (size_t i = 0; i < d->count; i++) {
        state_tensor *t = &d->tensors[i];
        if (strncmp(t->name, prefix, len) || !t->name[len]) {
            free(t->name);
            continue;
        }
        memmove(t->name, t->name + len, strlen(t->name + len) + 1);
        d->tensors[kept++] = *t;
    }
    d->count = kept;
    if (d->module && len && len <= STATE_MAX_NAME) {
        char path[STATE_MAX_NAME + 1];
        memcpy(path, prefix, len - 1); /* without the dot */
        path[len - 1] = '\0';
        d->module = module_find(d->module, path);
    }
    return state_sort(d, err);
}

/* state_choose.c: a training checkpoint holds the weights, their average, the optimizer's state,
 * settings. Each dict with tensors and each module is a candidate; the one with the most tensors
 * is the model. Values may contain themselves, so the walk limits path length and steps. */
#include "formats/state_choose.h"
#include "formats/module_tree.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { MAX_DEPTH = 5, MAX_STEPS = 1 << 22, MAX_MODULES = 64 };

typedef struct walk {
    const char *file;
    size_t steps;
    bool averaged;                            /* below a key for averaged weights */
    state_choice best[2];                     /* others, averaged */
    const pickle_value *modules[MAX_MODULES]; /* visited modules, each once */
    size_t module_count;
    char place[STATE_MAX_PLACE + 1];
    rap_err *err;
} walk;

static bool is_word(const char *word, size_t len, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strlen(list[i]) == len && !strncasecmp(word, list[i], len))
            return true;
    return false;
}

int state_is_averaged(const char *name, size_t len)
{
    static const char *const words[] = { "ema",       "swa",     "averaged", "average",
                                         "averaging", "teacher", "polyak",   "shadow" };
    while (len > 0) {
        size_t word = 0;
        while (word < len && name[word] != '_' && name[word] != '-' && name[word] != '.')
            word++;
        if (is_word(name, word, words, sizeof words / sizeof *words))
            return 1;
        name += word + (word < len);
        len -= word + (word < len);
    }
    return 0;
}

/* Stored next to the weights, and may hold as many tensors. */
static bool is_beside(pickle_chars key)
{
    static const char *const starts[] = { "optim", "scheduler", "lr_sched", "scaler", "rng_state" };
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
        size_t len = strlen(starts[i]);
        if (key.len >= len && !strncasecmp(key.bytes, starts[i], len))
            return true;
    }
    return false;
}

static size_t count_tensors(const pickle_value *dict)
{
    size_t n = 0;
    for (size_t i = 0; i + 1 < dict->as.list.count; i += 2)
        n += dict->as.list.items[i]->kind == PICKLE_TEXT &&
             dict->as.list.items[i + 1]->kind == PICKLE_TENSOR;
    return n;
}

static int parts(const char *place)
{
    int dots = 0;
    for (const char *at = place; *at; at++)
        dots += *at == '.';
    return dots;
}

static void offer(walk *w, const pickle_value *dict, const pickle_value *module, size_t tensors)
{
    state_choice *best = &w->best[w->averaged];
    bool nearer = parts(w->place) < parts(best->place); /* the same one may occur in two places */
    if (tensors < best->tensors || (tensors == best->tensors && !nearer))
        return;
    *best = (state_choice){ .dict = dict, .module = module, .tensors = tensors };
    memcpy(best->place, w->place, sizeof best->place);
}

static rap_status count_one(void *payload, const char *name, const pickle_tensor *tensor,
                            rap_err *err)
{
    ++*(size_t *)payload;
    return RAP_OK;
}

/* DistributedDataParallel and torch.compile() wrap the module as their only layer. */
static const pickle_value *unwrap(const pickle_value *module)
{
    static const char *const layers[] = { "module", "_orig_mod", "_forward_module" };
    for (int depth = 0; depth < MAX_DEPTH; depth++) {
        const pickle_value *below = pickle_get(module, "_modules"), *inner = NULL;
        if (!below || below->kind != PICKLE_DICT || below->as.list.count != 2)
            return module;
        for (size_t i = 0; !inner && i < sizeof layers / sizeof *layers; i++)
            inner = module_child(module, layers[i]);
        if (!inner)
            return module;
        module = inner;
    }
    return module;
}

static rap_status offer_module(walk *w, const pickle_value *module)
{
    size_t count = 0;
    module = unwrap(module);
    for (size_t i = 0; i < w->module_count; i++)
        if (w->modules[i] == module)
            return RAP_OK;
    if (w->module_count == MAX_MODULES)
        return err_set(w->err, RAP_E_LIMIT, "%s: holds more modules than a checkpoint needs",
                       w->file);
    w->modules[w->module_count++] = module;
    rap_status status = module_walk(module, w->file, count_one, &count, w->err);
    if (status == RAP_OK)
        offer(w, NULL, module, count);
    return status;
}

static rap_status look(walk *w, const pickle_value *value, size_t len, int depth);

/* The value for one key of a dict whose path ends at `len`. */
static rap_status look_below(walk *w, const pickle_value *key, const pickle_value *value,
                             size_t len, int depth)
{
    bool averaged = w->averaged;
    if (key->kind != PICKLE_TEXT || is_beside(key->as.text) || value->kind == PICKLE_TENSOR ||
        key->as.text.len + 1 > STATE_MAX_PLACE - len)
        return RAP_OK;
    size_t longer = len;
    if (len)
        w->place[longer++] = '.';
    memcpy(w->place + longer, key->as.text.bytes, key->as.text.len);
    longer += key->as.text.len;
    w->place[longer] = '\0';
    w->averaged = averaged || state_is_averaged(key->as.text.bytes, key->as.text.len);
    rap_status status = look(w, value, longer, depth + 1);
    w->averaged = averaged;
    w->place[len] = '\0';
    return status;
}

/* Counts visited items: a damaged file may repeat the same large dict. */
static bool count_items(walk *w, const pickle_value *dict)
{
    w->steps += 1 + (dict && dict->kind == PICKLE_DICT ? dict->as.list.count : 0);
    return w->steps <= MAX_STEPS;
}

static rap_status look_into(walk *w, const pickle_value *dict, size_t len, int depth)
{
    rap_status status = RAP_OK;
    if (!dict || dict->kind != PICKLE_DICT)
        return RAP_OK;
    offer(w, dict, NULL, count_tensors(dict));
    for (size_t i = 0; status == RAP_OK && i + 1 < dict->as.list.count; i += 2)
        status = look_below(w, dict->as.list.items[i], dict->as.list.items[i + 1], len, depth);
    return status;
}

/* A dict, or an object's attributes and items. */
static rap_status look(walk *w, const pickle_value *value, size_t len, int depth)
{
    bool object = value->kind == PICKLE_OBJECT;
    const pickle_value *state = object ? value->as.object.state : NULL;
    const pickle_value *dict = pickle_dict(value);
    if (depth > MAX_DEPTH)
        return RAP_OK;
    if (!count_items(w, state) || !count_items(w, dict))
        return err_set(w->err, RAP_E_LIMIT, "%s: has more parts than a checkpoint needs", w->file);
    if (module_is(value))
        return offer_module(w, value);
    rap_status status = look_into(w, dict, len, depth);
    return status == RAP_OK ? look_into(w, state, len, depth) : status;
}

rap_status state_choose(state_choice *out, const pickle_value *root, const char *file, rap_err *err)
{
    walk w = { .file = file, .err = err };
    *out = (state_choice){ 0 };
    rap_status status = look(&w, root, 0, 0);
    if (status != RAP_OK)
        return status;
    const state_choice *plain = &w.best[0], *averaged = &w.best[1];
    bool take = averaged->tensors > 0 && averaged->tensors >= plain->tensors;
    *out = take ? *averaged : *plain;
    if (take && plain->tensors * 2 > averaged->tensors)
        out->average = STATE_AVERAGE_TAKEN;
    else if (!take && averaged->tensors * 2 > plain->tensors)
        out->average = STATE_AVERAGE_LEFT;
    memcpy(out->averaged, averaged->place, sizeof out->averaged);
    return RAP_OK;
}

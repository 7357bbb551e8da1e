/* pickle_calls.c: the meaning of names and calls.
 *
 * Nothing is imported or run: OrderedDict gives a dict, _rebuild_tensor_v2 a checked description
 * of a tensor, _rebuild_parameter the tensor inside it, and everything else an inert object that
 * only knows its class name. Names that run commands when Python loads them are refused: a file
 * that mentions one is an attack. */
#include "formats/pickle_machine.h"

#include <string.h>

typedef enum callable {
    STORAGE_CLASS, /* never called */
    MAKE_DICT,
    MAKE_TENSOR,
    MAKE_PARAMETER, /* the tensor is the first argument */
    MAKE_FROM_TYPE, /* the function is the first argument, its argument tuple the third */
    MAKE_METHOD,    /* getattr(object, name): how a fused module keeps its forward() */
    MAKE_INSTANCE   /* the class is the first argument: how protocols 0 and 1 make objects */
} callable;

typedef struct known_global {
    const char *module, *name;
    callable call;
    dtype type; /* of a storage class */
} known_global;

static const known_global known[] = {
    { "collections", "OrderedDict", MAKE_DICT, 0 },
    { "collections", "defaultdict", MAKE_DICT, 0 },
    { "collections", "Counter", MAKE_DICT, 0 },
    { "builtins", "dict", MAKE_DICT, 0 },
    { "__builtin__", "dict", MAKE_DICT, 0 },
    { "torch._utils", "_rebuild_tensor", MAKE_TENSOR, 0 },
    { "torch._utils", "_rebuild_tensor_v2", MAKE_TENSOR, 0 },
    { "torch._utils", "_rebuild_parameter", MAKE_PARAMETER, 0 },
    { "torch._utils", "_rebuild_parameter_with_state", MAKE_PARAMETER, 0 },
    { "torch.nn.parameter", "Parameter", MAKE_PARAMETER, 0 },
    { "torch._tensor", "_rebuild_from_type_v2", MAKE_FROM_TYPE, 0 },
    { "torch._tensor", "_rebuild_from_type", MAKE_FROM_TYPE, 0 },
    { "torch.tensor", "_rebuild_from_type", MAKE_FROM_TYPE, 0 },
    { "torch", "FloatStorage", STORAGE_CLASS, DTYPE_F32 },
    { "torch", "HalfStorage", STORAGE_CLASS, DTYPE_F16 },
    { "torch", "BFloat16Storage", STORAGE_CLASS, DTYPE_BF16 },
    { "torch", "DoubleStorage", STORAGE_CLASS, DTYPE_F64 },
    { "torch", "LongStorage", STORAGE_CLASS, DTYPE_I64 },
    { "torch", "IntStorage", STORAGE_CLASS, DTYPE_I32 },
    { "torch", "ShortStorage", STORAGE_CLASS, DTYPE_I16 },
    { "torch", "CharStorage", STORAGE_CLASS, DTYPE_I8 },
    { "torch", "ByteStorage", STORAGE_CLASS, DTYPE_U8 },
    { "torch", "BoolStorage", STORAGE_CLASS, DTYPE_BOOL },
    { "__builtin__", "getattr", MAKE_METHOD, 0 },
    { "builtins", "getattr", MAKE_METHOD, 0 },
    { "copyreg", "_reconstructor", MAKE_INSTANCE, 0 },
    { "copy_reg", "_reconstructor", MAKE_INSTANCE, 0 },
    { "copyreg", "__newobj__", MAKE_INSTANCE, 0 },
    { "copyreg", "__newobj_ex__", MAKE_INSTANCE, 0 },
};
enum { KNOWN_COUNT = sizeof known / sizeof *known };

/* Names that run commands or code, remove files or load programs. NULL: everything in the module. */
static const char *const hostile[][2] = {
    { "os", "system" },
    { "os", "popen" },
    { "os", "fork" },
    { "os", "forkpty" },
    { "os", "kill" },
    { "os", "killpg" },
    { "os", "startfile" },
    { "os", "posix_spawn" },
    { "os", "posix_spawnp" },
    { "os", "remove" },
    { "os", "unlink" },
    { "os", "rmdir" },
    { "os", "removedirs" },
    { "os", "rename" },
    { "os", "replace" },
    { "os", "putenv" },
    { "posix", NULL },
    { "nt", NULL },
    { "subprocess", NULL },
    { "commands", "getoutput" },
    { "commands", "getstatusoutput" },
    { "pty", NULL },
    { "runpy", NULL },
    { "shutil", NULL },
    { "socket", NULL },
    { "webbrowser", NULL },
    { "importlib", NULL },
    { "code", "interact" },
    { "pdb", "run" },
    { "timeit", "timeit" },
    { "cProfile", "run" },
    { "pickle", "loads" },
    { "_pickle", "loads" },
    { "marshal", NULL },
    { "ctypes", "CDLL" },
    { "io", "open" },
    { "io", "FileIO" },
    { "_io", "open" },
    { "_io", "FileIO" },
};
static const char *const hostile_builtins[] = { "eval",    "exec",  "execfile",
                                                "compile", "apply", "__import__",
                                                "open",    "input", "breakpoint" };

size_t dtype_size(dtype type)
{
    static const uint8_t sizes[] = { 4, 2, 2, 8, 8, 4, 2, 1, 1, 1 };
    return sizes[type];
}

static bool same(const char *text, pickle_chars t)
{
    return strlen(text) == t.len && !memcmp(text, t.bytes, t.len);
}

static bool starts(pickle_chars t, const char *prefix)
{
    return t.len >= strlen(prefix) && !memcmp(t.bytes, prefix, strlen(prefix));
}

static bool is_hostile(pickle_chars module, pickle_chars name)
{
    if (same("builtins", module) || same("__builtin__", module)) {
        for (size_t i = 0; i < sizeof hostile_builtins / sizeof *hostile_builtins; i++)
            if (same(hostile_builtins[i], name))
                return true;
        return false;
    }
    if (same("os", module) && (starts(name, "exec") || starts(name, "spawn")))
        return true;
    for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++)
        if (same(hostile[i][0], module) && (!hostile[i][1] || same(hostile[i][1], name)))
            return true;
    return false;
}

/* The printable length of a text, for "%.*s". */
static int shown(pickle_chars t)
{
    return t.len < 80 ? (int)t.len : 80;
}

rap_status unpickle_global(pickle_value **out, unpickled *u, pickle_chars module, pickle_chars name)
{
    if (is_hostile(module, name))
        return err_set(u->err, RAP_E_FORMAT,
                       "%s: refuses to load '%.*s.%.*s', which runs code and does not belong in a "
                       "checkpoint: do not open this file with any other program",
                       u->name, shown(module), module.bytes, shown(name), name.bytes);
    pickle_global *g = unpickle_room(u, sizeof *g);
    if (!g || !(*out = unpickle_new(u, PICKLE_GLOBAL)))
        return unpickle_failed(u);
    *g = (pickle_global){ -1, module, name };
    bool on_device = same("torch.cuda", module); /* its storages are those of "torch" */
    for (int i = 0; i < KNOWN_COUNT && g->known < 0; i++)
        if (same(known[i].name, name) &&
            (same(known[i].module, module) || (on_device && known[i].call == STORAGE_CLASS)))
            g->known = i;
    (*out)->as.global = g;
    return RAP_OK;
}

static const known_global *known_of(const pickle_value *v)
{
    return v->kind == PICKLE_GLOBAL && v->as.global->known >= 0 ? &known[v->as.global->known]
                                                                : NULL;
}

static rap_status inert(pickle_value **out, unpickled *u, const pickle_value *type)
{
    if (!(*out = unpickle_new(u, PICKLE_OBJECT)))
        return unpickle_failed(u);
    (*out)->as.object.type = type;
    return RAP_OK;
}

/* ---- storages ----------------------------------------------------------------------------- */

/* In an old file a storage may be part of another: (its key, first element, count). */
static bool read_view(pickle_storage *s, const pickle_value *view)
{
    if (view->kind == PICKLE_NONE)
        return true;
    pickle_value **part = view->as.list.items;
    if (view->kind != PICKLE_TUPLE || view->as.list.count != 3 || part[1]->kind != PICKLE_INT ||
        part[2]->kind != PICKLE_INT)
        return false;
    s->first = part[1]->as.integer;
    s->elements = part[2]->as.integer;
    return s->first >= 0 && s->elements >= 0 && s->first <= s->whole &&
           s->elements <= s->whole - s->first;
}

/* ("storage", class, key, device, elements), followed by a view in old files. Storage classes we
 * do not read (complex, quantised) give an inert object. */
rap_status unpickle_storage(pickle_value **out, unpickled *u, const pickle_value *id)
{
    size_t count = id->kind == PICKLE_TUPLE ? id->as.list.count : 0;
    pickle_value **part = id->as.list.items;
    if (count == 4 && pickle_text_is(part[0], "module") && part[1]->kind == PICKLE_GLOBAL) {
        *out = part[1]; /* a class with its source, which is ignored */
        return RAP_OK;
    }
    if (count != 5 && count != 6)
        return unpickle_bad(u, "a storage's description does not have five or six values");
    if (!pickle_text_is(part[0], "storage") || part[1]->kind != PICKLE_GLOBAL ||
        part[2]->kind != PICKLE_TEXT || part[4]->kind != PICKLE_INT || part[4]->as.integer < 0)
        return unpickle_bad(u, "a storage's description makes no sense");
    const known_global *type = known_of(part[1]);
    if (!type)
        return inert(out, u, part[1]);
    if (type->call != STORAGE_CLASS)
        return unpickle_bad(u, "a storage's description makes no sense");
    pickle_storage *s = unpickle_room(u, sizeof *s);
    if (!s || !(*out = unpickle_new(u, PICKLE_STORAGE)))
        return unpickle_failed(u);
    *s = (pickle_storage){ .type = type->type,
                           .key = part[2],
                           .elements = part[4]->as.integer,
                           .whole = part[4]->as.integer };
    (*out)->as.storage = s;
    s->next = u->storages;
    u->storages = s;
    return count == 5 || read_view(s, part[5])
               ? RAP_OK
               : unpickle_bad(u, "a storage's view is outside the storage");
}

/* ---- tensors ------------------------------------------------------------------------------ */

/* Does the tensor stay inside its storage? Also counts the elements and resets meaningless values:
 * the stride of an axis of one, the offset of an empty tensor. */
static bool tensor_fits(pickle_tensor *t)
{
    int64_t last = t->offset;
    t->elements = 1;
    for (int i = 0; i < t->dims; i++) {
        int64_t reach;
        if (t->size[i] == 1 && t->stride[i] > 0)
            t->stride[i] = 0;
        if (t->size[i] < 0 || t->stride[i] < 0 ||
            __builtin_mul_overflow(t->elements, t->size[i], &t->elements))
            return false;
        if (t->size[i] == 0)
            continue;
        if (__builtin_mul_overflow(t->size[i] - 1, t->stride[i], &reach) ||
            __builtin_add_overflow(last, reach, &last))
            return false;
    }
    if (t->offset < 0 || t->elements > INT64_MAX / 16)
        return false;
    if (t->elements == 0)
        t->offset = 0;
    /* A tensor that repeats elements (stride 0) may claim far more than the file holds. */
    return t->elements == 0 || (last < t->storage->elements && t->elements <= t->storage->elements);
}

static rap_status build_tensor(pickle_value **out, unpickled *u, const pickle_value *callee,
                               const pickle_value *args)
{
    pickle_value **arg =
        args->as.list.items; /* storage, offset, size, stride, requires_grad, hooks */
    if (args->as.list.count >= 4 && arg[0]->kind == PICKLE_OBJECT)
        return inert(out, u, callee); /* of an unsupported type */
    if (args->as.list.count < 4 || arg[0]->kind != PICKLE_STORAGE || arg[1]->kind != PICKLE_INT ||
        arg[2]->kind != PICKLE_TUPLE || arg[3]->kind != PICKLE_TUPLE)
        return unpickle_bad(u, "a tensor's description makes no sense");
    size_t dims = arg[2]->as.list.count;
    if (dims > TENSOR_MAX_DIMS || dims != arg[3]->as.list.count)
        return unpickle_bad(u, "a tensor has an impossible number of dimensions");
    pickle_tensor *t = unpickle_room(u, sizeof *t);
    if (!t || !(*out = unpickle_new(u, PICKLE_TENSOR)))
        return unpickle_failed(u);
    (*out)->as.tensor = t;
    t->storage = arg[0]->as.storage;
    t->offset = arg[1]->as.integer;
    t->dims = (int)dims;
    for (size_t i = 0; i < dims; i++) {
        const pickle_value *size = arg[2]->as.list.items[i], *stride = arg[3]->as.list.items[i];
        if (size->kind != PICKLE_INT || stride->kind != PICKLE_INT)
            return unpickle_bad(u, "a tensor's shape is not made of integers");
        t->size[i] = size->as.integer;
        t->stride[i] = stride->as.integer;
    }
    if (!tensor_fits(t))
        return unpickle_bad(u, "a tensor does not fit its storage");
    t->offset += t->storage->first;
    return RAP_OK;
}

/* A tensor subclass: rebuilt by another function, whose type and attributes are dropped. */
static rap_status build_from_type(pickle_value **out, unpickled *u, const pickle_value *callee,
                                  const pickle_value *args)
{
    pickle_value **arg = args->as.list.items; /* function, type, arguments, attributes */
    const known_global *call = args->as.list.count >= 3 ? known_of(arg[0]) : NULL;
    if (!call || arg[2]->kind != PICKLE_TUPLE)
        return inert(out, u, callee);
    return call->call == MAKE_TENSOR ? build_tensor(out, u, arg[0], arg[2]) : inert(out, u, callee);
}

/* ---- dicts and objects -------------------------------------------------------------------- */

/* Without arguments an empty dict; for a dict that dict; Python 2 passes OrderedDict a list of
 * pairs. Other arguments (a defaultdict's factory) are dropped. */
static rap_status build_dict(pickle_value **out, unpickled *u, const pickle_value *args)
{
    pickle_value *first = args->as.list.count ? args->as.list.items[0] : NULL;
    if (first && first->kind == PICKLE_DICT) {
        *out = first;
        return RAP_OK;
    }
    if (!(*out = unpickle_new(u, PICKLE_DICT)))
        return unpickle_failed(u);
    rap_status status = RAP_OK;
    for (size_t i = 0;
         status == RAP_OK && first && first->kind == PICKLE_LIST && i < first->as.list.count; i++) {
        const pickle_value *pair = first->as.list.items[i];
        if ((pair->kind != PICKLE_LIST && pair->kind != PICKLE_TUPLE) || pair->as.list.count != 2)
            return unpickle_bad(u, "an OrderedDict has arguments it cannot take");
        status = unpickle_append(u, *out, pair->as.list.items, 2);
    }
    return status;
}

rap_status unpickle_object(pickle_value **out, unpickled *u, const pickle_value *type,
                           const pickle_value *args)
{
    const known_global *call = known_of(type);
    if (type->kind != PICKLE_GLOBAL || args->kind != PICKLE_TUPLE)
        return unpickle_bad(u, "it makes an object of something that is not a class");
    if (!call)
        return inert(out, u, type);
    if (call->call == MAKE_DICT)
        return build_dict(out, u, args);
    return unpickle_bad(u, "it makes an object of something that is not a class");
}

/* A class with any arguments; anything but a class gives an object of the function. */
static rap_status build_instance(pickle_value **out, unpickled *u, const pickle_value *callee,
                                 const pickle_value *args)
{
    const pickle_value *first = args->as.list.count ? args->as.list.items[0] : NULL;
    return inert(out, u, first && first->kind == PICKLE_GLOBAL ? first : callee);
}

rap_status unpickle_call(pickle_value **out, unpickled *u, const pickle_value *callee,
                         const pickle_value *args)
{
    if (callee->kind == PICKLE_OBJECT) /* the result of a function, called again */
        callee = callee->as.object.type;
    if (callee->kind != PICKLE_GLOBAL || args->kind != PICKLE_TUPLE)
        return unpickle_bad(u, "it calls something that is not a function");
    const known_global *call = known_of(callee);
    if (!call)
        return inert(out, u, callee);
    switch (call->call) {
    case MAKE_DICT:
        return build_dict(out, u, args);
    case MAKE_TENSOR:
        return build_tensor(out, u, callee, args);
    case MAKE_PARAMETER:
        if (args->as.list.count < 1 || args->as.list.items[0]->kind != PICKLE_TENSOR)
            return inert(out, u, callee);
        *out = args->as.list.items[0];
        return RAP_OK;
    case MAKE_FROM_TYPE:
        return build_from_type(out, u, callee, args);
    case MAKE_METHOD:
        return inert(out, u, callee);
    case MAKE_INSTANCE:
        return build_instance(out, u, callee, args);
    case STORAGE_CLASS:
        break;
    }
    return unpickle_bad(u, "it calls a storage class");
}

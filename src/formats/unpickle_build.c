/* unpickle_build.c: the closed list of names, and the few things that may be called.
 *
 * Nothing is looked up and nothing is run: OrderedDict gives an empty dict, _rebuild_tensor_v2 a
 * checked description of a tensor, _rebuild_parameter the tensor inside it, and everything else that may
 * be mentioned an inert object, which is its class's name. */
#include "formats/unpickle_inside.h"

#include <string.h>

typedef enum callable {
    STORAGE_CLASS, /* never called */
    MAKE_DICT,
    MAKE_TENSOR,
    MAKE_PARAMETER,
    MAKE_METHOD, /* getattr(object, name): a fused module keeps its forward() this way */
    MAKE_OBJECT  /* whatever it is called with */
} callable;

typedef struct known_global {
    const char *module, *name;
    callable call;
    dtype type; /* of a storage class */
} known_global;

static const known_global known[] = {
    { "collections", "OrderedDict", MAKE_DICT, 0 },
    { "torch._utils", "_rebuild_tensor_v2", MAKE_TENSOR, 0 },
    { "torch._utils", "_rebuild_parameter", MAKE_PARAMETER, 0 },
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
    /* What a whole module and its training settings mention besides their own classes. */
    { "__builtin__", "getattr", MAKE_METHOD, 0 },
    { "builtins", "getattr", MAKE_METHOD, 0 },
    { "__builtin__", "set", MAKE_OBJECT, 0 },
    { "builtins", "set", MAKE_OBJECT, 0 },
    { "torch", "Size", MAKE_OBJECT, 0 },
    { "torch", "device", MAKE_OBJECT, 0 },
    { "torch", "float16", MAKE_OBJECT, 0 },
    { "torch", "bfloat16", MAKE_OBJECT, 0 },
    { "torch", "float32", MAKE_OBJECT, 0 },
    { "pathlib", "PosixPath", MAKE_OBJECT, 0 },
    { "pathlib", "WindowsPath", MAKE_OBJECT, 0 },
    { "pathlib._local", "PosixPath", MAKE_OBJECT, 0 },
    { "pathlib._local", "WindowsPath", MAKE_OBJECT, 0 },
    { "numpy", "dtype", MAKE_OBJECT, 0 },
    { "numpy.core.multiarray", "scalar", MAKE_OBJECT, 0 },
    { "numpy._core.multiarray", "scalar", MAKE_OBJECT, 0 },
    { "_codecs", "encode", MAKE_OBJECT, 0 },
    { "datetime", "datetime", MAKE_OBJECT, 0 },
};
enum { KNOWN_COUNT = sizeof known / sizeof *known };

/* Modules whose classes may occur as objects: the layers of PyTorch, the packages that publish whole
 * modules, and the classes that a TorchScript archive brings along (as code, which nobody here reads). */
static const char *const libraries[] = { "torch.nn.modules.", "ultralytics.", "clip.",
                                         "__torch__" };
enum { LIBRARY_COUNT = sizeof libraries / sizeof *libraries };

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

/* The beginning of a text as something to print: "%.*s". */
static int shown(pickle_chars t)
{
    return t.len < 80 ? (int)t.len : 80;
}

/* The place on the list; -1: a class of a listed library; -2: neither. */
static int find_known(pickle_chars module, pickle_chars name)
{
    for (int i = 0; i < KNOWN_COUNT; i++)
        if (same(known[i].module, module) && same(known[i].name, name))
            return i;
    for (int i = 0; i < LIBRARY_COUNT; i++)
        if (starts(module, libraries[i]))
            return -1;
    return -2;
}

rap_status unpickle_global(pickle_value **out, unpickled *u, const char *module, size_t module_len,
                           const char *name, size_t name_len)
{
    pickle_chars m = { module, module_len }, n = { name, name_len };
    int place = find_known(m, n);
    if (place >= -1) {
        if (!(*out = unpickle_new(u, PICKLE_GLOBAL)))
            return RAP_E_LIMIT;
        (*out)->as.global.known = place;
        (*out)->as.global.module = m;
        (*out)->as.global.name = n;
        return RAP_OK;
    }
    return err_set(u->err, RAP_E_FORMAT,
                   "%s: refuses to load '%.*s.%.*s', which no checkpoint needs", u->name, shown(m),
                   m.bytes, shown(n), n.bytes);
}

static bool is_storage_class(const pickle_value *v)
{
    return v->kind == PICKLE_GLOBAL && v->as.global.known >= 0 &&
           known[v->as.global.known].call == STORAGE_CLASS;
}

rap_status unpickle_storage(pickle_value **out, unpickled *u, const pickle_value *id)
{
    if (id->kind != PICKLE_TUPLE || id->as.list.count != 5)
        return unpickle_bad(u, "a storage is not described by five values");
    pickle_value **part = id->as.list.items; /* "storage", class, key, device, elements */
    if (!pickle_text_is(part[0], "storage") || !is_storage_class(part[1]) ||
        part[2]->kind != PICKLE_TEXT || part[4]->kind != PICKLE_INT || part[4]->as.integer < 0)
        return unpickle_bad(u, "a storage's description makes no sense");
    if (!(*out = unpickle_new(u, PICKLE_STORAGE)))
        return RAP_E_LIMIT;
    (*out)->as.storage =
        (pickle_storage){ known[part[1]->as.global.known].type, part[2], part[4]->as.integer };
    return RAP_OK;
}

/* Does the tensor stay inside its storage? Also counts the elements, and clears what means nothing:
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

static rap_status build_tensor(pickle_value **out, unpickled *u, const pickle_value *args)
{
    pickle_value **arg =
        args->as.list.items; /* storage, offset, size, stride, requires_grad, hooks */
    if (args->as.list.count < 4 || arg[0]->kind != PICKLE_STORAGE || arg[1]->kind != PICKLE_INT ||
        arg[2]->kind != PICKLE_TUPLE || arg[3]->kind != PICKLE_TUPLE)
        return unpickle_bad(u, "a tensor's description makes no sense");
    size_t dims = arg[2]->as.list.count;
    if (dims > TENSOR_MAX_DIMS || dims != arg[3]->as.list.count)
        return unpickle_bad(u, "a tensor has an impossible number of dimensions");
    if (!(*out = unpickle_new(u, PICKLE_TENSOR)))
        return RAP_E_LIMIT;
    pickle_tensor *t = &(*out)->as.tensor;
    t->storage = &arg[0]->as.storage;
    t->offset = arg[1]->as.integer;
    t->dims = (int)dims;
    for (size_t i = 0; i < dims; i++) {
        const pickle_value *size = arg[2]->as.list.items[i], *stride = arg[3]->as.list.items[i];
        if (size->kind != PICKLE_INT || stride->kind != PICKLE_INT)
            return unpickle_bad(u, "a tensor's shape is not made of whole numbers");
        t->size[i] = size->as.integer;
        t->stride[i] = stride->as.integer;
    }
    return tensor_fits(t) ? RAP_OK : unpickle_bad(u, "a tensor does not fit its storage");
}

/* ---- objects ------------------------------------------------------------------------------ */

static rap_status inert(pickle_value **out, unpickled *u, const pickle_value *type)
{
    if (!(*out = unpickle_new(u, PICKLE_OBJECT)))
        return RAP_E_LIMIT;
    (*out)->as.object.type = type;
    return RAP_OK;
}

rap_status unpickle_object(pickle_value **out, unpickled *u, const pickle_value *type,
                           const pickle_value *args)
{
    if (type->kind != PICKLE_GLOBAL || args->kind != PICKLE_TUPLE ||
        (type->as.global.known >= 0 && known[type->as.global.known].call != MAKE_OBJECT))
        return unpickle_bad(u, "it makes an object of something that is no class");
    return inert(out, u, type);
}

/* A library's class may be called like a plain namespace, without arguments; anything more might be a
 * function that does something. */
static rap_status call_library(pickle_value **out, unpickled *u, const pickle_value *callee,
                               const pickle_value *args)
{
    pickle_chars m = callee->as.global.module, n = callee->as.global.name;
    if (args->as.list.count == 0)
        return inert(out, u, callee);
    return err_set(u->err, RAP_E_FORMAT,
                   "%s: refuses to call '%.*s.%.*s', which no checkpoint needs", u->name, shown(m),
                   m.bytes, shown(n), n.bytes);
}

static rap_status build_method(pickle_value **out, unpickled *u, const pickle_value *callee,
                               const pickle_value *args)
{
    pickle_value **arg = args->as.list.items;
    if (args->as.list.count != 2 || arg[0]->kind != PICKLE_OBJECT || arg[1]->kind != PICKLE_TEXT)
        return unpickle_bad(u, "it takes an attribute of something that is no object");
    return inert(out, u, callee);
}

rap_status unpickle_call(pickle_value **out, unpickled *u, const pickle_value *callee,
                         const pickle_value *args)
{
    if (callee->kind != PICKLE_GLOBAL || args->kind != PICKLE_TUPLE)
        return unpickle_bad(u, "it calls something that is not a function");
    if (callee->as.global.known < 0)
        return call_library(out, u, callee, args);
    switch (known[callee->as.global.known].call) {
    case MAKE_DICT:
        if (args->as.list.count != 0)
            return unpickle_bad(u, "an OrderedDict is built from something");
        *out = unpickle_new(u, PICKLE_DICT);
        return *out ? RAP_OK : RAP_E_LIMIT;
    case MAKE_TENSOR:
        return build_tensor(out, u, args);
    case MAKE_PARAMETER:
        if (args->as.list.count < 1 || args->as.list.items[0]->kind != PICKLE_TENSOR)
            return unpickle_bad(u, "a parameter holds no tensor");
        *out = args->as.list.items[0];
        return RAP_OK;
    case MAKE_METHOD:
        return build_method(out, u, callee, args);
    case MAKE_OBJECT:
        return inert(out, u, callee);
    case STORAGE_CLASS:
        break;
    }
    return unpickle_bad(u, "it calls a storage class");
}

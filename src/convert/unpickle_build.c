/* unpickle_build.c: the closed list of names, and the three things that may be called.
 *
 * Nothing is looked up and nothing is run: OrderedDict gives an empty dict, _rebuild_tensor_v2 a
 * checked description of a tensor, _rebuild_parameter the tensor inside it. */
#include "convert/unpickle_inside.h"

#include <string.h>

typedef enum callable { NOT_CALLABLE, MAKE_DICT, MAKE_TENSOR, MAKE_PARAMETER } callable;

typedef struct known_global {
    const char *module, *name;
    callable call;
    dtype type; /* of a storage class */
} known_global;

static const known_global known[] = {
    { "collections", "OrderedDict", MAKE_DICT, 0 },
    { "torch._utils", "_rebuild_tensor_v2", MAKE_TENSOR, 0 },
    { "torch._utils", "_rebuild_parameter", MAKE_PARAMETER, 0 },
    { "torch", "FloatStorage", NOT_CALLABLE, DTYPE_F32 },
    { "torch", "HalfStorage", NOT_CALLABLE, DTYPE_F16 },
    { "torch", "BFloat16Storage", NOT_CALLABLE, DTYPE_BF16 },
    { "torch", "DoubleStorage", NOT_CALLABLE, DTYPE_F64 },
    { "torch", "LongStorage", NOT_CALLABLE, DTYPE_I64 },
    { "torch", "IntStorage", NOT_CALLABLE, DTYPE_I32 },
    { "torch", "ShortStorage", NOT_CALLABLE, DTYPE_I16 },
    { "torch", "CharStorage", NOT_CALLABLE, DTYPE_I8 },
    { "torch", "ByteStorage", NOT_CALLABLE, DTYPE_U8 },
    { "torch", "BoolStorage", NOT_CALLABLE, DTYPE_BOOL },
};
enum { KNOWN_COUNT = sizeof known / sizeof *known };

size_t dtype_size(dtype type)
{
    static const uint8_t sizes[] = { 4, 2, 2, 8, 8, 4, 2, 1, 1, 1 };
    return sizes[type];
}

static bool same(const char *text, const char *bytes, size_t len)
{
    return strlen(text) == len && !memcmp(text, bytes, len);
}

static int shown(size_t len)
{
    return len < 80 ? (int)len : 80;
}

rap_status unpickle_global(pickle_value **out, unpickled *u, const char *module, size_t module_len,
                           const char *name, size_t name_len)
{
    for (int i = 0; i < KNOWN_COUNT; i++) {
        if (!same(known[i].module, module, module_len) || !same(known[i].name, name, name_len))
            continue;
        if (!(*out = unpickle_new(u, PICKLE_GLOBAL)))
            return RAP_E_LIMIT;
        (*out)->as.global = i;
        return RAP_OK;
    }
    if (module_len >= 9 && !memcmp(module, "__torch__", 9))
        return err_set(
            u->err, RAP_E_UNSUPPORTED,
            "%s: is a TorchScript program, not a plain state dict; save its state_dict() instead",
            u->name);
    return err_set(u->err, RAP_E_FORMAT, "%s: refuses to load '%.*s.%.*s': not a plain state dict",
                   u->name, shown(module_len), module, shown(name_len), name);
}

rap_status unpickle_storage(pickle_value **out, unpickled *u, const pickle_value *id)
{
    if (id->kind != PICKLE_TUPLE || id->as.list.count != 5)
        return unpickle_bad(u, "a storage is not described by five values");
    pickle_value **part = id->as.list.items; /* "storage", class, key, device, elements */
    if (!pickle_text_is(part[0], "storage") || part[1]->kind != PICKLE_GLOBAL ||
        known[part[1]->as.global].call != NOT_CALLABLE || part[2]->kind != PICKLE_TEXT ||
        part[4]->kind != PICKLE_INT || part[4]->as.integer < 0)
        return unpickle_bad(u, "a storage's description makes no sense");
    if (!(*out = unpickle_new(u, PICKLE_STORAGE)))
        return RAP_E_LIMIT;
    (*out)->as.storage =
        (pickle_storage){ known[part[1]->as.global].type, part[2], part[4]->as.integer };
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

rap_status unpickle_call(pickle_value **out, unpickled *u, const pickle_value *callee,
                         const pickle_value *args)
{
    if (callee->kind != PICKLE_GLOBAL || args->kind != PICKLE_TUPLE)
        return unpickle_bad(u, "it calls something that is not a function");
    switch (known[callee->as.global].call) {
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
    case NOT_CALLABLE:
        break;
    }
    return unpickle_bad(u, "it calls a storage class");
}

/* unpickle.h: reads the pickle of a state dict, or of a whole module, and executes nothing.
 *
 * A pickle is a program; running one runs whatever its author wanted. This reader knows the opcodes
 * that dicts, lists, tuples, strings, numbers, tensors and objects need, and a closed list of names it
 * may mention. Every other name, and every other opcode, ends the reading with a line that says which.
 * An object is inert: the name of its class and the attributes it was saved with. */
#ifndef RAP_FORMATS_UNPICKLE_H
#define RAP_FORMATS_UNPICKLE_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum dtype {
    DTYPE_F32,
    DTYPE_F16,
    DTYPE_BF16,
    DTYPE_F64,
    DTYPE_I64,
    DTYPE_I32,
    DTYPE_I16,
    DTYPE_I8,
    DTYPE_U8,
    DTYPE_BOOL
} dtype;
size_t dtype_size(dtype type);

typedef enum pickle_kind {
    PICKLE_NONE,
    PICKLE_BOOL,
    PICKLE_INT,
    PICKLE_FLOAT,
    PICKLE_TEXT,
    PICKLE_TUPLE,
    PICKLE_LIST,
    PICKLE_DICT,   /* keys and values alternate in items */
    PICKLE_GLOBAL, /* a name of the closed list */
    PICKLE_OBJECT,
    PICKLE_STORAGE,
    PICKLE_TENSOR
} pickle_kind;

enum { TENSOR_MAX_DIMS = 8, PICKLE_MAX_BYTES = 64 << 20 };

typedef struct pickle_value pickle_value;

/* A storage is an entry of the archive: "data/<key>". */
typedef struct pickle_storage {
    dtype type;
    const pickle_value *key; /* text */
    int64_t elements;
} pickle_storage;

/* Checked: every element lies inside the storage, sizes and strides are not negative. */
typedef struct pickle_tensor {
    const pickle_storage *storage;
    int64_t offset;
    int dims;
    int64_t size[TENSOR_MAX_DIMS], stride[TENSOR_MAX_DIMS]; /* in elements */
    int64_t elements;
} pickle_tensor;

typedef struct pickle_chars {
    const char *bytes; /* in the pickle; not NUL-ended */
    size_t len;
} pickle_chars;

struct pickle_value {
    pickle_kind kind;
    union {
        int64_t integer; /* bool and int */
        double real;
        pickle_chars text;
        struct {
            pickle_value **items;
            size_t count, cap;
        } list; /* tuple, list and dict */
        struct {
            int known; /* its place on the list; -1: a class of a listed library */
            pickle_chars module, name;
        } global;
        struct {
            const pickle_value *type;  /* global */
            const pickle_value *state; /* its attributes, mostly a dict; NULL: none */
        } object;
        pickle_storage storage;
        pickle_tensor tensor;
    } as;
};

typedef struct unpickled unpickled;

/* Borrows `bytes` until unpickle_free(). `name` is what errors call it. The values may share parts
 * and even contain themselves: walk them with a bound. */
rap_status unpickle(unpickled **out, const uint8_t *bytes, size_t size, const char *name,
                    rap_err *err);
void unpickle_free(unpickled *u); /* NULL-safe */
const pickle_value *unpickle_root(const unpickled *u);

bool pickle_text_is(const pickle_value *v, const char *text);
/* The value under a text key of a dict, or of an object's attributes; NULL when absent or neither. */
const pickle_value *pickle_get(const pickle_value *dict, const char *key);

/* Is it an object of the class with this name, whatever module it comes from? */
bool pickle_is_a(const pickle_value *v, const char *class_name);

#endif

/* pickle.h: reads a Python pickle into plain values without executing anything.
 *
 * A pickle is a program, and running one runs whatever its author wanted. This reader knows the opcodes of
 * protocols 0 to 5 and the few calls that make tensors and dicts. Everything else becomes an inert object:
 * the name of its class, and the attributes and items it was saved with. Names that run commands (os.system
 * and the like) do not occur in legitimate pickles: reading stops with a message that names them. */
#ifndef RAP_FORMATS_PICKLE_H
#define RAP_FORMATS_PICKLE_H

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
    PICKLE_BIG, /* an integer of more than 64 bits, not supported */
    PICKLE_FLOAT,
    PICKLE_TEXT,  /* also Python 2's str, which may not be UTF-8 */
    PICKLE_BYTES, /* in as.text */
    PICKLE_TUPLE,
    PICKLE_LIST,
    PICKLE_SET,
    PICKLE_DICT,   /* keys and values alternate in items */
    PICKLE_GLOBAL, /* the name of a class or function */
    PICKLE_OBJECT,
    PICKLE_STORAGE,
    PICKLE_TENSOR
} pickle_kind;

enum { TENSOR_MAX_DIMS = 8, PICKLE_MAX_BYTES = 64 << 20 };

typedef struct pickle_value pickle_value;

/* The data of tensors. In an archive it is the entry "data/<key>". */
typedef struct pickle_storage {
    dtype type;
    const pickle_value *key; /* text */
    int64_t elements;        /* usable by a tensor */
    int64_t first;           /* where these begin in the storage; nonzero only in old files */
    int64_t whole;           /* elements of the whole storage */
    const struct pickle_storage *next; /* mentioned before this one; NULL: none */
} pickle_storage;

/* Already checked: every element is inside the storage; sizes and strides are not negative. */
typedef struct pickle_tensor {
    const pickle_storage *storage;
    int64_t offset; /* in the whole storage */
    int dims;
    int64_t size[TENSOR_MAX_DIMS], stride[TENSOR_MAX_DIMS]; /* in elements */
    int64_t elements;
} pickle_tensor;

typedef struct pickle_chars {
    const char *bytes; /* not NUL-terminated */
    size_t len;
} pickle_chars;

struct pickle_value {
    pickle_kind kind;
    union {
        int64_t integer; /* bool and int */
        double real;
        pickle_chars text; /* text and bytes */
        struct {
            pickle_value **items;
            uint32_t count, cap;
        } list; /* tuple, list, set and dict */
        const struct pickle_global *global;
        struct {
            const pickle_value *type;  /* global */
            const pickle_value *state; /* its attributes, usually a dict; NULL: none */
            pickle_value *content;     /* if it is also a list or a dict; NULL: none */
        } object;
        const pickle_storage *storage;
        const pickle_tensor *tensor;
    } as;
};

typedef struct pickle_global {
    int known; /* index of the calls this reader knows; -1: any other */
    pickle_chars module, name;
} pickle_global;

typedef struct unpickled unpickled;

/* Borrows `bytes` until unpickle_free(). Errors call the pickle `name`. Reads up to the pickle's end, which
 * may come before the end of the bytes. Values may share parts and even contain themselves: bound every
 * walk. */
rap_status unpickle(unpickled **out, const uint8_t *bytes, size_t size, const char *name,
                    rap_err *err);
/* The same from a file of at most `limit` bytes (and PICKLE_MAX_BYTES). */
rap_status unpickle_file(unpickled **out, const char *path, size_t limit, rap_err *err);
void unpickle_free(unpickled *u); /* NULL-safe */
const pickle_value *unpickle_root(const unpickled *u);
size_t unpickle_size(const unpickled *u); /* bytes the pickle occupied */
const pickle_storage *unpickle_storages(const unpickled *u); /* all of them, last one first */

bool pickle_text_is(const pickle_value *v, const char *text);
/* The value for a text key of a dict, or of an object's attributes or items; NULL if absent or neither. */
const pickle_value *pickle_get(const pickle_value *dict, const char *key);
/* The value itself if it is a dict, or the dict an object holds; otherwise NULL. */
const pickle_value *pickle_dict(const pickle_value *v);

/* Is it an object of a class with this name, in any module? */
bool pickle_is_a(const pickle_value *v, const char *class_name);

#endif

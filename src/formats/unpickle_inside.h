/* unpickle_inside.h: the machine that reads a pickle. For unpickle.c (opcodes) and unpickle_build.c
 * (what names and calls mean). */
#ifndef RAP_FORMATS_UNPICKLE_INSIDE_H
#define RAP_FORMATS_UNPICKLE_INSIDE_H

#include "formats/unpickle.h"

/* Bounds: a module or state dict of a few thousand tensors needs a tenth of each. */
enum {
    PICKLE_MAX_VALUES = 1 << 20,
    PICKLE_MAX_STACK = 1 << 20,
    PICKLE_MAX_MEMO = 1 << 22,
    PICKLE_MAX_ITEMS = 1 << 20, /* of one tuple, list or dict */
    PICKLE_MAX_MARKS = 64 /* nesting */
};

typedef struct pickle_block pickle_block; /* of values, see unpickle.c */

struct unpickled {
    const char *name;
    const uint8_t *bytes;
    size_t size, at;
    pickle_block *blocks;
    size_t value_count;
    pickle_value **stack;
    size_t depth, stack_cap;
    size_t marks[PICKLE_MAX_MARKS];
    size_t mark_count;
    pickle_value **memo;
    size_t memo_cap, memo_count;
    pickle_value *root;
    rap_err *err;
};

/* A fresh value, owned by the machine; NULL with the error set when there are too many. */
pickle_value *unpickle_new(unpickled *u, pickle_kind kind);
rap_status unpickle_bad(unpickled *u, const char *reason);

/* The value a name stands for, when it is on the list. */
rap_status unpickle_global(pickle_value **out, unpickled *u, const char *module, size_t module_len,
                           const char *name, size_t name_len);
/* What calling a listed name with a tuple gives: REDUCE. */
rap_status unpickle_call(pickle_value **out, unpickled *u, const pickle_value *callee,
                         const pickle_value *args);
/* An object of a listed class, still without attributes: NEWOBJ. */
rap_status unpickle_object(pickle_value **out, unpickled *u, const pickle_value *type,
                           const pickle_value *args);
/* What a persistent id (a tuple that names a storage) stands for. */
rap_status unpickle_storage(pickle_value **out, unpickled *u, const pickle_value *id);

#endif

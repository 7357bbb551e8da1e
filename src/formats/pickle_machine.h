/* pickle_machine.h: the machine that reads a pickle. For pickle_opcodes.c (opcodes), pickle_lines.c (values
 * written as text), pickle_calls.c (what names and calls mean) and pickle_values.c (memory). */
#ifndef RAP_FORMATS_PICKLE_MACHINE_H
#define RAP_FORMATS_PICKLE_MACHINE_H

#include "formats/pickle.h"

/* Bounds: a module or state dict of a few thousand tensors needs a hundredth of each, a data set's
 * annotations a third. */
enum {
    PICKLE_MAX_VALUES = 1 << 23,
    PICKLE_MAX_STACK = 1 << 20,
    PICKLE_MAX_MEMO = 1 << 23,
    PICKLE_MAX_ITEMS = 1 << 20, /* of one tuple, list or dict */
    PICKLE_MAX_MARKS = 64 /* nesting */
};

typedef struct pickle_block pickle_block; /* of values */
typedef struct pickle_room pickle_room;   /* of what does not fit into a value */

struct unpickled {
    const char *name;
    const uint8_t *bytes;
    size_t size, at;
    char *owned; /* the bytes, when they were read from a file; else NULL */
    pickle_block *blocks;
    pickle_room *rooms;
    size_t value_count;
    const pickle_storage *storages;
    pickle_value **stack;
    size_t depth, stack_cap;
    size_t marks[PICKLE_MAX_MARKS];
    size_t mark_count;
    pickle_value **memo;
    size_t memo_cap, memo_count;
    pickle_value *root;
    rap_err *err; /* never NULL while it reads */
};

/* A fresh value, owned by the machine; NULL with the error set when there are too many. */
pickle_value *unpickle_new(unpickled *u, pickle_kind kind);
/* Zeroed memory that lasts as long as the values; NULL with the error set. */
void *unpickle_room(unpickled *u, size_t bytes);
rap_status unpickle_failed(const unpickled *u); /* the status that either has set */
rap_status unpickle_bad(unpickled *u, const char *reason);
/* Puts values at the end of a tuple, list, set or dict. */
rap_status unpickle_append(unpickled *u, pickle_value *to, pickle_value *const *items, size_t count);

/* The value that a name stands for. */
rap_status unpickle_global(pickle_value **out, unpickled *u, pickle_chars module, pickle_chars name);
/* What calling it with a tuple gives: REDUCE. */
rap_status unpickle_call(pickle_value **out, unpickled *u, const pickle_value *callee,
                         const pickle_value *args);
/* An object of a class, still without attributes: NEWOBJ, INST, OBJ. */
rap_status unpickle_object(pickle_value **out, unpickled *u, const pickle_value *type,
                           const pickle_value *args);
/* What a persistent id (a tuple that names a storage, or a class) stands for. */
rap_status unpickle_storage(pickle_value **out, unpickled *u, const pickle_value *id);

#endif

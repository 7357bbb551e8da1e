/* pickle_machine.h: the machine that reads a pickle, for pickle_opcodes.c (opcodes), pickle_lines.c (values
 * written as text), pickle_calls.c (names and calls) and pickle_values.c (memory). */
#ifndef RAP_FORMATS_PICKLE_MACHINE_H
#define RAP_FORMATS_PICKLE_MACHINE_H

#include "formats/pickle.h"

/* Limits: a module or state dict of a few thousand tensors needs a hundredth of each, a data set's
 * annotations a third. */
enum {
    PICKLE_MAX_VALUES = 1 << 23,
    PICKLE_MAX_STACK = 1 << 20,
    PICKLE_MAX_MEMO = 1 << 23,
    PICKLE_MAX_ITEMS = 1 << 20, /* per tuple, list or dict */
    PICKLE_MAX_MARKS = 64 /* nesting */
};

typedef struct pickle_block pickle_block; /* a block of values */
typedef struct pickle_room pickle_room;   /* other memory */

struct unpickled {
    const char *name;
    const uint8_t *bytes;
    size_t size, at;
    char *owned; /* the bytes, if read from a file; otherwise NULL */
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
    rap_err *err; /* never NULL while reading */
};

/* A new value, owned by the machine; NULL with the error set if there are too many. */
pickle_value *unpickle_new(unpickled *u, pickle_kind kind);
/* Zeroed memory with the lifetime of the values; NULL with the error set. */
void *unpickle_room(unpickled *u, size_t bytes);
rap_status unpickle_failed(const unpickled *u); /* the error status of either */
rap_status unpickle_bad(unpickled *u, const char *reason);
/* Appends values to a tuple, list, set or dict. */
rap_status unpickle_append(unpickled *u, pickle_value *to, pickle_value *const *items, size_t count);

/* The value a name refers to. */
rap_status unpickle_global(pickle_value **out, unpickled *u, pickle_chars module, pickle_chars name);
/* The result of calling it with a tuple: REDUCE. */
rap_status unpickle_call(pickle_value **out, unpickled *u, const pickle_value *callee,
                         const pickle_value *args);
/* An object of a class, without attributes yet: NEWOBJ, INST, OBJ. */
rap_status unpickle_object(pickle_value **out, unpickled *u, const pickle_value *type,
                           const pickle_value *args);
/* The value of a persistent id (a tuple that names a storage, or a class). */
rap_status unpickle_storage(pickle_value **out, unpickled *u, const pickle_value *id);

#endif

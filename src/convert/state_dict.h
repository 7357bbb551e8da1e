/* state_dict.h: the named tensors of a checkpoint that torch.save wrote. */
#ifndef RAP_CONVERT_STATE_DICT_H
#define RAP_CONVERT_STATE_DICT_H

#include "convert/unpickle.h"

typedef struct state_tensor {
    char *name;
    dtype type;
    const pickle_tensor *shape; /* dims, size, stride, offset; all inside `bytes` */
    const uint8_t *bytes;       /* of the storage, borrowed from the archive */
} state_tensor;

typedef struct state_dict state_dict;

/* Takes the top level of the pickle, or what it keeps under "state_dict", "model_state_dict" or
 * "model". */
rap_status state_dict_open(state_dict **out, const char *path, rap_err *err);
void state_dict_close(state_dict *d); /* NULL-safe */

const char *state_dict_path(const state_dict *d);
size_t state_dict_count(const state_dict *d);
const state_tensor *state_dict_at(const state_dict *d, size_t i);           /* in order of name */
const state_tensor *state_dict_find(const state_dict *d, const char *name); /* NULL when absent */

/* The elements in row-major order, in the tensor's own type; free(). */
rap_status state_tensor_read(const state_tensor *t, void **out, size_t *out_bytes, rap_err *err);

#endif

/* state_dict.h: the named tensors of a checkpoint in any container: what torch.save wrote,
 * safetensors, the shards that an index lists, or a folder as Hugging Face lays it out. */
#ifndef RAP_FORMATS_STATE_DICT_H
#define RAP_FORMATS_STATE_DICT_H

#include "formats/pickle.h"

#include <jansson.h>

/* Checked when opened: every element lies inside the file; sizes and strides are not negative. */
typedef struct state_tensor {
    char *name;
    dtype type;
    int dims;
    int64_t size[TENSOR_MAX_DIMS], stride[TENSOR_MAX_DIMS]; /* outermost first, in elements */
    int64_t offset;                                         /* of the first element, in elements */
    int64_t elements;
    const uint8_t *bytes; /* of the storage, borrowed from the file */
    int part;             /* which of the files it came from */
} state_tensor;

typedef struct state_dict state_dict;

/* `path` is a file of torch.save (.pt, .pth, .bin; of today or from before version 1.6), a .safetensors
 * file, an index of shards (.index.json), or a folder with model.safetensors, pytorch_model.bin, the index
 * of either, or open_clip's names of these. Of all that a file of torch.save holds, the dict or module with
 * the most tensors counts, and the averaged weights where it has both (state_choose.h). */
rap_status state_dict_open(state_dict **out, const char *path, rap_err *err);
void state_dict_close(state_dict *d); /* NULL-safe */

/* Keeps the tensors whose names begin with `prefix` ("module."), without it; the others are let go. */
rap_status state_dict_select(state_dict *d, const char *prefix, rap_err *err);

const char *state_dict_path(const state_dict *d); /* as it was given */
/* What a user should know of the choice of tensors ("took the averaged weights …"); NULL: nothing. */
const char *state_dict_note(const state_dict *d);
size_t state_dict_count(const state_dict *d);
const state_tensor *state_dict_at(const state_dict *d, size_t i);           /* in order of name */
const state_tensor *state_dict_find(const state_dict *d, const char *name); /* NULL when absent */

/* The module that a .pt holds instead of a plain dict, and all that was saved along with it; NULL for
 * every other kind. */
const pickle_value *state_dict_module(const state_dict *d);
const pickle_value *state_dict_saved(const state_dict *d);

/* What lies beside the weights. config is config.json, NULL when there is none; that beside a .pt must look
 * like a model's. */
const json_t *state_dict_config(const state_dict *d);
const char *state_dict_config_path(const state_dict *d); /* for errors; "config.json" when none */
/* Another file beside the weights; free(). *out is NULL, with RAP_OK, when there is none. */
rap_status state_dict_beside(const state_dict *d, const char *name, char **out, rap_err *err);
/* The same, read as JSON; json_decref(). */
rap_status state_dict_beside_json(const state_dict *d, const char *name, json_t **out,
                                  rap_err *err);

/* The elements in row-major order, in the tensor's own type; free(). */
rap_status state_tensor_read(const state_tensor *t, void **out, size_t *out_bytes, rap_err *err);
/* The same in place, borrowed; NULL for elements that do not follow one another, and for none. */
const void *state_tensor_bytes(const state_tensor *t);
/* The tensor has been read: its pages need not stay in memory. It may be read again all the same. */
void state_tensor_let_go(const state_tensor *t);
/* count elements as f32; false for a type that holds no floating numbers. */
bool state_widen(float *out, const void *bytes, dtype type, size_t count);
/* The same as f32, from any of the floating types (RAP_E_UNSUPPORTED for the others); free(). */
rap_status state_tensor_floats(const state_tensor *t, float **out, rap_err *err);

#endif

/* state_dict.h: the named tensors of a checkpoint in any container: torch.save files, safetensors, sharded
 * checkpoints with an index, or a Hugging Face folder. */
#ifndef RAP_FORMATS_STATE_DICT_H
#define RAP_FORMATS_STATE_DICT_H

#include "formats/pickle.h"

#include <jansson.h>

/* Checked on opening: every element is inside the file; sizes and strides are not negative. */
typedef struct state_tensor {
    char *name;
    dtype type;
    int dims;
    int64_t size[TENSOR_MAX_DIMS], stride[TENSOR_MAX_DIMS]; /* outermost first, in elements */
    int64_t offset;                                         /* of the first element, in elements */
    int64_t elements;
    const uint8_t *bytes; /* of the storage, borrowed from the file */
    int part;             /* index of its file */
} state_tensor;

typedef struct state_dict state_dict;

/* `path` is a torch.save file (.pt, .pth, .bin; current, or from before version 1.6), a .safetensors file,
 * an index of shards (.index.json), or a folder with model.safetensors, pytorch_model.bin, the index of
 * either, or open_clip's names for these. In a torch.save file the dict or module with the most tensors is
 * used, and the averaged weights if it has both (state_choose.h). */
rap_status state_dict_open(state_dict **out, const char *path, rap_err *err);
void state_dict_close(state_dict *d); /* NULL-safe */

/* Keeps only the tensors whose names begin with `prefix` ("module."), and removes the prefix. */
rap_status state_dict_select(state_dict *d, const char *prefix, rap_err *err);

const char *state_dict_path(const state_dict *d); /* as given */
/* A note for the user on which tensors were chosen ("took the averaged weights …"); NULL: none. */
const char *state_dict_note(const state_dict *d);
size_t state_dict_count(const state_dict *d);
const state_tensor *state_dict_at(const state_dict *d, size_t i);           /* sorted by name */
const state_tensor *state_dict_find(const state_dict *d, const char *name); /* NULL if absent */

/* The module a .pt holds instead of a plain dict, and everything saved with it; otherwise NULL. */
const pickle_value *state_dict_module(const state_dict *d);
const pickle_value *state_dict_saved(const state_dict *d);

/* The model's config.json, or NULL. Next to a .pt it is only used if it looks like a model's. */
const json_t *state_dict_config(const state_dict *d);
const char *state_dict_config_path(const state_dict *d); /* for errors; "config.json" if none */
/* Reads another file in the folder of the weights; free(). If it does not exist, *out is NULL and the result
 * RAP_OK. */
rap_status state_dict_beside(const state_dict *d, const char *name, char **out, rap_err *err);
/* The same, parsed as JSON; json_decref(). */
rap_status state_dict_beside_json(const state_dict *d, const char *name, json_t **out,
                                  rap_err *err);

/* The elements in row-major order, in the tensor's own type; free(). */
rap_status state_tensor_read(const state_tensor *t, void **out, size_t *out_bytes, rap_err *err);
/* The same in place, borrowed; NULL if the elements are not contiguous or there are none. */
const void *state_tensor_bytes(const state_tensor *t);
/* Hint that the tensor's pages need not stay in memory. It may be read again. */
void state_tensor_let_go(const state_tensor *t);
/* Converts count elements to f32; false if the type is not floating-point. */
bool state_widen(float *out, const void *bytes, dtype type, size_t count);
/* The elements as f32, from any floating-point type (otherwise RAP_E_UNSUPPORTED); free(). */
rap_status state_tensor_floats(const state_tensor *t, float **out, rap_err *err);

#endif

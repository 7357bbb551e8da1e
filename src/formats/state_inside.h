/* state_inside.h: a state dict while it is being opened. For state_dict.c (what to open, and what comes
 * out), state_torch.c and safetensors.c (one file each), state_folder.c (folders and shards). */
#ifndef RAP_FORMATS_STATE_INSIDE_H
#define RAP_FORMATS_STATE_INSIDE_H

#include "base/file.h"
#include "formats/state_dict.h"
#include "formats/torch_zip.h"

enum {
    STATE_MAX_NAME = 200,
    STATE_MAX_TENSORS = 100000,
    STATE_MAX_PARTS = 1000,
    STATE_MAX_JSON = 64 << 20
};

/* One file: a torch archive with its pickle, or a mapped safetensors file. */
typedef struct state_part {
    char *path;
    torch_zip *zip;
    unpickled *pickle;
    file_map map;
} state_part;

struct state_dict {
    char *path;
    char *folder;      /* of config.json and the like */
    char *config_path; /* NULL: none */
    json_t *config;
    char *index_path;  /* of shards; NULL: none */
    json_t *index;
    state_part *parts; /* [part_count] */
    int part_count;
    const pickle_value *module; /* whose tensors these are, of the first part; NULL: of a dict */
    const pickle_value *saved;  /* all that was saved with the module */
    state_tensor *tensors; /* [count] sorted by name once open */
    size_t count, cap;
};

/* Makes room for `more` tensors. */
rap_status state_reserve(state_dict *d, size_t more, rap_err *err);
/* The next tensor, zeroed but for its name and its part. `file` is what errors call the file; there
 * must be room. */
rap_status state_add(state_tensor **out, state_dict *d, const char *name, size_t len,
                     const char *file, rap_err *err);

/* Each opens one file as the next part of d, and adds its tensors. */
rap_status state_open_torch(state_dict *d, const char *path, rap_err *err);
rap_status state_open_safetensors(state_dict *d, const char *path, rap_err *err);
/* By the file's first bytes. */
rap_status state_open_file(state_dict *d, const char *path, rap_err *err);

rap_status state_open_folder(state_dict *d, const char *path, rap_err *err);
rap_status state_open_index(state_dict *d, const char *path, rap_err *err);
bool state_is_index(const char *path);
/* After the tensors were sorted: each that the index lists came from the shard it names. Nothing to do
 * for what is no index. */
rap_status state_check_index(const state_dict *d, rap_err *err);

/* A fresh part with its path; NULL with the error set. */
state_part *state_new_part(state_dict *d, const char *path, rap_err *err);

#endif

/* state_inside.h: a state dict while it is being opened, for state_open.c (what to open), state_read.c
 * (results), state_names.c, state_torch.c, state_legacy.c and safetensors.c (one file each), state_folder.c
 * (folders and shards). */
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

/* A storage in an old torch.save file. */
typedef struct state_storage {
    pickle_chars key;
    dtype type;
    int64_t elements;
    const uint8_t *bytes; /* in the mapping; NULL until found */
} state_storage;

/* One file: a torch archive with its pickle, an old torch.save file, or a mapped safetensors file. */
typedef struct state_part {
    char *path;
    torch_zip *zip;
    unpickled *pickle;
    state_storage *storages; /* [storage_count] sorted by key, of an old file */
    size_t storage_count;
    file_map map;
} state_part;

struct state_dict {
    char *path;
    char *note;        /* on the choice of tensors; NULL: none */
    char *folder;      /* of config.json and the like */
    char *config_path; /* NULL: none */
    json_t *config;
    char *index_path;  /* of shards; NULL: none */
    json_t *index;
    state_part *parts; /* [part_count] */
    int part_count;
    const pickle_value *module; /* the module the tensors belong to, in the first part; NULL: a dict */
    const pickle_value *saved;  /* everything saved with the module */
    state_tensor *tensors; /* [count] sorted by name once open */
    size_t count, cap;
};

/* Sorts the tensors by name and refuses duplicates. */
rap_status state_sort(state_dict *d, rap_err *err);
/* Removes the wrappers torch.compile() and the like put into names ("_orig_mod."). */
rap_status state_unwrap_names(state_dict *d, rap_err *err);
/* Reserves memory for `more` tensors. */
rap_status state_reserve(state_dict *d, size_t more, rap_err *err);
/* Adds a tensor, zeroed except for name and part. Errors call the file `file`; memory must be reserved. */
rap_status state_add(state_tensor **out, state_dict *d, const char *name, size_t len,
                     const char *file, rap_err *err);

/* Each opens one file as the next part of d and adds its tensors. */
rap_status state_open_torch(state_dict *d, const char *path, rap_err *err);
rap_status state_open_legacy(state_dict *d, const char *path, rap_err *err);
rap_status state_open_safetensors(state_dict *d, const char *path, rap_err *err);
/* Is this the beginning of a torch.save file from before version 1.6? */
bool state_is_legacy(const uint8_t *bytes, size_t size);
/* The bytes of a storage in such a file. */
rap_status state_legacy_find(const uint8_t **out, size_t *out_size, const state_part *p,
                             pickle_chars key, rap_err *err);
/* Adds the tensors of the part's pickle. */
rap_status state_list_torch(state_dict *d, const state_part *p, rap_err *err);
/* Chooses the reader by the file's first bytes. */
rap_status state_open_file(state_dict *d, const char *path, rap_err *err);

rap_status state_open_folder(state_dict *d, const char *path, rap_err *err);
rap_status state_open_index(state_dict *d, const char *path, rap_err *err);
bool state_is_index(const char *path);
/* After sorting: checks that each listed tensor came from the shard the index names. Does nothing without an
 * index. */
rap_status state_check_index(const state_dict *d, rap_err *err);

/* A new part with its path; NULL with the error set. */
state_part *state_new_part(state_dict *d, const char *path, rap_err *err);

#endif

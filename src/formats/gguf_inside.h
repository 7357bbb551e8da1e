/* gguf_inside.h: what an open GGUF is made of. For gguf_open.c (which fills it) and gguf_get.c. */
#ifndef RAP_FORMATS_GGUF_INSIDE_H
#define RAP_FORMATS_GGUF_INSIDE_H

#include "base/file.h"
#include "formats/gguf_file.h"

/* The value types of the format. */
typedef enum gguf_kind {
    GGUF_KIND_U8,
    GGUF_KIND_I8,
    GGUF_KIND_U16,
    GGUF_KIND_I16,
    GGUF_KIND_U32,
    GGUF_KIND_I32,
    GGUF_KIND_F32,
    GGUF_KIND_BOOL,
    GGUF_KIND_STRING,
    GGUF_KIND_ARRAY,
    GGUF_KIND_U64,
    GGUF_KIND_I64,
    GGUF_KIND_F64,
    GGUF_KIND_COUNT
} gguf_kind;

typedef struct gguf_value {
    char *key;
    gguf_kind kind; /* of the value, or of the array's elements */
    bool is_array;
    size_t count;        /* elements; 1 for a scalar */
    const uint8_t *data; /* in the mapping; for strings at the first one's length */
    size_t *at;          /* [count] array of strings: where each one's length stands, from data */
} gguf_value;

struct gguf_file {
    char *path;
    file_map map;
    file_state identity;
    bool identified; /* the same before and after it was mapped */
    char *architecture;
    size_t value_count, tensor_count;
    gguf_value *values;    /* [value_count] */
    gguf_value **by_key;   /* [value_count] sorted by key */
    gguf_tensor *tensors;  /* [tensor_count] in the file's order */
    gguf_tensor **by_name; /* [tensor_count] sorted by name */
};

size_t gguf_kind_size(gguf_kind kind); /* 0 for strings and arrays */
const gguf_value *gguf_find_value(const gguf_file *g, const char *key);

#endif

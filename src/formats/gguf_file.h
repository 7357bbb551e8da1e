/* gguf_file.h: GGUF files read and written with every count, size and offset checked first.
 *
 * A GGUF is untrusted. gguf_file_open() maps the file and verifies magic, version 2 or 3, key and tensor
 * counts against what the file could hold, string and array lengths, types, dimensions (each ≥ 1, the
 * product without overflow), alignment, and that each tensor is inside the file, so that no code after
 * it (ggml, llama.cpp, our layers) can be led astray by the container. */
#ifndef RAP_FORMATS_GGUF_FILE_H
#define RAP_FORMATS_GGUF_FILE_H

#include "base/err.h"
#include "base/file.h"
#include "base/temp.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct gguf_file gguf_file;

/* ggml's numbers. The tag differs from the typedef because llama.cpp's gguf.h owns `enum gguf_type`. */
typedef enum gguf_tensor_type {
    GGUF_F32 = 0,
    GGUF_F16 = 1,
    GGUF_Q8_0 = 8,
    GGUF_I32 = 26,
    GGUF_BF16 = 30
} gguf_type;

typedef struct gguf_tensor {
    const char *name;
    int type;         /* ggml type number; any known one may occur */
    int dims;         /* 1..4 */
    int64_t ne[4];    /* ggml order: ne[0] varies fastest; unused are 1 */
    const void *data; /* in the mapping */
    size_t bytes;
} gguf_tensor;

rap_status gguf_file_open(gguf_file **out, const char *path, rap_err *err);
void gguf_file_close(gguf_file *g);
const char *gguf_file_path(const gguf_file *g);
/* What the file was when it was opened; false when another took its place meanwhile. */
bool gguf_file_state(const gguf_file *g, file_state *out);
/* SHA-256 in hex of the bytes that were opened, whatever lies at the path by now. */
void gguf_file_sha256(const gguf_file *g, char out[65]);
/* The whole file, in the mapping. */
const void *gguf_file_bytes(const gguf_file *g, size_t *out_size);
const char *gguf_file_architecture(const gguf_file *g); /* "" when absent */

/* A key's value; RAP_E_FORMAT names file and key when it is missing or of another type. */
rap_status gguf_get_int(const gguf_file *g, const char *key, int64_t *out, rap_err *err);
rap_status gguf_get_float(const gguf_file *g, const char *key, double *out, rap_err *err);
rap_status gguf_get_bool(const gguf_file *g, const char *key, bool *out, rap_err *err);
/* Borrowed; length given because a GGUF string may hold NULs. */
rap_status gguf_get_string(const gguf_file *g, const char *key, const char **out, size_t *out_len,
                           rap_err *err);
bool gguf_has(const gguf_file *g, const char *key);
/* Arrays: the count, and element i. */
rap_status gguf_array_count(const gguf_file *g, const char *key, size_t *out, rap_err *err);
rap_status gguf_array_string(const gguf_file *g, const char *key, size_t i, const char **out,
                             size_t *out_len, rap_err *err);
rap_status gguf_array_float(const gguf_file *g, const char *key, size_t i, double *out,
                            rap_err *err);
rap_status gguf_array_int(const gguf_file *g, const char *key, size_t i, int64_t *out,
                          rap_err *err);

const gguf_tensor *gguf_find(const gguf_file *g, const char *name); /* NULL when absent */
size_t gguf_tensor_count(const gguf_file *g);
const gguf_tensor *gguf_tensor_at(const gguf_file *g, size_t i);

/* Copies a tensor as f32 (from F32, F16, BF16 or Q8_0) into out [elements]. */
rap_status gguf_to_f32(const gguf_file *g, const gguf_tensor *t, float *out, rap_err *err);
bool gguf_is_readable(const gguf_tensor *t); /* is its type one of those? */

/* The tensor has been read: its pages need not stay in memory. It may be read again all the same. */
void gguf_let_go(const gguf_file *g, const gguf_tensor *t);

/* ---- writing ---- */
typedef struct gguf_writer gguf_writer;
gguf_writer *gguf_writer_new(const char *architecture); /* NULL: out of memory */
void gguf_writer_free(gguf_writer *w);
void gguf_put_int(gguf_writer *w, const char *key, uint32_t value);
void gguf_put_float(gguf_writer *w, const char *key, float value);
void gguf_put_bool(gguf_writer *w, const char *key, bool value);
void gguf_put_string(gguf_writer *w, const char *key, const char *value, size_t len);
void gguf_put_ints(gguf_writer *w, const char *key, const uint32_t *value, size_t count);
void gguf_put_signed_ints(gguf_writer *w, const char *key, const int32_t *value, size_t count);
void gguf_put_floats(gguf_writer *w, const char *key, const float *value, size_t count);
void gguf_put_strings(gguf_writer *w, const char *key, const char *const *value, size_t count);
/* Copies the data. ne in ggml order. */
void gguf_put_tensor(gguf_writer *w, const char *name, gguf_type type, int dims, const int64_t *ne,
                     const void *data);
/* Writes atomically; reports any earlier out-of-memory too. */
rap_status gguf_writer_save(gguf_writer *w, const char *path, rap_err *err);

/* A file larger than memory: all tensors are declared instead of put, then a stream writes the keys, and the
 * tensors' bytes follow in pieces, in the order of their declaration. */
void gguf_declare_tensor(gguf_writer *w, const char *name, gguf_type type, int dims,
                         const int64_t *ne);
typedef struct gguf_stream gguf_stream;
/* Fails with RAP_E_IO when the disk has no room for all of it. */
rap_status gguf_stream_open(gguf_stream **out, const gguf_writer *w, const char *path,
                            rap_err *err);
rap_status gguf_stream_write(gguf_stream *s, const void *bytes, size_t size, rap_err *err);
rap_status gguf_stream_end_tensor(gguf_stream *s, rap_err *err);
/* Gives the file its name. Until then nothing stands at `path` that did not stand there before. */
rap_status gguf_stream_publish(gguf_stream *s, rap_err *err);
/* Leaves it a temporary file instead, the caller's to remove. */
rap_status gguf_stream_keep(gguf_stream *s, temp *out, rap_err *err);
void gguf_stream_close(gguf_stream *s); /* NULL-safe; an unpublished file is removed */

#endif

/* gguf_write.c: builds a GGUF (version 3) in memory and saves it atomically.
 *
 * Keys, tensor infos and tensor bytes grow in three buffers; gguf_writer_save() writes them one after the
 * other. Failures are sticky, so that callers put everything and check once. Tensors too large for memory are
 * declared here and written by gguf_stream.c. */
#include "base/file.h"
#include "base/mem.h"
#include "formats/gguf_inside.h"
#include "formats/gguf_types.h"
#include "formats/gguf_write_inside.h"

#include <stdlib.h>
#include <string.h>

static void put_u32(buf *b, uint32_t v)
{
    buf_add(b, &v, sizeof v);
}

static void put_u64(buf *b, uint64_t v)
{
    buf_add(b, &v, sizeof v);
}

static void put_text(buf *b, const char *text, size_t len)
{
    put_u64(b, len);
    buf_add(b, text, len);
}

static void put_key(gguf_writer *w, const char *key, gguf_kind kind)
{
    put_text(&w->keys, key, strlen(key));
    put_u32(&w->keys, kind);
    w->key_count++;
}

static void put_array(gguf_writer *w, const char *key, gguf_kind kind, size_t count)
{
    put_key(w, key, GGUF_KIND_ARRAY);
    put_u32(&w->keys, kind);
    put_u64(&w->keys, count);
}

static void pad(buf *b)
{
    static const char zeros[GGUF_ALIGNMENT];
    size_t over = b->len % GGUF_ALIGNMENT;
    if (over)
        buf_add(b, zeros, GGUF_ALIGNMENT - over);
}

gguf_writer *gguf_writer_new(const char *architecture)
{
    gguf_writer *w = mem_array(1, sizeof *w);
    if (w)
        gguf_put_string(w, "general.architecture", architecture, strlen(architecture));
    return w;
}

void gguf_writer_free(gguf_writer *w)
{
    if (!w)
        return;
    buf_release(&w->keys);
    buf_release(&w->infos);
    buf_release(&w->data);
    free(w);
}

void gguf_put_int(gguf_writer *w, const char *key, uint32_t value)
{
    put_key(w, key, GGUF_KIND_U32);
    put_u32(&w->keys, value);
}

void gguf_put_float(gguf_writer *w, const char *key, float value)
{
    put_key(w, key, GGUF_KIND_F32);
    buf_add(&w->keys, &value, sizeof value);
}

void gguf_put_bool(gguf_writer *w, const char *key, bool value)
{
    put_key(w, key, GGUF_KIND_BOOL);
    buf_putc(&w->keys, value ? 1 : 0);
}

void gguf_put_string(gguf_writer *w, const char *key, const char *value, size_t len)
{
    put_key(w, key, GGUF_KIND_STRING);
    put_text(&w->keys, value, len);
}

void gguf_put_floats(gguf_writer *w, const char *key, const float *value, size_t count)
{
    put_array(w, key, GGUF_KIND_F32, count);
    buf_add(&w->keys, value, count * sizeof *value);
}

void gguf_put_ints(gguf_writer *w, const char *key, const uint32_t *value, size_t count)
{
    put_array(w, key, GGUF_KIND_U32, count);
    for (size_t i = 0; i < count; i++)
        put_u32(&w->keys, value[i]);
}

void gguf_put_signed_ints(gguf_writer *w, const char *key, const int32_t *value, size_t count)
{
    put_array(w, key, GGUF_KIND_I32, count);
    buf_add(&w->keys, value, count * sizeof *value);
}

void gguf_put_strings(gguf_writer *w, const char *key, const char *const *value, size_t count)
{
    put_array(w, key, GGUF_KIND_STRING, count);
    for (size_t i = 0; i < count; i++)
        put_text(&w->keys, value[i], strlen(value[i]));
}

/* Adds a tensor's info and returns its bytes; 0, and a misuse, for what no reader would accept. */
static size_t put_info(gguf_writer *w, const char *name, gguf_type type, int dims,
                       const int64_t *ne)
{
    gguf_block block = gguf_type_block(type);
    size_t bytes = (size_t)block.bytes;
    if (!block.elements || dims < 1 || dims > 4 || ne[0] < 1 || ne[0] % block.elements) {
        w->misuse = true;
        return 0;
    }
    put_text(&w->infos, name, strlen(name));
    put_u32(&w->infos, (uint32_t)dims);
    for (int i = 0; i < dims; i++) {
        int64_t n = i == 0 ? ne[0] / block.elements : ne[i];
        if (n < 1 || !mem_mul(&bytes, bytes, (size_t)n))
            w->misuse = true;
        put_u64(&w->infos, (uint64_t)ne[i]);
    }
    put_u32(&w->infos, (uint32_t)type);
    put_u64(&w->infos, w->data.len + w->declared);
    w->tensor_count++;
    return w->misuse ? 0 : bytes;
}

void gguf_put_tensor(gguf_writer *w, const char *name, gguf_type type, int dims, const int64_t *ne,
                     const void *data)
{
    size_t bytes = put_info(w, name, type, dims, ne);
    if (w->declared)
        w->misuse = true;
    if (!w->misuse)
        buf_add(&w->data, data, bytes);
    pad(&w->data);
}

void gguf_declare_tensor(gguf_writer *w, const char *name, gguf_type type, int dims,
                         const int64_t *ne)
{
    size_t bytes = put_info(w, name, type, dims, ne);
    if (w->data.len || bytes > SIZE_MAX - GGUF_ALIGNMENT || w->declared > UINT64_MAX / 2)
        w->misuse = true;
    w->declared += (bytes + GGUF_ALIGNMENT - 1) / GGUF_ALIGNMENT * GGUF_ALIGNMENT;
}

rap_status gguf_writer_head(buf *out, const gguf_writer *w, const char *path, rap_err *err)
{
    if (w->misuse)
        return err_set(err, RAP_E_ARGUMENT, "%s: a tensor to write has an impossible shape", path);
    buf_puts(out, "GGUF");
    put_u32(out, 3);
    put_u64(out, w->tensor_count);
    put_u64(out, w->key_count);
    buf_add(out, w->keys.data, w->keys.len);
    buf_add(out, w->infos.data, w->infos.len);
    pad(out);
    if (buf_failed(&w->keys) || buf_failed(&w->infos) || buf_failed(&w->data) || buf_failed(out))
        return err_memory(err, "writing a GGUF");
    return RAP_OK;
}

rap_status gguf_writer_save(gguf_writer *w, const char *path, rap_err *err)
{
    buf head = BUF_INIT;
    rap_status status = gguf_writer_head(&head, w, path, err);

    if (status == RAP_OK && w->declared)
        status = err_set(err, RAP_E_ARGUMENT, "%s: tensors were declared but not written", path);
    if (status ==
        RAP_OK) /* the numbers may take most of the memory there is: they are not copied */
        status = file_write_parts(
            path, (const file_part[]){ { head.data, head.len }, { w->data.data, w->data.len } }, 2,
            err);
    buf_release(&head);
    return status;
}

/* gguf_write.c: builds a GGUF (version 3) in memory and saves it atomically.
 *
 * Keys, tensor infos and tensor bytes grow in three buffers; gguf_writer_save() writes them one after the
 * other. Failures are sticky, so that callers put everything and check once. */
#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "formats/gguf_inside.h"
#include "formats/gguf_types.h"

#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 32 };

struct gguf_writer {
    buf keys, infos, data;
    uint64_t key_count, tensor_count;
    bool misuse; /* a tensor that no reader would accept */
};

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
    static const char zeros[ALIGNMENT];
    size_t over = b->len % ALIGNMENT;
    if (over)
        buf_add(b, zeros, ALIGNMENT - over);
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

void gguf_put_strings(gguf_writer *w, const char *key, const char *const *value, size_t count)
{
    put_array(w, key, GGUF_KIND_STRING, count);
    for (size_t i = 0; i < count; i++)
        put_text(&w->keys, value[i], strlen(value[i]));
}

void gguf_put_tensor(gguf_writer *w, const char *name, gguf_type type, int dims, const int64_t *ne,
                     const void *data)
{
    gguf_block block = gguf_type_block(type);
    size_t bytes = (size_t)block.bytes;
    if (!block.elements || dims < 1 || dims > 4 || ne[0] < 1 || ne[0] % block.elements) {
        w->misuse = true;
        return;
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
    put_u64(&w->infos, w->data.len);
    if (!w->misuse)
        buf_add(&w->data, data, bytes);
    pad(&w->data);
    w->tensor_count++;
}

rap_status gguf_writer_save(gguf_writer *w, const char *path, rap_err *err)
{
    buf head = BUF_INIT;
    rap_status status;

    if (w->misuse)
        return err_set(err, RAP_E_ARGUMENT, "%s: a tensor to write has an impossible shape", path);
    buf_puts(&head, "GGUF");
    put_u32(&head, 3);
    put_u64(&head, w->tensor_count);
    put_u64(&head, w->key_count);
    buf_add(&head, w->keys.data, w->keys.len);
    buf_add(&head, w->infos.data, w->infos.len);
    pad(&head);
    if (buf_failed(&w->keys) || buf_failed(&w->infos) || buf_failed(&w->data) || buf_failed(&head))
        status = err_memory(err, "writing a GGUF");
    else /* the numbers may take most of the memory there is: they are not copied */
        status = file_write_parts(
            path, (const file_part[]){ { head.data, head.len }, { w->data.data, w->data.len } }, 2,
            err);
    buf_release(&head);
    return status;
}

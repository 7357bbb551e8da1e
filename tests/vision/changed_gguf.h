/* changed_gguf.h: a GGUF with some of what stands before its tensors' data changed, and the places of the tensors made
 * to fit their new shapes: so that a lie gets past the container. */
#ifndef RAP_TESTS_VISION_CHANGED_GGUF_H
#define RAP_TESTS_VISION_CHANGED_GGUF_H

#include "base/buf.h"
#include "formats/gguf_inside.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

typedef struct changed_gguf {
    gguf_file *from;
    uint8_t *head; /* a copy of what stands before the data; to be changed */
    size_t size;   /* of the head */
    size_t *at; /* [tensors] where in the head: the number of axes, the axes, the type, the place */
} changed_gguf;

/* Where the bytes behind a tensor's name stand. */
static inline size_t changed_gguf_find(const changed_gguf *c, const char *name)
{
    uint64_t len = strlen(name);
    for (size_t i = 8; i + len < c->size; i++)
        if (!memcmp(c->head + i, name, len) && !memcmp(c->head + i - 8, &len, 8))
            return i + len;
    abort();
}

static inline void changed_gguf_close(changed_gguf *c)
{
    gguf_file_close(c->from);
    free(c->head);
    free(c->at);
}

/* A file with at least one tensor. */
static inline rap_status changed_gguf_open(changed_gguf *c, const char *path, rap_err *err)
{
    *c = (changed_gguf){ 0 };
    rap_status status = gguf_file_open(&c->from, path, err);
    if (status != RAP_OK)
        return status;
    size_t count = gguf_tensor_count(c->from);
    c->size = (size_t)((const uint8_t *)gguf_tensor_at(c->from, 0)->data - c->from->map.data);
    c->head = mem_copy(c->from->map.data, c->size);
    c->at = mem_array(count, sizeof *c->at);
    if (!c->head || !c->at) {
        changed_gguf_close(c);
        return err_memory(err, "changing a GGUF");
    }
    for (size_t i = 0; i < count; i++)
        c->at[i] = changed_gguf_find(c, gguf_tensor_at(c->from, i)->name);
    return RAP_OK;
}

/* Axis k of tensor i, counted as the file counts: 0 varies fastest. */
static inline void changed_gguf_axis(changed_gguf *c, size_t i, int k, uint64_t length)
{
    memcpy(c->head + c->at[i] + 4 + 8 * (size_t)k, &length, 8);
}

/* Bytes of tensor i as the head says now; as before where that is nothing or more than `limit`. */
static inline size_t changed_gguf_size(const changed_gguf *c, size_t i, size_t limit)
{
    const gguf_tensor *t = gguf_tensor_at(c->from, i);
    const uint8_t *at = c->head + c->at[i] + 4;
    uint64_t count = 1, length;
    uint32_t type;
    for (int k = 0; k < t->dims; k++, at += 8) {
        memcpy(&length, at, 8);
        if (!length || length > limit / count)
            return t->bytes;
        count *= length;
    }
    memcpy(&type, at, 4);
    size_t bytes = type == GGUF_F32 || type == GGUF_I32 ? count * 4 : 0;
    if (type == GGUF_F16 || type == GGUF_BF16)
        bytes = count * 2;
    if (type == GGUF_Q8_0)
        bytes = count / 32 * 34;
    return bytes && bytes <= limit ? bytes : t->bytes;
}

/* The file as changed; a tensor that grew goes on with zeros. */
static inline void changed_gguf_bytes(buf *out, changed_gguf *c, size_t limit)
{
    static const char zeros[4096];
    uint64_t place = 0;
    for (size_t i = 0; i < gguf_tensor_count(c->from); i++) {
        size_t at = c->at[i] + 4 + 8 * (size_t)gguf_tensor_at(c->from, i)->dims + 4;
        memcpy(c->head + at, &place, 8);
        place += (changed_gguf_size(c, i, limit) + 31) / 32 * 32;
    }
    buf_add(out, c->head, c->size);
    for (size_t i = 0; i < gguf_tensor_count(c->from); i++) {
        const gguf_tensor *t = gguf_tensor_at(c->from, i);
        size_t bytes = changed_gguf_size(c, i, limit), old = t->bytes < bytes ? t->bytes : bytes;
        buf_add(out, t->data, old);
        for (size_t left = (bytes + 31) / 32 * 32 - old; left > 0;) {
            size_t now = left < sizeof zeros ? left : sizeof zeros;
            buf_add(out, zeros, now);
            left -= now;
        }
    }
}

#endif

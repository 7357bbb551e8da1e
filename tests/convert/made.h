/* made.h: checkpoints made by hand, honest and otherwise: a pickle writer and a zip writer of a few
 * lines each. Nothing here is ever run: the pickles are bytes. */
#ifndef RAP_TESTS_CONVERT_MADE_H
#define RAP_TESTS_CONVERT_MADE_H

#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include <cmocka.h>

static inline void put(buf *b, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        buf_putc(b, i < 8 ? (char)(value >> (8 * i)) : 0);
}

/* ---- pickle ------------------------------------------------------------------------------- */

static inline void pickle_start(buf *b)
{
    buf_add(b, "\x80\x02", 2);
}

static inline void pickle_text(buf *b, const char *text)
{
    buf_putc(b, 'X');
    put(b, strlen(text), 4);
    buf_puts(b, text);
}

static inline void pickle_int(buf *b, int64_t value)
{
    buf_add(b, "\x8a\x08", 2);
    put(b, (uint64_t)value, 8);
}

static inline void pickle_global_name(buf *b, const char *module, const char *name)
{
    buf_printf(b, "c%s\n%s\n", module, name);
}

typedef struct made_tensor {
    const char *name, *storage, *key; /* "FloatStorage", "0" */
    int64_t elements, offset;         /* of the storage; of the tensor */
    int dims;
    int64_t size[10], stride[10];
} made_tensor;

/* The name and the value, as torch.save writes them. */
static inline void pickle_tensor_of(buf *b, const made_tensor *t)
{
    pickle_text(b, t->name);
    pickle_global_name(b, "torch._utils", "_rebuild_tensor_v2");
    buf_puts(b, "((");
    pickle_text(b, "storage");
    pickle_global_name(b, "torch", t->storage);
    pickle_text(b, t->key);
    pickle_text(b, "cpu");
    pickle_int(b, t->elements);
    buf_puts(b, "tQ");
    pickle_int(b, t->offset);
    for (int part = 0; part < 2; part++) {
        buf_putc(b, '(');
        for (int i = 0; i < t->dims; i++)
            pickle_int(b, part ? t->stride[i] : t->size[i]);
        buf_putc(b, 't');
    }
    buf_putc(b, (char)0x89);
    pickle_global_name(b, "collections", "OrderedDict");
    buf_puts(b, ")RtR");
}

static inline void pickle_dict_of(buf *b, const made_tensor *tensors, int count)
{
    pickle_start(b);
    buf_puts(b, "}(");
    for (int i = 0; i < count; i++)
        pickle_tensor_of(b, &tensors[i]);
    buf_puts(b, "u.");
}

/* ---- zip ---------------------------------------------------------------------------------- */

typedef struct made_entry {
    const char *name;
    const void *bytes;
    size_t size;
    bool deflate;
    /* Lies, each 0 for none. */
    uint32_t claim_size, claim_packed, claim_crc, claim_offset;
    int claim_method;
} made_entry;

typedef struct made_zip {
    buf file, directory;
    int count;
} made_zip;

static inline void zip_common(buf *b, const made_entry *e, size_t packed, uint32_t crc)
{
    put(b, e->claim_method ? (uint64_t)e->claim_method : e->deflate ? 8 : 0, 2);
    put(b, 0, 4);
    put(b, e->claim_crc ? e->claim_crc : crc, 4);
    put(b, e->claim_packed ? e->claim_packed : packed, 4);
    put(b, e->claim_size ? e->claim_size : e->size, 4);
    put(b, strlen(e->name), 2);
}

static inline void zip_add(made_zip *z, const made_entry *e)
{
    uint8_t packed[65536];
    const void *bytes = e->bytes;
    size_t size = e->size, at = z->file.len;
    if (e->deflate) {
        z_stream s = { .next_in = (Bytef *)e->bytes,
                       .avail_in = (uInt)e->size,
                       .next_out = packed,
                       .avail_out = sizeof packed };
        assert_int_equal(deflateInit2(&s, 9, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
        assert_int_equal(deflate(&s, Z_FINISH), Z_STREAM_END);
        size = sizeof packed - s.avail_out;
        bytes = packed;
        deflateEnd(&s);
    }
    uint32_t crc = (uint32_t)crc32_z(0, e->bytes, e->size);
    buf_add(&z->file, "PK\3\4\0\0\0\0", 8);
    zip_common(&z->file, e, size, crc);
    put(&z->file, 0, 2);
    buf_puts(&z->file, e->name);
    buf_add(&z->file, bytes, size);
    buf_add(&z->directory, "PK\1\2\0\0\0\0\0\0", 10);
    zip_common(&z->directory, e, size, crc);
    put(&z->directory, 0, 12);
    put(&z->directory, e->claim_offset ? e->claim_offset : at, 4);
    buf_puts(&z->directory, e->name);
    z->count++;
}

static inline void zip_end(made_zip *z)
{
    size_t at = z->file.len;
    buf_add(&z->file, z->directory.data, z->directory.len);
    buf_add(&z->file, "PK\5\6\0\0\0\0", 8);
    put(&z->file, (uint64_t)z->count, 2);
    put(&z->file, (uint64_t)z->count, 2);
    put(&z->file, z->directory.len, 4);
    put(&z->file, at, 4);
    put(&z->file, 0, 2);
}

static inline void zip_release(made_zip *z)
{
    buf_release(&z->file);
    buf_release(&z->directory);
}

static inline void save_as(const char *path, const buf *b)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(b->data, 1, b->len, f), b->len);
    assert_int_equal(fclose(f), 0);
}

/* Enough for all our purposes, and the same on every machine. */
static inline uint32_t next_random(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)(*seed >> 33);
}

#endif

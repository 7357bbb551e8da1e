/* made_legacy.h: files as torch.save wrote them before version 1.6. */
#ifndef RAP_TESTS_CONVERT_MADE_LEGACY_H
#define RAP_TESTS_CONVERT_MADE_LEGACY_H

#include "convert/made.h"

#define LEGACY_MAGIC "\x80\2\x8a\nl\xfc\x9c\x46\xf9 j\xa8P\x19."

/* Magic number, version of the layout, facts about the machine. */
static inline void legacy_head(buf *b, int version, bool little)
{
    buf_add(b, LEGACY_MAGIC, sizeof LEGACY_MAGIC - 1);
    pickle_start(b);
    pickle_int(b, version);
    buf_putc(b, '.');
    pickle_start(b);
    buf_puts(b, "}(");
    pickle_text(b, "little_endian");
    buf_putc(b, little ? (char)0x88 : (char)0x89);
    buf_puts(b, "u.");
}

/* A tensor of one dimension; view: NULL, or what stands sixth in its storage's description. */
static inline void legacy_tensor(buf *b, const char *name, const char *key, int64_t storage,
                                 int64_t count, const char *view, size_t view_size)
{
    pickle_text(b, name);
    pickle_global_name(b, "torch._utils", "_rebuild_tensor_v2");
    buf_puts(b, "((");
    pickle_text(b, "storage");
    pickle_global_name(b, "torch", "FloatStorage");
    pickle_text(b, key);
    pickle_text(b, "cpu");
    pickle_int(b, storage);
    buf_add(b, view ? view : "N", view ? view_size : 1);
    buf_puts(b, "tQK");
    buf_putc(b, 0);
    pickle_int(b, count);
    buf_puts(b, "\x85K\1\x85\x89");
    pickle_global_name(b, "collections", "OrderedDict");
    buf_puts(b, ")RtR");
}

static inline void legacy_keys(buf *b, const char *const *keys, int count)
{
    pickle_start(b);
    buf_puts(b, "](");
    for (int i = 0; i < count; i++)
        pickle_text(b, keys[i]);
    buf_puts(b, "e.");
}

static inline void legacy_storage(buf *b, const float *values, uint64_t claim, size_t count)
{
    put(b, claim, 8);
    buf_add(b, values, count * sizeof *values);
}

#endif

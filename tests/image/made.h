/* made.h: files of pictures made chunk by chunk and box by box, so that they can say anything. */
#ifndef RAP_TESTS_IMAGE_MADE_H
#define RAP_TESTS_IMAGE_MADE_H

#include "base/buf.h"
#include "image/image.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>
#include <zlib.h>

static inline void made_number(buf *b, uint32_t value, int bytes)
{
    while (bytes-- > 0)
        buf_putc(b, (char)(value >> (8 * bytes)));
}

static inline void made_chunk(buf *b, const char *type, const void *body, size_t size)
{
    buf both = BUF_INIT;

    buf_add(&both, type, 4);
    buf_add(&both, body, size);
    made_number(b, (uint32_t)size, 4);
    buf_add(b, both.data, both.len);
    made_number(b, (uint32_t)crc32(0, (const uint8_t *)both.data, (uInt)both.len), 4);
    buf_release(&both);
}

static inline void made_deflate(buf *out, const void *bytes, size_t size)
{
    uLongf room = compressBound(size);
    uint8_t *packed = malloc(room);

    assert_non_null(packed);
    assert_int_equal(compress2(packed, &room, bytes, size, 1), Z_OK);
    buf_add(out, packed, room);
    free(packed);
}

static inline void made_head(buf *b, uint32_t width, uint32_t height, int bits, int type,
                             int interlaced)
{
    buf body = BUF_INIT;

    made_number(&body, width, 4);
    made_number(&body, height, 4);
    buf_add(&body, (uint8_t[]){ (uint8_t)bits, (uint8_t)type, 0, 0, (uint8_t)interlaced }, 5);
    buf_add(b, "\x89PNG\r\n\x1a\n", 8);
    made_chunk(b, "IHDR", body.data, body.len);
    buf_release(&body);
}

static inline void made_profile(buf *b, const void *profile, size_t size)
{
    buf body = BUF_INIT;

    buf_add(&body, "x\0\0", 3);
    made_deflate(&body, profile, size);
    made_chunk(b, "iCCP", body.data, body.len);
    buf_release(&body);
}

/* The pixels, from samples in big-endian order, and the end. */
static inline void made_pixels(buf *b, const uint8_t *samples, int height, size_t line)
{
    buf rows = BUF_INIT, packed = BUF_INIT;

    for (int y = 0; y < height; y++) {
        buf_putc(&rows, 0);
        buf_add(&rows, samples + (size_t)y * line, line);
    }
    made_deflate(&packed, rows.data, rows.len);
    made_chunk(b, "IDAT", packed.data, packed.len);
    made_chunk(b, "IEND", "", 0);
    buf_release(&rows);
    buf_release(&packed);
}

/* A box of ISO's container around `body`, which is released. */
static inline void made_box(buf *out, const char *type, buf *body)
{
    made_number(out, (uint32_t)body->len + 8, 4);
    buf_add(out, type, 4);
    buf_add(out, body->len ? body->data : "", body->len);
    buf_release(body);
}

static inline image made_decode(buf *file)
{
    rap_err err = { 0 };
    image out;

    assert_false(buf_failed(file));
    if (image_decode(&out, file->data, file->len, "it", &err) != RAP_OK)
        fail_msg("%s", err.text);
    buf_release(file);
    return out;
}

static inline void made_refused(buf *file, rap_status status, const char *words)
{
    rap_err err = { 0 };
    image out;
    rap_status got = image_decode(&out, file->data, file->len, "it", &err);

    if (got != status || !strstr(err.text, words))
        fail_msg("status %d (%s), expected %d with \"%s\"", got, err.text, status, words);
    assert_null(out.rgb);
    buf_release(file);
}

#endif

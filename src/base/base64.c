/* base64.c: nettle's coder, in pieces. */
#include "base/base64.h"

#include <nettle/base64.h>
#include <stdint.h>

enum { PIECE = 3 * 1024 };

void base64_encode(buf *out, const void *bytes, size_t size)
{
    const uint8_t *at = bytes;
    char text[BASE64_ENCODE_RAW_LENGTH(PIECE)];

    while (size > 0) {
        size_t piece = size < PIECE ? size : PIECE;

        base64_encode_raw(text, piece, at);
        buf_add(out, text, BASE64_ENCODE_RAW_LENGTH(piece));
        at += piece;
        size -= piece;
    }
}

bool base64_decode(buf *out, const char *text, size_t len)
{
    struct base64_decode_ctx context;
    uint8_t bytes[BASE64_DECODE_LENGTH(PIECE)];
    size_t before = out->len;
    bool good = true;

    base64_decode_init(&context);
    while (good && len > 0) {
        size_t piece = len < PIECE ? len : PIECE, size = sizeof bytes;

        good = base64_decode_update(&context, &size, bytes, piece, text) == 1;
        if (good)
            buf_add(out, bytes, size);
        text += piece;
        len -= piece;
    }
    good = good && base64_decode_final(&context) == 1;
    if (!good)
        buf_truncate(out, before);
    return good;
}

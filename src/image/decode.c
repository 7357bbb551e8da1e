/* decode.c: decodes untrusted bytes to an upright 8-bit sRGB picture, or fails with a one-line
 * message.
 *
 * Steps: recognise the kind by content; check the size and the memory needed, from the header
 * alone; wait until that memory is available; decode strictly (a truncated file is an error, not
 * half a picture). decode_plain.c and decode_apart.c decode; raster.c does the rest. */
#include "image/decode.h"
#include "base/file_kind.h"
#include "image/gate.h"

#include <stdio.h>
#include <string.h>
#include <vips/vips.h>

#define DECODE_MAX_SIDE 65535

#define DECODE_WANTED "not a JPEG, PNG, WebP, GIF, HEIC or AVIF picture"

static rap_status decode_other(const void *bytes, size_t size, const char *name, rap_err *err)
{
    const char *other = image_other_kind(bytes, size);

    if (other)
        return err_set(err, RAP_E_FORMAT, "%s: " DECODE_WANTED ", it is %s: save it as PNG or JPEG",
                       name, other);
    return file_kind_refuse(name, DECODE_WANTED, bytes, size, err);
}

rap_status decode_read(image_facts *facts, buf *pixels, image_kind kind, const void *bytes,
                       size_t size, const char *name, rap_err *err)
{
    switch (kind) {
    case IMAGE_JPEG:
        return jpeg_read(facts, pixels, bytes, size, name, err);
    case IMAGE_PNG:
        return png_read(facts, pixels, bytes, size, name, err);
    case IMAGE_GIF:
        return gif_read(facts, bytes, size, name, err);
    case IMAGE_WEBP:
        return webp_read(facts, bytes, size, name, err);
    case IMAGE_HEIF:
        return heif_read(facts, bytes, size, name, err);
    case IMAGE_UNKNOWN:
        break;
    }
    return decode_other(bytes, size, name, err);
}

static rap_status decode_check(const image_facts *f, const char *name, rap_err *err)
{
    if (f->width < 1 || f->height < 1)
        return err_set(err, RAP_E_FORMAT, "%s: has no pixels", name);
    if (f->width > DECODE_MAX_SIDE || f->height > DECODE_MAX_SIDE)
        return err_set(err, RAP_E_LIMIT, "%s: has %d × %d pixels, the limit is %d on a side", name,
                       (int)f->width, (int)f->height, DECODE_MAX_SIDE);
    if (f->width * f->height > IMAGE_MAX_FILE_PIXELS)
        return err_set(err, RAP_E_LIMIT, "%s: has %d × %d pixels, the limit is %d megapixels", name,
                       (int)f->width, (int)f->height, IMAGE_MAX_FILE_PIXELS / 1000000);
    if (f->memory > IMAGE_MAX_MEMORY)
        return err_set(err, RAP_E_LIMIT,
                       "%s: decoding its %d × %d pixels would take %.1f GB of memory, the limit is "
                       "%.1f; save it as a plain (not progressive, not interlaced) picture",
                       name, (int)f->width, (int)f->height, (double)f->memory / 1e9,
                       IMAGE_MAX_MEMORY / 1e9);
    return RAP_OK;
}

void image_decoder(char out[IMAGE_DECODER_ROOM])
{
    snprintf(out, IMAGE_DECODER_ROOM, "decoder of rap %s, libvips %s", RAP_VERSION,
             vips_version_string());
}

rap_status image_decode(image *out, const void *bytes, size_t size, const char *name, rap_err *err)
{
    image_facts facts = { .orientation = 1 };
    image_kind kind = image_kind_of(bytes, size);
    buf pixels = BUF_INIT;
    uint64_t held;
    rap_status status;

    *out = (image){ 0 };
    if (size > IMAGE_MAX_BYTES)
        return err_set(err, RAP_E_LIMIT, "%s: has %zu bytes, the limit is %u", name, size,
                       IMAGE_MAX_BYTES);
    status = decode_read(&facts, &pixels, kind, bytes, size, name, err);
    if (status == RAP_OK)
        status = decode_check(&facts, name, err);
    if (status == RAP_OK) {
        held = gate_enter(facts.memory);
        if (kind == IMAGE_WEBP || kind == IMAGE_HEIF)
            status = decode_apart(out, &facts, bytes, size, name, err);
        else if (kind == IMAGE_GIF)
            status = decode_plain(out, kind, &facts, bytes, size, name, err);
        else
            status = decode_plain(out, kind, &facts, pixels.data, pixels.len, name, err);
        gate_leave(held);
    }
    buf_release(&pixels);
    image_facts_release(&facts);
    return status;
}

/* webp.c: WebP by libwebp: the first frame on its canvas. A picture over the limit is shrunk by the library. */
#include "base/mem.h"
#include "decode/foreign.h"
#include "image/kind.h"
#include "image/raster.h"

#include <stdlib.h>
#include <string.h>
#include <webp/decode.h>
#include <webp/demux.h>

typedef struct webp {
    WebPDemuxer *demux;
    WebPIterator frame;
    bool framed;
    WebPDecoderConfig config; /* its output: RGBA of the frame */
    bool decoded;
} webp;

static void webp_close(webp *w)
{
    if (w->decoded)
        WebPFreeDecBuffer(&w->config.output);
    if (w->framed)
        WebPDemuxReleaseIterator(&w->frame);
    WebPDemuxDelete(w->demux);
}

/* A chunk of the file; it lives as long as its iterator. */
static bool webp_chunk(WebPChunkIterator *out, const webp *w, const char *name)
{
    memset(out, 0, sizeof *out);
    return WebPDemuxGetChunk(w->demux, name, 1, out) != 0;
}

/* Rows of the canvas: what is not of the frame is transparent. */
static rap_status webp_rows(image *out, const webp *w, const raster_plan *plan,
                            const colour_source *source, rap_err *err)
{
    const WebPRGBABuffer *from = &w->config.output.u.RGBA;
    int height = w->config.output.height, top = height < plan->height ? w->frame.y_offset : 0;
    int left = w->config.output.width < plan->layout.width ? w->frame.x_offset : 0;
    size_t line = (size_t)w->config.output.width * 4;
    uint8_t *row = mem_array((size_t)plan->layout.width, 4);
    raster *to = NULL;
    rap_status status =
        row ? raster_open(&to, plan, source, err) : err_memory(err, "decoding a picture");

    for (int y = 0; status == RAP_OK && y < plan->height; y++) {
        bool inside = y >= top && y < top + height;
        if (inside)
            memcpy(row + (size_t)left * 4, from->rgba + (size_t)(y - top) * (size_t)from->stride,
                   line);
        else
            memset(row, 0, (size_t)plan->layout.width * 4);
        raster_row(to, row);
    }
    if (status == RAP_OK)
        raster_finish(out, to);
    free(row);
    return status;
}

static bool webp_frame(webp *w, int width, int height)
{
    int factor = raster_factor(width, height);

    w->framed = WebPDemuxGetFrame(w->demux, 1, &w->frame) != 0;
    if (!w->framed || !w->frame.complete || !WebPInitDecoderConfig(&w->config))
        return false;
    w->config.output.colorspace = MODE_RGBA;
    if (factor > 1 && w->frame.width == width && w->frame.height == height) {
        w->config.options.use_scaling = 1;
        w->config.options.scaled_width = (width + factor - 1) / factor;
        w->config.options.scaled_height = (height + factor - 1) / factor;
    }
    w->decoded = true;
    return WebPDecode(w->frame.fragment.bytes, w->frame.fragment.size, &w->config) == VP8_STATUS_OK;
}

static rap_status webp_picture(image *out, webp *w, int width, int height, rap_err *err)
{
    bool scaled = w->config.options.use_scaling != 0;
    raster_plan plan = { .layout = { .width = scaled ? w->config.output.width : width,
                                     .bands = 4,
                                     .bits = 8,
                                     .alpha = true },
                         .height = scaled ? w->config.output.height : height,
                         .full_width = width,
                         .full_height = height,
                         .orientation = 1 };
    colour_source source = { 0 };
    WebPChunkIterator profile, exif;
    rap_status status;

    if (webp_chunk(&profile, w, "ICCP")) {
        source.profile = profile.chunk.bytes;
        source.profile_size = profile.chunk.size;
    }
    if (webp_chunk(&exif, w, "EXIF")) {
        size_t skip = exif.chunk.size > 6 && memcmp(exif.chunk.bytes, "Exif\0", 6) == 0 ? 6 : 0;
        plan.orientation = exif_orientation(exif.chunk.bytes + skip, exif.chunk.size - skip);
    }
    status = webp_rows(out, w, &plan, &source, err);
    WebPDemuxReleaseChunkIterator(&profile);
    WebPDemuxReleaseChunkIterator(&exif);
    return status;
}

rap_status foreign_webp(image *out, const uint8_t *bytes, size_t size, const char *name,
                        rap_err *err)
{
    webp w = { .demux = WebPDemux(&(WebPData){ bytes, size }) };
    int width, height;
    rap_status status;

    if (!w.demux)
        return image_damaged(err, name, NULL);
    width = (int)WebPDemuxGetI(w.demux, WEBP_FF_CANVAS_WIDTH);
    height = (int)WebPDemuxGetI(w.demux, WEBP_FF_CANVAS_HEIGHT);
    if (width < 1 || height < 1 || (int64_t)width * height > IMAGE_MAX_FILE_PIXELS ||
        !webp_frame(&w, width, height) || w.frame.x_offset + w.frame.width > width ||
        w.frame.y_offset + w.frame.height > height)
        status = image_damaged(err, name, NULL);
    else
        status = webp_picture(out, &w, width, height, err);
    webp_close(&w);
    return status;
}

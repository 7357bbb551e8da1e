/* fuzz_network.c: whole networks from a GGUF that lies. An input is one byte, which model and in which precision, then
 * changes of 7 bytes each: what (1 byte), where (2 bytes, little-endian), and a number (4 bytes). The container is made
 * to fit, so that a changed shape reaches the layers. What opens looks at one small picture and reads one text. */
#include "convert/convert.h"
#include "fuzz/fuzz.h"
#include "vision/changed_gguf.h"
#include "vision/encoder.h"
#include "vision/yolo_world.h"

#include <string.h>

enum { MODELS = 5, CHANGE = 7, MOST_BYTES = 1 << 20, DETECTOR_SIDE = 128, ENCODER_SIDE = 64 };

static const char *const sources[MODELS] = { "vision/yolo_parity.gguf", "data/clip/hf",
                                             "data/encoders/siglip",
                                             "data/encoders/dinov2_registers",
                                             "data/encoders/timm_token" };
static const precision precisions[] = { PRECISION_F32, PRECISION_BF16, PRECISION_INT8 };
static uint8_t rgb[5 * 3 * 3];
static const image picture = { .width = 5, .height = 3, .rgb = rgb };

static void must(rap_status status, const rap_err *err)
{
    if (status == RAP_OK)
        return;
    fprintf(stderr, "%s\n", err->text);
    exit(1);
}

static void start(changed_gguf *c, const char *source)
{
    rap_err err = { 0 };
    char path[1024], out[64];
    snprintf(path, sizeof path, "%s/%s", RAP_TESTS_FOLDER, source);
    if (strstr(source, ".gguf")) {
        must(changed_gguf_open(c, path, &err), &err);
        return;
    }
    snprintf(out, sizeof out, "/dev/shm/rap-fuzz-network-%d.gguf", (int)getpid());
    must(convert_file(path, out, &(convert_options){ 0 }, &err), &err);
    must(changed_gguf_open(c, out, &err), &err);
    unlink(out);
}

static void change(changed_gguf *c, const uint8_t *data)
{
    size_t where = (size_t)(data[1] | data[2] << 8), i = where % gguf_tensor_count(c->from);
    size_t axes = (size_t)gguf_tensor_at(c->from, i)->dims;
    uint32_t value;
    memcpy(&value, data + 3, sizeof value);
    switch (data[0] % 4) {
    case 0:
        changed_gguf_axis(c, i, (int)(data[0] / 4 % axes), value);
        break;
    case 1:
        c->head[where % c->size] = (uint8_t)value;
        break;
    case 2:
        memcpy(c->head + where % (c->size - sizeof value), &value, sizeof value);
        break;
    default: /* the type of a tensor */
        value %= 32;
        memcpy(c->head + c->at[i] + 4 + 8 * axes, &value, sizeof value);
    }
}

/* Large pictures take long and reach nothing new. */
static bool is_small(const char *path)
{
    static const char *const keys[] = {
        "clip.vision.image_size",    "siglip.vision.image_size", "dinov2.vision.image_size",
        "vit.vision.image_size",     "clip.vision.resize_size",  "siglip.vision.resize_size",
        "dinov2.vision.resize_size", "vit.vision.resize_size",   "yolo-world.image_size",
    };
    size_t count = sizeof keys / sizeof *keys;
    gguf_file *g;
    int64_t side;
    bool small = true;
    if (gguf_file_open(&g, path, NULL) != RAP_OK)
        return true;
    for (size_t i = 0; i < count; i++)
        if (gguf_get_int(g, keys[i], &side, NULL) == RAP_OK)
            small = small && side <= (i + 1 < count ? ENCODER_SIDE : DETECTOR_SIDE);
    gguf_file_close(g);
    return small;
}

static rap_status detect(const char *path, precision p, rap_err *err)
{
    yolo_world *y;
    yolo_vocabulary *v;
    detection *found = NULL;
    int count;
    rap_status s = yolo_world_open(&y, path, 1, p, err);
    if (s != RAP_OK)
        return s;
    float *names = calloc(2 * (size_t)yolo_world_text_dim(y), sizeof *names);
    if (!names)
        abort();
    names[0] = 1;
    s = yolo_vocabulary_new(&v, y, names, 2, err);
    if (s == RAP_OK)
        s = yolo_world_detect(y, v, &picture, NULL, &found, &count, err);
    free(found);
    free(names);
    yolo_vocabulary_free(v);
    yolo_world_close(y);
    return s;
}

static rap_status encode(const char *path, precision p, rap_err *err)
{
    static const char *const text = "the dog";
    encoder *e;
    rap_status s = encoder_open(&e, path, 1, p, err);
    if (s != RAP_OK)
        return s;
    float *out = malloc((size_t)encoder_dim(e) * sizeof *out);
    if (!out)
        abort();
    s = encoder_images(e, &picture, 1, out, err);
    if (s == RAP_OK && encoder_has_text(e))
        s = encoder_texts(e, &text, 1, out, err);
    free(out);
    encoder_close(e);
    return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static changed_gguf models[MODELS];
    char path[32];
    buf bytes = BUF_INIT;
    rap_err err = { 0 };
    if (size < 1)
        return 0;
    int model = data[0] % MODELS;
    precision p = precisions[data[0] / MODELS % 3];
    changed_gguf *c = &models[model];
    if (!c->from)
        start(c, sources[model]);
    memcpy(c->head, c->from->map.data, c->size);
    for (data++, size--; size >= CHANGE; data += CHANGE, size -= CHANGE)
        change(c, data);
    changed_gguf_bytes(&bytes, c, MOST_BYTES);
    if (buf_failed(&bytes))
        abort();
    int fd = fuzz_file(path, (const uint8_t *)bytes.data, bytes.len);
    buf_release(&bytes);
    if (is_small(path)) {
        rap_status s = model ? encode(path, p, &err) : detect(path, p, &err);
        if (s != RAP_OK && (!*err.text || strchr(err.text, '\n')))
            abort(); /* a failure is told in one line */
    }
    close(fd);
    return 0;
}

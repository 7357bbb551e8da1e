/* fuzz_gguf.c: the container of our own models. Every tensor of what opens is read, and some keys. */
#include "formats/gguf_file.h"
#include "fuzz/fuzz.h"

static const char *const keys[] = { "general.name", "clip.vision.image_size", "tokenizer.merges",
                                    "clip.vision.image_mean", "clip.use_gelu" };

static void read_keys(const gguf_file *g)
{
    int64_t whole;
    double real;
    bool truth;
    const char *text;
    size_t len;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        (void)gguf_get_int(g, keys[i], &whole, NULL);
        (void)gguf_get_float(g, keys[i], &real, NULL);
        (void)gguf_get_bool(g, keys[i], &truth, NULL);
        (void)gguf_get_string(g, keys[i], &text, &len, NULL);
        if (gguf_array_count(g, keys[i], &len, NULL) == RAP_OK && len) {
            (void)gguf_array_string(g, keys[i], len - 1, &text, &len, NULL);
            (void)gguf_array_float(g, keys[i], 0, &real, NULL);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[32];
    gguf_file *g;
    rap_err err = { 0 };
    int fd = fuzz_file(path, data, size);
    if (gguf_file_open(&g, path, &err) == RAP_OK) {
        read_keys(g);
        for (size_t i = 0; i < gguf_tensor_count(g); i++) {
            const gguf_tensor *t = gguf_tensor_at(g, i);
            size_t count = (size_t)(t->ne[0] * t->ne[1] * t->ne[2] * t->ne[3]);
            float *values = count < 1 << 24 ? malloc(count * sizeof *values) : NULL;
            if (values)
                (void)gguf_to_f32(g, t, values, &err);
            free(values);
        }
        gguf_file_close(g);
    }
    close(fd);
    return 0;
}

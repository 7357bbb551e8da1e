/* adapter.c: adapter.gguf, as llama.cpp's convert_lora_to_gguf writes it. */
#include "train/adapter.h"

#include <stdio.h>

static void put(gguf_writer *w, const linear *l, const char *which, int64_t in, int64_t out,
                const real *data)
{
    char name[96];
    const int64_t ne[2] = { in, out };

    snprintf(name, sizeof name, "%s.%s", l->w.tensor->name, which);
    gguf_put_tensor(w, name, GGUF_F32, 2, ne, data);
}

rap_status adapter_write(const char *path, const decoder *d, int rank, double alpha, rap_err *err)
{
    gguf_writer *w = gguf_writer_new(decoder_shape(d)->architecture);
    const linear *l;
    rap_status status;

    if (!w)
        return err_memory(err, "writing an adapter");
    gguf_put_string(w, "general.type", "adapter", 7);
    gguf_put_string(w, "adapter.type", "lora", 4);
    gguf_put_float(w, "adapter.lora.alpha", (float)alpha);
    for (size_t i = 0; (l = decoder_linear(d, i)) != NULL; i++) {
        put(w, l, "lora_a", l->in, rank, l->a);
        put(w, l, "lora_b", rank, l->out, l->b);
    }
    status = gguf_writer_save(w, path, err);
    gguf_writer_free(w);
    return status;
}

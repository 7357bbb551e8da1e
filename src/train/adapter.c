/* adapter.c: adapter.gguf, as llama.cpp's convert_lora_to_gguf writes it. */
#include "train/adapter.h"

#include "base/mem.h"

#include <ggml.h>
#include <stdio.h>
#include <stdlib.h>

static void declare(gguf_writer *w, const linear *l, const char *which, int64_t in, int64_t out,
                    bool half)
{
    char name[96];
    const int64_t ne[2] = { in, out };

    snprintf(name, sizeof name, "%s.%s", l->w.tensor->name, which);
    gguf_declare_tensor(w, name, half ? GGUF_F16 : GGUF_F32, 2, ne);
}

static rap_status write_matrix(gguf_stream *s, const real *data, int64_t count, bool half,
                               rap_err *err)
{
    ggml_fp16_t *rounded = half ? mem_array((size_t)count, sizeof *rounded) : NULL;
    rap_status status;

    if (half && !rounded)
        return err_memory(err, "writing an adapter");
    for (int64_t i = 0; half && i < count; i++)
        rounded[i] = ggml_fp32_to_fp16((float)data[i]);
    status = half ? gguf_stream_write(s, rounded, (size_t)count * sizeof *rounded, err)
                  : gguf_stream_write(s, data, (size_t)count * sizeof *data, err);
    free(rounded);
    return status ? status : gguf_stream_end_tensor(s, err);
}

static rap_status write_halves(const gguf_writer *w, const char *path, const decoder *d, int rank,
                               bool half, rap_err *err)
{
    gguf_stream *s = NULL;
    const linear *l;
    rap_status status = gguf_stream_open(&s, w, path, err);

    for (size_t i = 0; !status && (l = decoder_linear(d, i)) != NULL; i++) {
        status = write_matrix(s, l->a, l->in * rank, half, err);
        if (!status)
            status = write_matrix(s, l->b, l->out * rank, half, err);
    }
    if (!status)
        status = gguf_stream_publish(s, err);
    gguf_stream_close(s);
    return status;
}

rap_status adapter_write(const char *path, const decoder *d, int rank, double alpha, bool half,
                         rap_err *err)
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
        declare(w, l, "lora_a", l->in, rank, half);
        declare(w, l, "lora_b", rank, l->out, half);
    }
    status = write_halves(w, path, d, rank, half, err);
    gguf_writer_free(w);
    return status;
}

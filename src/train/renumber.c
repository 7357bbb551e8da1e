/* renumber.c: a copy of a GGUF with other numbers in some of its tensors (lora.h). */
#include "base/mem.h"
#include "base/temp.h"
#include "train/lora.h"

#include <ggml.h>

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

static rap_status write_at(const temp *to, const char *path, const void *bytes, size_t size,
                           size_t at, rap_err *err)
{
    const char *from = bytes;

    while (size) {
        size_t most = size < (size_t)1 << 30 ? size : (size_t)1 << 30;
        ssize_t n = pwrite(to->fd, from, most, (off_t)at);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return err_file(err, path, "writing");
        from += n;
        at += (size_t)n;
        size -= (size_t)n;
    }
    return RAP_OK;
}

static rap_status check_numbers(const gguf_file *g, const gguf_tensor *t, const float *x,
                                rap_err *err)
{
    double most = t->type == GGUF_F16 ? 65504 : HUGE_VAL;

    if (t->type != GGUF_F32 && ggml_quantize_requires_imatrix((enum ggml_type)t->type))
        return err_set(err, RAP_E_UNSUPPORTED,
                       "%s: '%s' is %s, which cannot be written without an importance matrix; "
                       "take the model in another type",
                       gguf_file_path(g), t->name, ggml_type_name((enum ggml_type)t->type));
    for (int64_t i = 0; i < t->ne[0] * t->ne[1]; i++)
        if (!isfinite(x[i]) || fabs((double)x[i]) > most)
            return err_set(err, RAP_E_MODEL, "%s: '%s' would hold %g, too large for its type",
                           gguf_file_path(g), t->name, (double)x[i]);
    return RAP_OK;
}

static rap_status replace(const temp *to, const char *path, const gguf_file *g,
                          const gguf_tensor *t, const float *x, rap_err *err)
{
    size_t whole, at = (size_t)((const char *)t->data - (const char *)gguf_file_bytes(g, &whole));
    rap_status status = check_numbers(g, t, x, err);
    void *packed;

    if (status || t->type == GGUF_F32)
        return status ? status : write_at(to, path, x, t->bytes, at, err);
    packed = mem_array(t->bytes, 1);
    if (!packed)
        return err_memory(err, "writing weights");
    if (ggml_quantize_chunk((enum ggml_type)t->type, x, packed, 0, t->ne[1], t->ne[0], NULL) !=
        t->bytes)
        status = err_set(err, RAP_E_UNSUPPORTED, "%s: '%s' is of a type that is not written",
                         gguf_file_path(g), t->name);
    if (!status)
        status = write_at(to, path, packed, t->bytes, at, err);
    free(packed);
    return status;
}

rap_status gguf_renumber(const gguf_file *g, const char *out, new_numbers *fn, void *payload,
                         rap_err *err)
{
    temp file = TEMP_INIT;
    size_t size;
    const void *bytes = gguf_file_bytes(g, &size);
    rap_status status = file_spare(out, gguf_file_path(g), NULL, err);

    if (!status)
        status = temp_file(&file, out, 0666, err);
    if (!status)
        status = write_at(&file, out, bytes, size, 0, err);
    for (size_t i = 0; !status && i < gguf_tensor_count(g); i++) {
        const gguf_tensor *t = gguf_tensor_at(g, i);
        float *x = NULL;

        status = fn(&x, t, payload, err);
        if (!status && x)
            status = replace(&file, out, g, t, x, err);
        free(x);
    }
    if (!status)
        status = temp_publish(&file, out, TEMP_REPLACE, err);
    temp_remove(&file);
    return status;
}

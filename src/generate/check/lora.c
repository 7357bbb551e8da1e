/* check/lora.c: a LoRA adapter's GGUF: it must say that it is one, for this model. Shapes against the
 * model's tensors are compared by llama.cpp, which answers a mismatch without an assertion. */
#include "generate/check/check.h"

#include <string.h>

static rap_status expect(const gguf_file *g, const char *key, const char *want, rap_err *err)
{
    const char *text = NULL;
    size_t len = 0;
    rap_status status = gguf_get_string(g, key, &text, &len, err);

    if (!status && (len != strlen(want) || memcmp(text, want, len) != 0))
        status = err_set(err, RAP_E_FORMAT, "%s: '%s' is not '%s'", gguf_file_path(g), key, want);
    return status;
}

rap_status check_lora(const char *path, const check_facts *model, rap_err *err)
{
    gguf_file *g = NULL;
    double alpha = 0;
    rap_status status = gguf_file_open(&g, path, err);

    if (status)
        return status;
    status = expect(g, "general.type", "adapter", err);
    if (!status)
        status = expect(g, "adapter.type", "lora", err);
    if (!status)
        status = expect(g, "general.architecture", model->architecture, err);
    if (!status)
        status = gguf_get_float(g, "adapter.lora.alpha", &alpha, err);
    if (!status && alpha <= 0)
        status = err_set(err, RAP_E_FORMAT, "%s: adapter.lora.alpha is %g; it must be above 0",
                         path, alpha);
    if (!status)
        status = check_kinds(g, err);
    if (!status)
        status = check_types(g, err);
    gguf_file_close(g);
    return status;
}

/* base_adapters.c: see base_adapters.h. */
#include "train/base_adapters.h"

#include "base/buf.h"
#include "base/file.h"
#include "train/linear.h"

_Static_assert((int)FROZEN_LORAS >= (int)VLM_LORAS, "a decoder has room for a profile's adapters");

rap_status base_adapters_open(base_adapters *out, const profile *p, const gguf_file *model,
                              rap_err *err)
{
    rap_status status = RAP_OK;

    *out = (base_adapters){ .count = 0 };
    for (int i = 0; !status && i < p->loras; i++) {
        status = profile_need(p, &p->lora[i], "lora", "a training", err);
        if (!status)
            status = lora_read(&out->lora[i], p->lora[i].path, err);
        if (status)
            break;
        out->count = i + 1;
        out->scale[i] = p->lora_scale[i];
        status = lora_check(&out->lora[i], p->lora[i].path, model, err);
    }
    if (status)
        base_adapters_close(out);
    return status;
}

void base_adapters_close(base_adapters *a)
{
    for (int i = 0; i < a->count; i++)
        lora_release(&a->lora[i]);
    a->count = 0;
}

rap_status base_adapters_name(char out[65], const profile *p, rap_err *err)
{
    buf all = BUF_INIT;
    rap_status status = RAP_OK;

    *out = 0;
    for (int i = 0; !status && i < p->loras; i++) {
        char sum[65] = "";

        status = file_sha256(sum, p->lora[i].path, err);
        buf_printf(&all, "%s %g ", sum, (double)p->lora_scale[i]);
    }
    if (!status && buf_failed(&all))
        status = err_memory(err, "naming adapters");
    if (!status && all.len)
        sha256_hex(out, all.data, all.len);
    buf_release(&all);
    return status;
}

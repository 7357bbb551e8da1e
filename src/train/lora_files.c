/* lora_files.c: see lora_files.h. */
#include "train/lora_files.h"

#include "base/threads.h"
#include "engine/profile.h"
#include "train/peft.h"

#include <stddef.h>
#include <string.h>

static rap_status open_model(gguf_file **out, const lora_files *f, bool projector, rap_err *err)
{
    profile *p = NULL;
    rap_status status;

    if (f->model)
        return gguf_file_open(out, f->model, err);
    status = profile_open(&p, f->profile, err);
    if (!status)
        status = profile_need(p, projector ? &p->mmproj : &p->llm, projector ? "mmproj" : "llm",
                              "rap lora", err);
    if (!status)
        status = gguf_file_open(out, projector ? p->mmproj.path : p->llm.path, err);
    profile_close(p);
    return status;
}

/* A folder, or a file of tensors in one. */
static bool is_peft(const char *path)
{
    return file_is_folder(path) || strcmp(path_extension(path), "gguf") != 0;
}

/* Either form of an adapter, checked against the model. */
static rap_status read_adapter(lora *out, const lora_files *f, const gguf_file *model, rap_err *err)
{
    rap_status status;

    if (!file_exists(f->from))
        return err_set(err, RAP_E_NOT_FOUND, "%s: no such file or folder", f->from);
    if (is_peft(f->from))
        return peft_read(out, f->from, model, err);
    status = lora_read(out, f->from, err);
    if (!status)
        status = lora_check(out, f->from, model, err);
    if (status)
        lora_release(out);
    return status;
}

typedef rap_status deed(const lora_files *f, const lora *l, const gguf_file *model, rap_err *err);

static rap_status with_both(const lora_files *f, deed *fn, rap_err *err)
{
    gguf_file *model = NULL;
    lora l = { .pair = NULL };
    rap_status status = open_model(&model, f, false, err);

    if (!status)
        status = read_adapter(&l, f, model, err);
    if (!status)
        status = file_spare(f->out, f->from, NULL, err);
    if (!status && is_peft(f->from)) /* its adapter_config.json is an input too */
        status = file_spare_beside(f->out, f->from, "GGUF", err);
    if (!status)
        status = file_spare(f->out, gguf_file_path(model), NULL, err);
    if (!status)
        status = fn(f, &l, model, err);
    lora_release(&l);
    gguf_file_close(model);
    return status;
}

static bool is_llava(const lora_files *f)
{
    return f->layout && strcmp(f->layout, "llava") == 0;
}

static rap_status write_peft(const lora_files *f, const lora *l, const gguf_file *model,
                             rap_err *err)
{
    return peft_write(f->out, l, model, f->base ? f->base : "",
                      is_llava(f) ? PEFT_LLAVA : PEFT_LLAMA, err);
}

rap_status lora_files_export(const lora_files *f, rap_err *err)
{
    if (f->layout && !is_llava(f) && strcmp(f->layout, "llama") != 0)
        return err_set(err, RAP_E_ARGUMENT, "unknown layout '%.40s': llama or llava is expected",
                       f->layout);
    return with_both(f, write_peft, err);
}

static rap_status write_gguf(const lora_files *f, const lora *l, const gguf_file *model,
                             rap_err *err)
{
    return lora_write(l, f->out, gguf_file_architecture(model), err);
}

rap_status lora_files_import(const lora_files *f, rap_err *err)
{
    return with_both(f, write_gguf, err);
}

static rap_status write_merged(const lora_files *f, const lora *l, const gguf_file *model,
                               rap_err *err)
{
    return lora_merge(l, f->scale, model, f->out, f->threads > 0 ? f->threads : threads_available(),
                      err);
}

rap_status lora_files_merge(const lora_files *f, rap_err *err)
{
    return with_both(f, write_merged, err);
}

rap_status lora_files_projector(const lora_files *f, rap_err *err)
{
    gguf_file *mmproj = NULL;
    rap_status status = open_model(&mmproj, f, true, err);

    if (!status)
        status = file_spare(f->out, f->from, NULL, err);
    if (!status)
        status = file_spare(f->out, gguf_file_path(mmproj), NULL, err);
    if (!status)
        status = projector_import(f->from, mmproj, f->out, err);
    gguf_file_close(mmproj);
    return status;
}

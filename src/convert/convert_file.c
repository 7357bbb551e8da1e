/* convert_file.c: opens a checkpoint, asks the name maps whose it is, and saves what they made of it.
 *
 * Read convert_file() last: above it stand the steps that the name maps share. The first failure is
 * kept in the conversion, so that a map reads as a list. */
#include "base/file.h"
#include "base/mem.h"
#include "convert/convert.h"
#include "convert/convert_inside.h"
#include "convert/llava/llava.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

rap_status convert_fail(conversion *c, rap_status status, const char *format, ...)
{
    char text[512];
    va_list args;
    if (c->status != RAP_OK)
        return c->status;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return c->status = err_set(c->err, status, "%s: %s", state_dict_path(c->in), text);
}

void convert_remark(const conversion *c, const char *format, ...)
{
    rap_err line = { 0 }; /* err_set() leaves no control characters in it */
    char text[512];
    va_list args;
    if (c->status != RAP_OK || !c->options->remark)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    err_set(&line, RAP_OK, "%s: %s", state_dict_path(c->in), text);
    c->options->remark(c->options->payload, line.text);
}

bool convert_has(const conversion *c, const char *name)
{
    return state_dict_find(c->in, name) != NULL;
}

int64_t convert_size(const conversion *c, const char *name, int axis_from_end)
{
    const state_tensor *t = state_dict_find(c->in, name);
    if (!t || axis_from_end >= t->dims)
        return 0;
    return t->size[t->dims - 1 - axis_from_end];
}

int64_t convert_grid(int64_t rows)
{
    for (int64_t side = 1; side <= 1024; side++)
        if (side * side + 1 == rows)
            return side;
    return 0;
}

void convert_ignore(conversion *c, const char *name)
{
    size_t len = strlen(name);
    bool prefix = len && name[len - 1] == '*';
    for (size_t i = 0; i < state_dict_count(c->in); i++) {
        const char *other = state_dict_at(c->in, i)->name;
        if (prefix ? !strncmp(other, name, len - 1) : !strcmp(other, name))
            c->used[i] = true;
    }
}

static const char *const quantised[] = { "q2_k",   "q3_k_s", "q3_k_m", "q3_k_l", "q4_0",   "q4_1",
                                         "q4_k_s", "q4_k_m", "q5_0",   "q5_1",   "q5_k_s", "q5_k_m",
                                         "q6_k",   "iq3_s",  "iq4_nl", "iq4_xs", NULL };

const char *convert_quantised_type(size_t i)
{
    return i < sizeof quantised / sizeof *quantised ? quantised[i] : NULL;
}

rap_status convert_set_type(convert_options *out, const char *text, rap_err *err)
{
    static const char *const names[] = { [CONVERT_F32] = "f32",
                                         [CONVERT_F16] = "f16",
                                         [CONVERT_BF16] = "bf16",
                                         [CONVERT_Q8_0] = "q8_0" };
    out->type = CONVERT_KEEP;
    out->type_name = text;
    for (int i = CONVERT_F32; text && i <= CONVERT_Q8_0; i++)
        if (!strcmp(text, names[i]))
            out->type = (convert_type)i;
    for (size_t i = 0; text && quantised[i]; i++)
        if (!strcmp(text, quantised[i]))
            out->type = CONVERT_QUANTISED;
    if (text && out->type == CONVERT_KEEP)
        return err_set(err, RAP_E_ARGUMENT,
                       "the type '%s' is none of f32, f16, bf16, q8_0 and, for language models, "
                       "q4_k_m, q5_k_m, q6_k and others of llama.cpp",
                       text);
    return RAP_OK;
}

/* ---- one file ----------------------------------------------------------------------------- */

void convert_title(char out[256], const conversion *c)
{
    const char *path = state_dict_path(c->in);
    const char *hub = strstr(path, "models--"), *name = hub ? strstr(hub + 8, "--") : NULL;
    if (name) {
        snprintf(out, 256, "%.*s", (int)strcspn(name + 2, "/"), name + 2);
        return;
    }
    const char *base = path_base(path), *extension = path_extension(base);
    size_t len = strlen(base), cut = strlen(extension);
    bool common = !strncmp(base, "model.", 6) || !strncmp(base, "pytorch_model.", 14);
    char *folder = common ? path_folder(path) : NULL;
    if (folder && strcmp(folder, ".") && strcmp(folder, "/")) {
        base = path_base(folder);
        len = strlen(base);
    } else if (cut && cut + 1 < len && !file_is_folder(path)) {
        len -= cut + 1;
    }
    snprintf(out, 256, "%.*s", (int)len, base);
    free(folder);
}

void convert_check_leftovers(conversion *c)
{
    for (size_t i = 0; c->status == RAP_OK && i < state_dict_count(c->in); i++)
        if (!c->used[i])
            convert_fail(c, RAP_E_UNSUPPORTED,
                         "has tensor '%s', which this kind of model does not have",
                         state_dict_at(c->in, i)->name);
}

/* One line per kind of model; the first that recognises its tensors takes the checkpoint. */
static const struct {
    const char *architecture;
    bool (*recognise)(const conversion *c);
    void (*convert)(conversion *c);
} kinds[] = {
    { "clip", clip_recognise, clip_convert },
    { "siglip", siglip_recognise, siglip_convert },
    { "siglip", timm_siglip_recognise, timm_siglip_convert },
    { "dinov2", dinov2_recognise, dinov2_convert },
    { "vit", vit_recognise, vit_convert },
    { "yolo-world", yolo_recognise, yolo_convert },
};
enum { KINDS = sizeof kinds / sizeof *kinds };

static int find_kind(const conversion *c)
{
    int kind = 0;
    while (kind < KINDS && !kinds[kind].recognise(c))
        kind++;
    return kind;
}

static bool is_of_a_kind(const conversion *c)
{
    return find_kind(c) < KINDS;
}

static rap_status refuse_kind(conversion *c, const char *stranger)
{
    if (stranger)
        return convert_fail(c, RAP_E_UNSUPPORTED, "%s", stranger);
    return convert_fail(
        c, RAP_E_UNSUPPORTED,
        "not a kind of model that is read here (CLIP of OpenAI, open_clip or Hugging Face, SigLIP "
        "of Hugging Face or timm, DINOv2 of its authors or Hugging Face, ViT of timm, YOLO-World "
        "v2 "
        "of Ultralytics, LLaVA-1.5 and LLaVA-Phi-3)");
}

static rap_status convert_dict(conversion *c, state_dict *d, const char *out)
{
    if (llava_recognise(c))
        return llava_convert(c, out);
    const char *stranger = convert_stranger(c);
    if (c->options->part != CONVERT_ALL)
        return convert_fail(c, RAP_E_UNSUPPORTED, "is not a LLaVA");
    if (stranger || !convert_unwrap(c, d, is_of_a_kind))
        return c->status != RAP_OK ? c->status
                                   : refuse_kind(c, stranger ? stranger : convert_stranger(c));
    if (c->options->type == CONVERT_QUANTISED)
        return convert_fail(c, RAP_E_ARGUMENT,
                            "the type '%s' is for language models; an encoder or a detector is "
                            "written in f32, f16, bf16 or q8_0",
                            c->options->type_name);
    int kind = find_kind(c);
    c->used = mem_array(state_dict_count(c->in), sizeof *c->used);
    c->out = gguf_writer_new(kinds[kind].architecture);
    if (!c->used || !c->out)
        return c->status = err_memory(c->err, "converting");
    char title[256];
    convert_title(title, c);
    gguf_put_string(c->out, "general.name", title, strlen(title));
    kinds[kind].convert(c);
    convert_check_leftovers(c);
    return c->status == RAP_OK ? gguf_writer_save(c->out, out, c->err) : c->status;
}

rap_status convert_file(const char *in, const char *out, const convert_options *options,
                        rap_err *err)
{
    state_dict *d;
    rap_status status = state_dict_open(&d, in, err);
    if (status != RAP_OK)
        return status;
    conversion c = { .in = d,
                     .options = options,
                     .config = state_dict_config(d),
                     .config_path = state_dict_config_path(d),
                     .err = err };
    if (state_dict_note(d))
        convert_remark(&c, "%s", state_dict_note(d));
    status = convert_dict(&c, d, out);
    gguf_writer_free(c.out);
    free(c.used);
    state_dict_close(d);
    return status;
}

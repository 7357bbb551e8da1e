/* peft_write.c: an adapter as PEFT writes it. */
#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "formats/json.h"
#include "train/peft.h"
#include "train/peft_names.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

typedef struct writing {
    const lora *l;
    peft_layout layout;
    shape shape;
    buf head;
    file_part *part; /* [2 + 2 · pairs] length, head, then A and B of each */
    size_t parts, bytes;
    float **turned; /* [pairs] B in Hugging Face's order */
    bool has[LINEAR_KINDS];
} writing;

static void add_tensor(writing *w, peft_place place, char half, int64_t rows, int64_t width,
                       const float *data)
{
    size_t size = (size_t)(rows * width) * sizeof *data;

    buf_printf(&w->head,
               "%s\"base_model.model.model.%slayers.%" PRId64 ".%s.lora_%c.weight\": {\"dtype\": "
               "\"F32\", \"shape\": [%" PRId64 ", %" PRId64 "], \"data_offsets\": [%zu, %zu]}",
               w->bytes ? ", " : "{\"__metadata__\": {\"format\": \"pt\"}, ",
               w->layout == PEFT_LLAVA ? "language_model." : "", place.layer,
               peft_module(place.kind), half, rows, width, w->bytes, w->bytes + size);
    w->part[w->parts++] = (file_part){ data, size };
    w->bytes += size;
}

static rap_status add_pair(writing *w, size_t i, const gguf_file *model, rap_err *err)
{
    const lora_pair *p = &w->l->pair[i];
    peft_place place;
    float *b = w->turned[i] = mem_array((size_t)(p->out * p->rank), sizeof *b);

    if (!b)
        return err_memory(err, "writing an adapter");
    if (p->rank != w->l->pair[0].rank)
        return err_set(err, RAP_E_UNSUPPORTED, "the adapter's LoRAs are of several ranks");
    if (!place_of_gguf(&place, &w->shape, p->name))
        return err_set(err, RAP_E_UNSUPPORTED, "%s: '%s' has no name in PEFT's form",
                       gguf_file_path(model), p->name);
    for (int64_t r = 0; r < p->out; r++)
        memcpy(b + r * p->rank, p->b + gguf_row(&w->shape, place.kind, r) * p->rank,
               (size_t)p->rank * sizeof *b);
    add_tensor(w, place, 'A', p->rank, p->in, p->a);
    add_tensor(w, place, 'B', p->out, p->rank, b);
    w->has[place.kind] = true;
    return RAP_OK;
}

static rap_status write_tensors(writing *w, const char *folder, rap_err *err)
{
    char *path = path_join(folder, "adapter_model.safetensors");
    uint8_t length[8];
    rap_status status;

    buf_puts(&w->head, "}");
    while (w->head.len % 8 && !buf_failed(&w->head))
        buf_putc(&w->head, ' ');
    for (int i = 0; i < 8; i++)
        length[i] = (uint8_t)((uint64_t)w->head.len >> (8 * i));
    w->part[0] = (file_part){ length, 8 };
    w->part[1] = (file_part){ buf_text(&w->head), w->head.len };
    status = !path || buf_failed(&w->head) ? err_memory(err, "writing an adapter")
                                           : file_write_parts(path, w->part, w->parts, err);
    free(path);
    return status;
}

/* The layers that have a LoRA: a list of their names, or in LLaVA, whose tower has layers of the same names, a pattern. */
static json_t *target_modules(const writing *w)
{
    json_t *names = json_array(), *pattern = NULL;
    buf b = BUF_INIT;

    buf_puts(&b, ".*language_model\\.layers\\.[0-9]+\\.[a-z_]+\\.");
    for (int i = 0; i < LINEAR_KINDS; i++) {
        const char *name = strchr(peft_module((linear_kind)i), '.') + 1;

        if (!w->has[i])
            continue;
        buf_printf(&b, "%s%s", json_array_size(names) ? "|" : "(", name);
        json_array_append_new(names, json_string(name));
    }
    buf_puts(&b, ")");
    if (w->layout == PEFT_LLAMA || buf_failed(&b)) {
        buf_release(&b);
        return names;
    }
    pattern = json_string(buf_text(&b));
    buf_release(&b);
    json_decref(names);
    return pattern;
}

static rap_status write_config(const writing *w, const char *folder, const char *base, rap_err *err)
{
    char *path = path_join(folder, "adapter_config.json"), *text;
    json_t *j;
    rap_status status;

    j = json_pack("{s:s, s:s, s:s, s:I, s:f, s:f, s:s, s:b, s:b, s:o}", "peft_type", "LORA",
                  "task_type", "CAUSAL_LM", "base_model_name_or_path", base, "r",
                  (json_int_t)w->l->pair[0].rank, "lora_alpha", w->l->alpha, "lora_dropout", 0.0,
                  "bias", "none", "fan_in_fan_out", 0, "inference_mode", 1, "target_modules",
                  target_modules(w));
    text = j ? json_text(j) : NULL;
    json_decref(j);
    status = !path || !text ? err_memory(err, "writing an adapter")
                            : file_write(path, text, strlen(text), err);
    free(text);
    free(path);
    return status;
}

rap_status peft_write(const char *folder, const lora *l, const gguf_file *model, const char *base,
                      peft_layout layout, rap_err *err)
{
    writing w = { .l = l, .layout = layout, .parts = 2, .head = BUF_INIT };
    rap_status status = shape_read(&w.shape, model, err);

    w.part = mem_array(2 + 2 * l->count, sizeof *w.part);
    w.turned = mem_array(l->count, sizeof *w.turned);
    if (!status && (!w.part || !w.turned))
        status = err_memory(err, "writing an adapter");
    for (size_t i = 0; !status && i < l->count; i++)
        status = add_pair(&w, i, model, err);
    if (!status)
        status = file_make_folders(folder, err);
    if (!status)
        status = write_tensors(&w, folder, err);
    if (!status)
        status = write_config(&w, folder, base, err);
    for (size_t i = 0; w.turned && i < l->count; i++)
        free(w.turned[i]);
    free(w.turned);
    free(w.part);
    buf_release(&w.head);
    return status;
}

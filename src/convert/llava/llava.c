/* llava.c: whose tensors they are, and the two files that are made of them. */
#include "convert/llava/llava.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/temp.h"
#include "formats/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* LLaVA's authors', and Hugging Face's before and since transformers 4.52. */
static const llava_layout layouts[] = {
    { .decoder = "model.",
      .head = "lm_head.weight",
      .linear1 = "model.mm_projector.0",
      .linear2 = "model.mm_projector.2",
      .tower = "model.vision_tower.vision_tower.",
      .projector = "model.mm_projector.",
      .text_config = "" },
    { .decoder = "language_model.model.",
      .head = "language_model.lm_head.weight",
      .linear1 = "multi_modal_projector.linear_1",
      .linear2 = "multi_modal_projector.linear_2",
      .tower = "vision_tower.",
      .projector = "multi_modal_projector.",
      .text_config = "text_config." },
    { .decoder = "model.language_model.",
      .head = "lm_head.weight",
      .linear1 = "model.multi_modal_projector.linear_1",
      .linear2 = "model.multi_modal_projector.linear_2",
      .tower = "model.vision_tower.",
      .projector = "model.multi_modal_projector.",
      .text_config = "text_config." },
};

static bool begins_with(const conversion *c, const char *start)
{
    for (size_t i = 0; i < state_dict_count(c->in); i++)
        if (!strncmp(state_dict_at(c->in, i)->name, start, strlen(start)))
            return true;
    return false;
}

static const llava_layout *find_layout(const conversion *c)
{
    char name[256];

    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++)
        if (convert_has(c, convert_name(name, layouts[i].decoder, "embed_tokens.weight", "")) &&
            begins_with(c, layouts[i].projector))
            return &layouts[i];
    return NULL;
}

bool llava_recognise(const conversion *c)
{
    return find_layout(c) != NULL;
}

const char *llava_field(char out[96], const llava *l, const char *name)
{
    snprintf(out, 96, "%s%s", l->layout->text_config, name);
    return out;
}

/* ---- the family of the language model ---- */

/* The kinds of config.json that are read, whole or as the "text_config" of a LLaVA. */
static void find_family(llava *l)
{
    static const char *const known[] = { "llava",     "llava_llama", "llama",
                                         "llava_phi", "llava_phi3",  "phi3" };
    char name[256], field[96];
    const char *type = "llama";
    bool good = false;

    if (!l->c->config) {
        convert_fail(l->c, RAP_E_ARGUMENT,
                     "needs the config.json that is published with it, in the same folder");
        return;
    }
    convert_config_string(l->c, llava_field(field, l, "model_type"), &type);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        good = good || !strcmp(type, known[i]);
    l->phi3 = convert_has(
        l->c, convert_name(name, l->layout->decoder, "layers.0.self_attn.qkv_proj.weight", ""));
    if (l->c->status == RAP_OK &&
        (!good || (l->phi3 != (strstr(type, "phi") != NULL) && strcmp(type, "llava") != 0)))
        convert_fail(l->c, RAP_E_UNSUPPORTED,
                     "%s: a LLaVA around the language model '%.40s', which is not read; around "
                     "Llama (Vicuna) and Phi-3 they are",
                     l->c->config_path, type);
}

/* ---- keys of both files ---- */

static uint32_t file_type(const llava *l)
{
    enum { ALL_F32 = 0, MOSTLY_F16 = 1, MOSTLY_Q8_0 = 7, MOSTLY_BF16 = 32 };
    char name[256];
    const state_tensor *t = state_dict_find(
        l->c->in, convert_name(name, l->layout->decoder, "embed_tokens.weight", ""));

    switch (l->c->options->type) {
    case CONVERT_F32:
        return ALL_F32;
    case CONVERT_F16:
        return MOSTLY_F16;
    case CONVERT_BF16:
        return MOSTLY_BF16;
    case CONVERT_Q8_0:
        return MOSTLY_Q8_0;
    default:
        return t->type == DTYPE_F16 ? MOSTLY_F16 : t->type == DTYPE_BF16 ? MOSTLY_BF16 : ALL_F32;
    }
}

/* How its authors sample, which llama.cpp's own programs follow. */
static void put_sampling(llava *l)
{
    static const struct {
        const char *field, *key;
    } numbers[] = { { "top_p", "general.sampling.top_p" },
                    { "min_p", "general.sampling.min_p" },
                    { "temperature", "general.sampling.temp" },
                    { "repetition_penalty", "general.sampling.penalty_repeat" } };
    json_t *said = NULL;

    l->c->status = state_dict_beside_json(l->c->in, "generation_config.json", &said, l->c->err);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        const json_t *value = json_object_get(said, numbers[i].field);

        if (json_is_number(value) && isfinite((float)json_number_value(value)))
            gguf_put_float(l->c->out, numbers[i].key, (float)json_number_value(value));
    }
    json_decref(said);
}

/* By "phi-3" in the name, and by nothing else, llama.cpp knows that white space behind Phi-3's marks is no token. It then
 * takes for granted that <|endoftext|> is one. */
void llava_put_name(llava *l)
{
    char title[256], name[272];

    convert_title(title, l->c);
    snprintf(name, sizeof name, "%s%s", title,
             l->phi3 && !strcasestr(title, "phi-3") && !strcasestr(title, "phi3") ? " (Phi-3)"
                                                                                  : "");
    gguf_put_string(l->c->out, "general.name", name, strlen(name));
}

void llava_put_general(llava *l, const char *type)
{
    enum { QUANTIZATION_VERSION = 2 };

    gguf_put_string(l->c->out, "general.type", type, strlen(type));
    gguf_put_int(l->c->out, "general.file_type", file_type(l));
    gguf_put_int(l->c->out, "general.quantization_version", QUANTIZATION_VERSION);
    if (l->c->status == RAP_OK)
        put_sampling(l);
}

/* ---- leftovers ---- */

/* Each of the two files leaves the other's tensors to it. */
static void ignore_others(llava *l, bool decoder)
{
    char name[256];

    convert_ignore(l->c, convert_name(name, l->layout->tower, "*", ""));
    if (decoder) {
        convert_ignore(l->c, convert_name(name, l->layout->projector, "*", ""));
    } else {
        convert_ignore(l->c, convert_name(name, l->layout->decoder, "*", ""));
        convert_ignore(l->c, l->layout->head);
    }
    for (size_t i = 0; i < state_dict_count(l->c->in); i++)
        if (strstr(state_dict_at(l->c->in, i)->name, ".rotary_emb.inv_freq"))
            l->c->used[i] = true;
}

/* ---- one file ---- */

/* `keep`: the temporary file. */
static rap_status make_part(conversion *c, const llava_layout *layout, bool decoder,
                            const char *path, temp *keep)
{
    llava l = { .c = c, .layout = layout };

    memset(c->used, 0, state_dict_count(c->in) * sizeof *c->used);
    find_family(&l);
    c->out = gguf_writer_new(!decoder ? "clip" : l.phi3 ? "phi3" : "llama");
    if (!c->out && c->status == RAP_OK)
        c->status = err_memory(c->err, "converting");
    if (c->status == RAP_OK)
        decoder ? decoder_plan(&l) : tower_plan(&l);
    ignore_others(&l, decoder);
    convert_check_leftovers(c);
    plan_write(&l, path, keep);
    llava_plan_release(&l.plan);
    free(l.tower.used);
    state_dict_close((state_dict *)l.tower.in);
    gguf_writer_free(c->out);
    c->out = NULL;
    return c->status;
}

/* The quantiser reads a file, so the numbers are first written as they are, into a temporary one. */
static rap_status make_quantised(conversion *c, const llava_layout *layout, const char *path,
                                 temp *keep)
{
    convert_options plain = *c->options;
    const convert_options *asked = c->options;
    temp between = TEMP_INIT;

    if (!asked->quantise)
        return convert_fail(c, RAP_E_UNSUPPORTED, "cannot be quantised here: take f16 or q8_0");
    plain.type = CONVERT_KEEP;
    c->options = &plain;
    make_part(c, layout, true, path, &between);
    if (c->status == RAP_OK)
        c->status = temp_file(keep, path, 0666, c->err);
    if (c->status == RAP_OK)
        c->status = asked->quantise(between.path, keep->path, path, asked->type_name,
                                    asked->on_progress, asked->payload, c->err);
    temp_remove(&between);
    c->options = asked;
    return c->status;
}

/* llama.cpp's quantiser knows no projectors; they are small, and stay in half precision. */
static rap_status make_projector(conversion *c, const llava_layout *layout, const char *path,
                                 temp *keep)
{
    convert_options half = *c->options;
    const convert_options *asked = c->options;

    if (half.type == CONVERT_QUANTISED)
        half.type = CONVERT_F16;
    c->options = &half;
    make_part(c, layout, false, path, keep);
    c->options = asked;
    return c->status;
}

/* ---- both ---- */

/* A file in the making: temporary until all are made. */
typedef struct part {
    convert_part kind;
    char *path;
    temp made;
} part;

static rap_status make(conversion *c, const llava_layout *layout, part *p)
{
    if (p->kind == CONVERT_MMPROJ)
        return make_projector(c, layout, p->path, &p->made);
    if (c->options->type == CONVERT_QUANTISED)
        return make_quantised(c, layout, p->path, &p->made);
    return make_part(c, layout, true, p->path, &p->made);
}

/* All or none: half of a new pair next to half of an old one would answer nonsense. */
static rap_status make_all(conversion *c, const llava_layout *layout, part *p, int count)
{
    for (int i = 0; c->status == RAP_OK && i < count; i++) {
        if (!p[i].path)
            c->status = err_memory(c->err, "converting");
        else if (file_is_folder(p[i].path))
            c->status = err_set(c->err, RAP_E_ARGUMENT, "%s: is a folder, not a file", p[i].path);
    }
    for (int i = 0; c->status == RAP_OK && i < count; i++)
        make(c, layout, &p[i]);
    for (int i = 0; c->status == RAP_OK && i < count; i++)
        c->status = temp_publish(&p[i].made, p[i].path, TEMP_REPLACE, c->err);
    for (int i = 0; i < count; i++) {
        temp_remove(&p[i].made);
        free(p[i].path);
    }
    return c->status;
}

static rap_status make_one(conversion *c, const llava_layout *layout, const char *out)
{
    part one = { c->options->part, mem_string(out), TEMP_INIT };

    return make_all(c, layout, &one, 1);
}

/* The smaller first: most of what can be wrong shows before the long part. */
static rap_status make_both(conversion *c, const llava_layout *layout, const char *folder)
{
    part both[] = { { CONVERT_MMPROJ, path_join(folder, "mmproj.gguf"), TEMP_INIT },
                    { CONVERT_LLM, path_join(folder, "model.gguf"), TEMP_INIT } };

    return make_all(c, layout, both, 2);
}

rap_status llava_convert(conversion *c, const char *out)
{
    const llava_layout *layout = find_layout(c);

    c->used = mem_array(state_dict_count(c->in), sizeof *c->used);
    if (!c->used)
        return c->status = err_memory(c->err, "converting");
    if (c->options->image_size)
        return convert_fail(c, RAP_E_UNSUPPORTED, "the pictures of a LLaVA keep their size");
    if (c->options->part != CONVERT_ALL)
        return make_one(c, layout, out);
    if (!strcmp(path_extension(out), "gguf") || (file_exists(out) && !file_is_folder(out)))
        return convert_fail(c, RAP_E_ARGUMENT,
                            "a LLaVA becomes two files, model.gguf and mmproj.gguf: name a folder "
                            "for them instead of %.200s",
                            out);
    c->status = file_make_folders(out, c->err);
    return make_both(c, layout, out);
}

/* made_models.h: small but whole checkpoints: a ViT and a CLIP of one block, 64 wide. Their weights are
 * a formula, which tests/vision/make_reference.py knows too. */
#ifndef RAP_TESTS_CONVERT_MADE_MODELS_H
#define RAP_TESTS_CONVERT_MADE_MODELS_H

#include "formats/gguf_types.h"
#include "convert/made.h"

/* Element i of the storage: between -0.5 and 0.5, exact as a half. */
static inline uint16_t made_half(int64_t i)
{
    uint32_t mixed = (uint32_t)i * 2654435761u;
    mixed ^= mixed >> 15;
    mixed *= 2246822519u;
    return gguf_float_to_half((float)((int)(mixed >> 22) - 512) / 1024.0f);
}

typedef struct made_model {
    made_tensor tensor[64];
    char name[64][160];
    int count;
    int64_t elements; /* all share one storage, one after another */
} made_model;

static inline made_tensor *add(made_model *m, const char *name, int dims, int64_t a, int64_t b,
                               int64_t c, int64_t d)
{
    made_tensor *t = &m->tensor[m->count];
    int64_t size[4] = { a, b, c, d }, stride = 1;
    snprintf(m->name[m->count], sizeof m->name[0], "%s", name);
    *t = (made_tensor){ m->name[m->count], "HalfStorage", "0", 0, m->elements, dims, { 0 }, { 0 } };
    for (int i = dims - 1; i >= 0; i--) {
        t->size[i] = size[i];
        t->stride[i] = stride;
        stride *= size[i];
    }
    m->elements += stride;
    m->count++;
    return t;
}

static inline void add_pair(made_model *m, const char *name, int64_t rows, int64_t columns)
{
    char full[128];
    snprintf(full, sizeof full, "%s.weight", name);
    add(m, full, columns ? 2 : 1, rows, columns, 0, 0);
    snprintf(full, sizeof full, "%s.bias", name);
    add(m, full, 1, rows, 0, 0, 0);
}

static inline void make_vit(made_model *m)
{
    *m = (made_model){ 0 };
    add(m, "cls_token", 3, 1, 1, 64, 0);
    add(m, "pos_embed", 3, 1, 5, 64, 0);
    add(m, "patch_embed.proj.weight", 4, 64, 3, 4, 4);
    add(m, "patch_embed.proj.bias", 1, 64, 0, 0, 0);
    add_pair(m, "blocks.0.norm1", 64, 0);
    add_pair(m, "blocks.0.attn.qkv", 192, 64);
    add_pair(m, "blocks.0.attn.proj", 64, 64);
    add_pair(m, "blocks.0.norm2", 64, 0);
    add_pair(m, "blocks.0.mlp.fc1", 128, 64);
    add_pair(m, "blocks.0.mlp.fc2", 64, 128);
    add_pair(m, "norm", 64, 0);
    add_pair(m, "head", 10, 64);
}

static inline void add_clip_block(made_model *m, const char *prefix)
{
    static const struct {
        const char *name;
        int64_t rows, columns;
    } part[] = { { "ln_1", 64, 0 },
                 { "attn.out_proj", 64, 64 },
                 { "ln_2", 64, 0 },
                 { "mlp.c_fc", 256, 64 },
                 { "mlp.c_proj", 64, 256 } };
    char full[96];
    snprintf(full, sizeof full, "%sattn.in_proj_weight", prefix);
    add(m, full, 2, 192, 64, 0, 0);
    snprintf(full, sizeof full, "%sattn.in_proj_bias", prefix);
    add(m, full, 1, 192, 0, 0, 0);
    for (int i = 0; i < 5; i++) {
        snprintf(full, sizeof full, "%s%s", prefix, part[i].name);
        add_pair(m, full, part[i].rows, part[i].columns);
    }
}

/* Three merges: a vocabulary of 256 + 256 + 3 + 2. */
static inline void make_clip(made_model *m, bool text)
{
    *m = (made_model){ 0 };
    add(m, "visual.class_embedding", 1, 64, 0, 0, 0);
    add(m, "visual.positional_embedding", 2, 5, 64, 0, 0);
    add(m, "visual.proj", 2, 64, 32, 0, 0);
    add(m, "visual.conv1.weight", 4, 64, 3, 8, 8);
    add_pair(m, "visual.ln_pre", 64, 0);
    add_clip_block(m, "visual.transformer.resblocks.0.");
    add_pair(m, "visual.ln_post", 64, 0);
    if (!text)
        return;
    add(m, "token_embedding.weight", 2, 517, 64, 0, 0);
    add(m, "positional_embedding", 2, 16, 64, 0, 0);
    add_clip_block(m, "transformer.resblocks.0.");
    add_pair(m, "ln_final", 64, 0);
    add(m, "text_projection", 2, 64, 32, 0, 0);
    add(m, "logit_scale", 0, 0, 0, 0, 0);
    add(m, "context_length", 0, 0, 0, 0, 0);
}

static inline void save_pickle(const char *path, const buf *pickle, const void *storage,
                               size_t size)
{
    made_zip z = { 0 };
    made_entry entries[] = { { .name = "net/data.pkl", .bytes = pickle->data, .size = pickle->len },
                             { .name = "net/data/0", .bytes = storage, .size = size } };
    zip_add(&z, &entries[0]);
    zip_add(&z, &entries[1]);
    zip_end(&z);
    save_as(path, &z.file);
    zip_release(&z);
}

static inline void save_model(const char *path, made_model *m, size_t missing_bytes)
{
    buf pickle = BUF_INIT;
    uint16_t *storage = malloc((size_t)m->elements * 2);
    for (int64_t i = 0; i < m->elements; i++)
        storage[i] = made_half(i);
    for (int i = 0; i < m->count; i++)
        m->tensor[i].elements = m->elements;
    pickle_dict_of(&pickle, m->tensor, m->count);
    save_pickle(path, &pickle, storage, (size_t)m->elements * 2 - missing_bytes);
    buf_release(&pickle);
    free(storage);
}

#endif

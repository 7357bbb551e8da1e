/* made_llava.h: a small but whole LLaVA in a folder: safetensors, config.json, a SentencePiece vocabulary. Its weights are
 * made_half() of their place in the file. */
#ifndef RAP_TESTS_CONVERT_MADE_LLAVA_H
#define RAP_TESTS_CONVERT_MADE_LLAVA_H

#include "convert/made_models.h"
#include "convert/made_safetensors.h"

enum {
    LV_WORDS = 300, /* rows of the token table; the vocabulary has fewer */
    LV_WIDTH = 256, /* rows that llama.cpp's quantiser takes */
    LV_FF = 256,
    LV_HEADS = 4,
    LV_KV = 2,
    LV_HEAD = 64,
    LV_TOWER = 64,
    LV_TOWER_FF = 128,
    LV_BLOCKS = 3, /* of the tower */
    LV_PIECES = 280
};

typedef enum lv_layout { LV_AUTHORS, LV_OLD, LV_NEW } lv_layout;

typedef struct lv_tensor {
    char name[200];
    int dims;
    int64_t size[4];
    int64_t at; /* of its first element in the file */
} lv_tensor;

typedef struct lv_model {
    lv_tensor tensor[96];
    int count;
    int64_t elements;
} lv_model;

static inline void lv_add(lv_model *m, const char *start, const char *name, int64_t a, int64_t b)
{
    lv_tensor *t = &m->tensor[m->count++];
    *t = (lv_tensor){ .dims = b ? 2 : 1, .size = { a, b }, .at = m->elements };
    snprintf(t->name, sizeof t->name, "%.95s%.95s", start, name);
    m->elements += a * (b ? b : 1);
}

static inline void lv_pair(lv_model *m, const char *start, const char *name, int64_t a, int64_t b)
{
    char full[96];
    snprintf(full, sizeof full, "%s.weight", name);
    lv_add(m, start, full, a, b);
    snprintf(full, sizeof full, "%s.bias", name);
    lv_add(m, start, full, a, 0);
}

static inline void lv_tower(lv_model *m, const char *start)
{
    lv_add(m, start, "embeddings.class_embedding", LV_TOWER, 0);
    lv_add(m, start, "embeddings.position_embedding.weight", 5, LV_TOWER);
    lv_tensor *kernel = &m->tensor[m->count];
    lv_add(m, start, "embeddings.patch_embedding.weight", LV_TOWER, 3 * 4 * 4);
    kernel->dims = 4;
    memcpy(kernel->size, (int64_t[]){ LV_TOWER, 3, 4, 4 }, sizeof kernel->size);
    lv_pair(m, start, "pre_layrnorm", LV_TOWER, 0);
    for (int i = 0; i < LV_BLOCKS; i++) {
        static const char *const square[] = { "self_attn.q_proj", "self_attn.k_proj",
                                              "self_attn.v_proj", "self_attn.out_proj" };
        char block[96];
        snprintf(block, sizeof block, "%sencoder.layers.%d.", start, i);
        lv_pair(m, block, "layer_norm1", LV_TOWER, 0);
        for (int k = 0; k < 4; k++)
            lv_pair(m, block, square[k], LV_TOWER, LV_TOWER);
        lv_pair(m, block, "layer_norm2", LV_TOWER, 0);
        lv_pair(m, block, "mlp.fc1", LV_TOWER_FF, LV_TOWER);
        lv_pair(m, block, "mlp.fc2", LV_TOWER, LV_TOWER_FF);
    }
    lv_pair(m, start, "post_layernorm", LV_TOWER, 0);
}

static inline void lv_decoder(lv_model *m, const char *start, bool phi3)
{
    char block[96];
    lv_add(m, start, "embed_tokens.weight", LV_WORDS, LV_WIDTH);
    snprintf(block, sizeof block, "%slayers.0.", start);
    lv_add(m, block, "input_layernorm.weight", LV_WIDTH, 0);
    if (phi3) {
        lv_add(m, block, "self_attn.qkv_proj.weight", (LV_HEADS + 2 * LV_KV) * LV_HEAD, LV_WIDTH);
        lv_add(m, block, "mlp.gate_up_proj.weight", 2 * LV_FF, LV_WIDTH);
    } else {
        lv_add(m, block, "self_attn.q_proj.weight", LV_HEADS * LV_HEAD, LV_WIDTH);
        lv_add(m, block, "self_attn.k_proj.weight", LV_KV * LV_HEAD, LV_WIDTH);
        lv_add(m, block, "self_attn.v_proj.weight", LV_KV * LV_HEAD, LV_WIDTH);
        lv_add(m, block, "mlp.gate_proj.weight", LV_FF, LV_WIDTH);
        lv_add(m, block, "mlp.up_proj.weight", LV_FF, LV_WIDTH);
    }
    lv_add(m, block, "self_attn.o_proj.weight", LV_WIDTH, LV_HEADS * LV_HEAD);
    lv_add(m, block, "post_attention_layernorm.weight", LV_WIDTH, 0);
    lv_add(m, block, "mlp.down_proj.weight", LV_WIDTH, LV_FF);
    lv_add(m, start, "norm.weight", LV_WIDTH, 0);
}

static inline void lv_make(lv_model *m, lv_layout layout, bool phi3, bool tower)
{
    static const struct {
        const char *decoder, *head, *linear1, *linear2, *tower;
    } names[] = {
        { "model.", "", "model.mm_projector.0", "model.mm_projector.2",
          "model.vision_tower.vision_tower.vision_model." },
        { "language_model.model.", "language_model.", "multi_modal_projector.linear_1",
          "multi_modal_projector.linear_2", "vision_tower.vision_model." },
        { "model.language_model.", "", "model.multi_modal_projector.linear_1",
          "model.multi_modal_projector.linear_2", "model.vision_tower." },
    };
    *m = (lv_model){ 0 };
    lv_decoder(m, names[layout].decoder, phi3);
    lv_add(m, names[layout].head, "lm_head.weight", LV_WORDS, LV_WIDTH);
    lv_pair(m, "", names[layout].linear1, LV_WIDTH, LV_TOWER);
    lv_pair(m, "", names[layout].linear2, LV_WIDTH, LV_WIDTH);
    if (tower)
        lv_tower(m, names[layout].tower);
}

static inline lv_tensor *lv_find(lv_model *m, const char *end)
{
    for (int i = 0; i < m->count; i++) {
        size_t len = strlen(m->tensor[i].name), tail = strlen(end);
        if (len >= tail && !strcmp(m->tensor[i].name + len - tail, end))
            return &m->tensor[i];
    }
    fail_msg("no tensor %s", end);
    return NULL;
}

/* Tensors `from` to `to` of the model as one file. */
static inline void lv_save_part(const lv_model *m, int from, int to, const char *path)
{
    buf header = BUF_INIT, file = BUF_INIT;
    int64_t at = 0;
    buf_puts(&header, "{\"__metadata__\": {\"format\": \"pt\"}");
    for (int i = from; i < to; i++) {
        const lv_tensor *t = &m->tensor[i];
        int64_t count = 1;
        buf_printf(&header, ", \"%s\": {\"dtype\": \"F16\", \"shape\": [", t->name);
        for (int k = 0; k < t->dims; k++) {
            buf_printf(&header, "%s%d", k ? ", " : "", (int)t->size[k]);
            count *= t->size[k];
        }
        buf_printf(&header, "], \"data_offsets\": [%d, %d]}", (int)(2 * at), (int)(2 * (at + count)));
        at += count;
    }
    buf_puts(&header, "}");
    put(&file, header.len, 8);
    buf_add(&file, header.data, header.len);
    for (int i = from; i < to; i++) {
        const lv_tensor *t = &m->tensor[i];
        int64_t count = t->size[0] * (t->dims > 1 ? t->size[1] : 1) *
                        (t->dims > 2 ? t->size[2] * t->size[3] : 1);
        for (int64_t k = 0; k < count; k++)
            put(&file, made_half(t->at + k), 2);
    }
    save_as(path, &file);
    buf_release(&header);
    buf_release(&file);
}

/* ---- the vocabulary ---- */

static inline void spm_bytes(buf *b, int field, const void *bytes, size_t size)
{
    put(b, (uint64_t)(field << 3 | 2), 1);
    assert_true(size < 128 * 128);
    if (size >= 128)
        put(b, size % 128 | 128, 1);
    put(b, size >= 128 ? size / 128 : size, 1);
    buf_add(b, bytes, size);
}

static inline void spm_add_piece(buf *b, const char *text, float score, int type)
{
    buf piece = BUF_INIT;
    uint32_t bits;
    memcpy(&bits, &score, 4);
    spm_bytes(&piece, 1, text, strlen(text));
    put(&piece, 2 << 3 | 5, 1);
    put(&piece, bits, 4);
    if (type != 1) {
        put(&piece, 3 << 3, 1);
        put(&piece, (uint64_t)type, 1);
    }
    spm_bytes(b, 1, piece.data, piece.len);
    buf_release(&piece);
}

/* LLaMA's kind: three marks, 256 bytes, then pieces, best first; `model`: 2 for merges. */
static inline void spm_make(buf *b, int model)
{
    static const char *const pieces[LV_PIECES - 259] = {
        "\xE2\x96\x81t", "he", "\xE2\x96\x81the", "in", "er", "\xE2\x96\x81" "a", "on", "re",
        "\xE2\x96\x81", "e", "t", "a", "o", "n", "i", "h", "r", "s", "d", "l", "c"
    };
    char name[8];
    const char trainer[] = { 3 << 3, (char)model };
    spm_add_piece(b, "<unk>", 0, 2);
    spm_add_piece(b, "<s>", 0, 3);
    spm_add_piece(b, "</s>", 0, 3);
    for (int i = 0; i < 256; i++) {
        snprintf(name, sizeof name, "<0x%02X>", (unsigned)i);
        spm_add_piece(b, name, 0, 6);
    }
    for (int i = 0; i < LV_PIECES - 259; i++)
        spm_add_piece(b, pieces[i], -(float)i, 1);
    spm_bytes(b, 2, trainer, 2);
}

/* ---- the folder ---- */

#define LV_TEXT                                                                                  \
    "\"hidden_size\": 256, \"intermediate_size\": 256, \"num_hidden_layers\": 1, "               \
    "\"num_attention_heads\": 4, \"num_key_value_heads\": 2, \"vocab_size\": 300, "              \
    "\"max_position_embeddings\": 512, \"rms_norm_eps\": 1e-05, \"bos_token_id\": 1, "           \
    "\"eos_token_id\": 2, \"pad_token_id\": 0, \"hidden_act\": \"silu\""
#define LV_VISION                                                                                \
    "\"hidden_size\": 64, \"intermediate_size\": 128, \"num_hidden_layers\": 3, "                \
    "\"num_attention_heads\": 2, \"image_size\": 8, \"patch_size\": 4, "                         \
    "\"hidden_act\": \"quick_gelu\""

static inline const char *lv_config(lv_layout layout, bool phi3)
{
    if (layout == LV_AUTHORS)
        return phi3 ? "{" LV_TEXT ", \"model_type\": \"llava_phi\", \"sliding_window\": 2047, "
                      "\"original_max_position_embeddings\": 512, \"mm_vision_select_layer\": -2, "
                      "\"mm_vision_tower\": \"openai/clip-vit-large-patch14-336\"}"
                    : "{" LV_TEXT ", \"model_type\": \"llava\", \"mm_vision_select_layer\": -2, "
                      "\"mm_vision_tower\": \"openai/clip-vit-large-patch14-336\"}";
    return phi3 ? "{\"model_type\": \"llava\", \"text_config\": {" LV_TEXT
                  ", \"model_type\": \"phi3\"}, \"vision_config\": {" LV_VISION "}}"
                : "{\"model_type\": \"llava\", \"text_config\": {" LV_TEXT
                  ", \"model_type\": \"llama\"}, \"vision_config\": {" LV_VISION "}}";
}

#endif

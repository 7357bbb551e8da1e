/* made.h: small decoders with random weights, one of each family, written as GGUF files. Include after cmocka.h. */
#ifndef RAP_TEST_TRAIN_MADE_H
#define RAP_TEST_TRAIN_MADE_H

#include "formats/gguf_file.h"
#include "train/decoder.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MADE_WIDTH = 16, MADE_INNER = 24, MADE_HEAD = 4, MADE_VOCAB = 31, MADE_LAYERS = 2 };

typedef struct made {
    const char *architecture;
    int heads, groups;
    bool biases, head_norm, fused, tied, rope_freqs;
    int rope_dims;
    float head; /* reach of the output's weights; 0: 0.5 */
} made;

static const made made_families[] = {
    { .architecture = "llama", .heads = 4, .groups = 4, .rope_dims = 4 },
    { .architecture = "llama", .heads = 4, .groups = 2, .rope_dims = 4, .tied = true, .rope_freqs = true },
    { .architecture = "qwen2", .heads = 4, .groups = 2, .rope_dims = 4, .biases = true },
    { .architecture = "qwen3", .heads = 6, .groups = 2, .rope_dims = 4, .head_norm = true },
    { .architecture = "phi3", .heads = 4, .groups = 2, .rope_dims = 2, .fused = true },
};
enum { MADE_FAMILIES = sizeof made_families / sizeof *made_families };

static uint64_t made_drawn;

static inline float made_number(float reach, float middle)
{
    return middle + reach * (float)(2 * uniform_at(17, 3, made_drawn++) - 1);
}

static inline void made_tensor(gguf_writer *w, const char *name, int64_t in, int64_t out, float reach,
                               float middle)
{
    float *data = malloc((size_t)(in * out) * sizeof *data);
    const int64_t ne[2] = { in, out };

    assert_non_null(data);
    for (int64_t i = 0; i < in * out; i++)
        data[i] = made_number(reach, middle);
    gguf_put_tensor(w, name, GGUF_F32, out > 1 ? 2 : 1, ne, data);
    free(data);
}

static inline void made_layer(gguf_writer *w, const made *m, int i)
{
    static const struct {
        const char *name;
        int kind;
    } part[] = { { "attn_q", 0 },    { "attn_k", 1 },  { "attn_v", 1 }, { "attn_qkv", 2 }, { "attn_output", 3 },
                 { "ffn_gate", 4 }, { "ffn_up", 4 }, { "ffn_down", 5 } };
    char name[64];
    int q = m->heads * MADE_HEAD, k = m->groups * MADE_HEAD;

    for (size_t p = 0; p < sizeof part / sizeof *part; p++) {
        int kind = part[p].kind;
        int in = kind == 3 ? q : kind == 5 ? MADE_INNER : MADE_WIDTH;
        int out = kind == 0 ? q : kind == 1 ? k : kind == 2 ? q + 2 * k : kind == 4 ? MADE_INNER : MADE_WIDTH;

        if (m->fused ? kind < 2 || strcmp(part[p].name, "ffn_gate") == 0 : kind == 2)
            continue;
        if (m->fused && kind == 4)
            out *= 2;
        snprintf(name, sizeof name, "blk.%d.%s.weight", i, part[p].name);
        made_tensor(w, name, in, out, 0.5f, 0);
        snprintf(name, sizeof name, "blk.%d.%s.bias", i, part[p].name);
        if (m->biases && kind < 2)
            made_tensor(w, name, out, 1, 0.5f, 0);
    }
    snprintf(name, sizeof name, "blk.%d.attn_norm.weight", i);
    made_tensor(w, name, MADE_WIDTH, 1, 0.3f, 1);
    snprintf(name, sizeof name, "blk.%d.ffn_norm.weight", i);
    made_tensor(w, name, MADE_WIDTH, 1, 0.3f, 1);
    snprintf(name, sizeof name, "blk.%d.attn_q_norm.weight", i);
    if (m->head_norm)
        made_tensor(w, name, MADE_HEAD, 1, 0.3f, 1);
    snprintf(name, sizeof name, "blk.%d.attn_k_norm.weight", i);
    if (m->head_norm)
        made_tensor(w, name, MADE_HEAD, 1, 0.3f, 1);
}

static inline void made_keys(gguf_writer *w, const made *m)
{
    const struct {
        const char *name;
        uint32_t value;
    } keys[] = { { "block_count", MADE_LAYERS },
                 { "context_length", 64 },
                 { "embedding_length", MADE_WIDTH },
                 { "feed_forward_length", MADE_INNER },
                 { "attention.head_count", (uint32_t)m->heads },
                 { "attention.head_count_kv", (uint32_t)m->groups },
                 { "attention.key_length", MADE_HEAD },
                 { "attention.value_length", MADE_HEAD },
                 { "rope.dimension_count", (uint32_t)m->rope_dims },
                 { "vocab_size", MADE_VOCAB } };
    char name[96];

    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        snprintf(name, sizeof name, "%s.%s", m->architecture, keys[i].name);
        gguf_put_int(w, name, keys[i].value);
    }
    snprintf(name, sizeof name, "%s.attention.layer_norm_rms_epsilon", m->architecture);
    gguf_put_float(w, name, 1e-5f);
    snprintf(name, sizeof name, "%s.rope.freq_base", m->architecture);
    gguf_put_float(w, name, 100);
    gguf_put_string(w, "tokenizer.ggml.model", "no_vocab", 8);
}

/* Writes it to a new file and opens that; the file is unlinked at once unless `path` is wanted. */
static inline gguf_file *made_open(const made *m, char path[64])
{
    char own[64], *at = path ? path : own;
    gguf_writer *w = gguf_writer_new(m->architecture);
    gguf_file *g = NULL;
    rap_err err = { 0 };
    int fd;

    made_drawn = 0;
    made_keys(w, m);
    made_tensor(w, "token_embd.weight", MADE_WIDTH, MADE_VOCAB, 1, 0);
    made_tensor(w, "output_norm.weight", MADE_WIDTH, 1, 0.3f, 1);
    if (!m->tied)
        made_tensor(w, "output.weight", MADE_WIDTH, MADE_VOCAB, m->head > 0 ? m->head : 0.5f, 0);
    if (m->rope_freqs)
        made_tensor(w, "rope_freqs.weight", m->rope_dims / 2, 1, 0.5f, 2);
    for (int i = 0; i < MADE_LAYERS; i++)
        made_layer(w, m, i);
    snprintf(at, 64, "/tmp/rap-made-XXXXXX");
    fd = mkstemp(at);
    assert_true(fd >= 0);
    close(fd);
    if (gguf_writer_save(w, at, &err) || gguf_file_open(&g, at, &err))
        fail_msg("%s", err.text);
    gguf_writer_free(w);
    if (!path)
        unlink(at);
    return g;
}

/* Two sequences of tokens with answers, the first with two rows of a picture. */
enum { MADE_ROWS = 19 };
typedef struct made_rows {
    int32_t token[MADE_ROWS], target[MADE_ROWS], begin[3];
    real pixels[2][MADE_WIDTH];
    const real *picture[MADE_ROWS];
    rows rows;
} made_rows;

static inline void made_batch(made_rows *b)
{
    memset(b, 0, sizeof *b);
    b->begin[1] = 11;
    b->begin[2] = MADE_ROWS;
    for (int t = 0; t < MADE_ROWS; t++) {
        b->token[t] = (t * 7 + 3) % MADE_VOCAB;
        b->target[t] = t % 3 == 0 ? -1 : (t * 5 + 1) % MADE_VOCAB;
    }
    for (int p = 0; p < 2; p++) {
        for (int i = 0; i < MADE_WIDTH; i++)
            b->pixels[p][i] = (real)made_number(1, 0);
        b->token[2 + p] = -1;
        b->picture[2 + p] = b->pixels[p];
    }
    b->rows = (rows){ .count = MADE_ROWS,
                      .token = b->token,
                      .picture = b->picture,
                      .target = b->target,
                      .spans = { b->begin, 2 } };
}

#endif

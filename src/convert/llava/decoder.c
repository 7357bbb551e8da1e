/* decoder.c: the tensors of the language model. Sizes come from the tensors where they can tell; config.json must
 * agree, and gives the heads. */
#include "convert/llava/llava.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { MAX_LAYERS = 512, MAX_WIDTH = 1 << 17, MAX_WORDS = 1 << 21 };

/* "model.layers." + "3" + ".mlp.up_proj.weight" */
static const char *layer_name(char out[256], const llava *l, int layer, const char *name)
{
    snprintf(out, 256, "%slayers.%d.%s.weight", l->layout->decoder, layer, name);
    return out;
}

static int count_layers(const llava *l)
{
    char name[256];
    int layers = 0;

    while (layers < MAX_LAYERS && convert_has(l->c, layer_name(name, l, layers, "input_layernorm")))
        layers++;
    return layers;
}

static void agrees(llava *l, const char *name, int64_t tensors_say)
{
    char field[96];

    convert_config_agrees(l->c, llava_field(field, l, name), tensors_say);
}

/* A configuration omits fields that have their default: 32 heads. */
static void find_heads(llava *l, decoder_sizes *s)
{
    char field[96];

    s->heads = 32;
    convert_config_int(l->c, llava_field(field, l, "num_attention_heads"), 1, 1024, &s->heads);
    s->kv_heads = s->heads;
    convert_config_int(l->c, llava_field(field, l, "num_key_value_heads"), 1, 1024, &s->kv_heads);
    s->head_dim = (int)(s->N / s->heads);
    convert_config_int(l->c, llava_field(field, l, "head_dim"), 1, 4096, &s->head_dim);
    if (l->c->status == RAP_OK && (s->head_dim % 2 || s->heads % s->kv_heads ||
                                   (s->N % s->heads && s->head_dim == s->N / s->heads)))
        convert_fail(l->c, RAP_E_FORMAT,
                     "%d heads, %d of them for keys, do not divide a width of %" PRId64, s->heads,
                     s->kv_heads, s->N);
}

static void find_sizes(llava *l, decoder_sizes *s)
{
    char name[256];
    const char *down;

    convert_name(name, l->layout->decoder, "embed_tokens.weight", "");
    s->V = convert_size(l->c, name, 1);
    s->N = convert_size(l->c, name, 0);
    down = layer_name(name, l, 0, "mlp.down_proj");
    s->F = convert_size(l->c, down, 0);
    s->layers = count_layers(l);
    if (s->V < 3 || s->V > MAX_WORDS || s->N < 1 || s->N > MAX_WIDTH || s->F < 1 ||
        s->F > 16 * MAX_WIDTH || !s->layers)
        convert_fail(l->c, RAP_E_FORMAT, "its language model has an impossible shape");
    agrees(l, "hidden_size", s->N);
    agrees(l, "intermediate_size", s->F);
    agrees(l, "num_hidden_layers", s->layers);
    agrees(l, "vocab_size", s->V);
    find_heads(l, s);
}

static void block(llava *l, const decoder_sizes *s, int layer)
{
    const int64_t q = (int64_t)s->heads * s->head_dim, kv = (int64_t)s->kv_heads * s->head_dim;
    const convert_shape norm = { 1, { s->N } }, up = { 2, { s->F, s->N } };
    const struct {
        const char *from, *to;
        convert_shape shape;
        int64_t heads;
    } llama[] = {
        { "input_layernorm", "attn_norm", norm, 0 },
        { "self_attn.q_proj", "attn_q", { 2, { q, s->N } }, s->heads },
        { "self_attn.k_proj", "attn_k", { 2, { kv, s->N } }, s->kv_heads },
        { "self_attn.v_proj", "attn_v", { 2, { kv, s->N } }, 0 },
        { "self_attn.o_proj", "attn_output", { 2, { s->N, q } }, 0 },
        { "post_attention_layernorm", "ffn_norm", norm, 0 },
        { "mlp.gate_proj", "ffn_gate", up, 0 },
        { "mlp.up_proj", "ffn_up", up, 0 },
        { "mlp.down_proj", "ffn_down", { 2, { s->N, s->F } }, 0 },
    }, phi3[] = {
        { "input_layernorm", "attn_norm", norm, 0 },
        { "self_attn.qkv_proj", "attn_qkv", { 2, { q + 2 * kv, s->N } }, 0 },
        { "self_attn.o_proj", "attn_output", { 2, { s->N, q } }, 0 },
        { "post_attention_layernorm", "ffn_norm", norm, 0 },
        { "mlp.gate_up_proj", "ffn_up", { 2, { 2 * s->F, s->N } }, 0 },
        { "mlp.down_proj", "ffn_down", { 2, { s->N, s->F } }, 0 },
    }, *tensors = l->phi3 ? phi3 : llama;
    size_t count = l->phi3 ? sizeof phi3 / sizeof *phi3 : sizeof llama / sizeof *llama;

    for (size_t i = 0; i < count; i++) {
        char from[256], to[64];

        layer_name(from, l, layer, tensors[i].from);
        snprintf(to, sizeof to, "blk.%d.%s.weight", layer, tensors[i].to);
        plan_heads(l, from, to, tensors[i].shape, tensors[i].heads);
    }
}

void decoder_plan(llava *l)
{
    decoder_sizes s = { 0 };
    char name[256];
    const char *decoder = l->layout->decoder;

    find_sizes(l, &s);
    llava_put_general(l, "model");
    decoder_put_keys(l, &s);
    if (l->c->status == RAP_OK)
        pieces_put(l, (size_t)s.V);
    llava_put_name(l);
    plan_tensor(l, l->c, convert_name(name, decoder, "embed_tokens.weight", ""),
                "token_embd.weight", (convert_shape){ 2, { s.V, s.N } });
    for (int i = 0; l->c->status == RAP_OK && i < s.layers; i++)
        block(l, &s, i);
    plan_tensor(l, l->c, convert_name(name, decoder, "norm.weight", ""), "output_norm.weight",
                (convert_shape){ 1, { s.N } });
    if (convert_has(l->c, l->layout->head)) /* else the token table serves as the output layer */
        plan_tensor(l, l->c, l->layout->head, "output.weight", (convert_shape){ 2, { s.V, s.N } });
}

/* shape.c: hyper-parameters out of a GGUF's metadata. */
#include "train/shape.h"

#include <ggml.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MOST_LAYERS = 512, MOST_WIDTH = 1 << 20, MOST_HEADS = 4096 };

typedef struct reader {
    const gguf_file *g;
    const char *architecture;
    rap_err *err;
    rap_status status;
    char name[96];
} reader;

static const char *key(reader *r, const char *name)
{
    snprintf(r->name, sizeof r->name, "%s.%s", r->architecture, name);
    return r->name;
}

/* fallback < 0: the key must be there. */
static int64_t whole(reader *r, const char *name, int64_t fallback, int64_t most)
{
    int64_t value = fallback;

    if (r->status || (fallback >= 0 && !gguf_has(r->g, key(r, name))))
        return fallback;
    r->status = gguf_get_int(r->g, key(r, name), &value, r->err);
    if (!r->status && (value < 1 || value > most))
        r->status = err_set(r->err, RAP_E_FORMAT, "%s: '%s' is %lld; 1 to %lld can be trained",
                            gguf_file_path(r->g), r->name, (long long)value, (long long)most);
    return value;
}

static double number(reader *r, const char *name, double fallback)
{
    double value = fallback;

    if (r->status || !gguf_has(r->g, key(r, name)))
        return fallback;
    r->status = gguf_get_float(r->g, key(r, name), &value, r->err);
    if (!r->status && !(value > 0 && isfinite(value)))
        r->status = err_set(r->err, RAP_E_FORMAT, "%s: '%s' is %g, which is no positive number",
                            gguf_file_path(r->g), r->name, value);
    return value;
}

static rap_status refuse(const gguf_file *g, const char *what, rap_err *err)
{
    return err_set(err, RAP_E_UNSUPPORTED,
                   "%s: has %s, which `rap train` does not compute; it trains llama, qwen2, qwen3 "
                   "and phi3 decoders",
                   gguf_file_path(g), what);
}

/* What would change the result and is not computed here. */
static rap_status refuse_more(reader *r)
{
    static const char *const keys[] = { "expert_count",           "logit_scale",
                                        "residual_scale",         "embedding_scale",
                                        "rope.scaling.factor",    "rope.scaling.attn_factor",
                                        "attn_logit_softcapping", "attention.clamp_kqv",
                                        "rope.dimension_sections" };
    static const char *const tensors[] = { "rope_factors_long.weight",
                                           "rope_factors_short.weight",
                                           "position_embd.weight",
                                           "token_embd_norm.weight",
                                           "blk.0.ffn_gate_inp.weight",
                                           "blk.0.rope_factors_long.weight",
                                           "output.bias" };
    const char *type = NULL;
    size_t len = 0;

    for (size_t i = 0; !r->status && i < sizeof keys / sizeof *keys; i++)
        if (gguf_has(r->g, key(r, keys[i]))) {
            double value = 1;

            if (gguf_get_float(r->g, r->name, &value, NULL) == RAP_OK && (value == 1 || value == 0))
                continue;
            if (gguf_get_int(r->g, r->name, &(int64_t){ 1 }, NULL) == RAP_OK) {
                int64_t count = 1;

                gguf_get_int(r->g, r->name, &count, NULL);
                if (count == 0)
                    continue;
            }
            r->status = refuse(r->g, r->name, r->err);
        }
    for (size_t i = 0; !r->status && i < sizeof tensors / sizeof *tensors; i++)
        if (gguf_find(r->g, tensors[i]))
            r->status = refuse(r->g, tensors[i], r->err);
    if (!r->status && gguf_has(r->g, key(r, "rope.scaling.type")) &&
        gguf_get_string(r->g, r->name, &type, &len, NULL) == RAP_OK &&
        !(len == 4 && memcmp(type, "none", 4) == 0))
        r->status = refuse(r->g, r->name, r->err);
    return r->status;
}

static rap_status check_heads(const shape *s, const gguf_file *g, rap_err *err)
{
    if (s->heads % s->groups || s->rope_dims > s->head || s->rope_dims % 2)
        return err_set(
            err, RAP_E_FORMAT,
            "%s: %lld heads, %lld of keys, %lld numbers each and %lld of them rotated do "
            "not go together",
            gguf_file_path(g), (long long)s->heads, (long long)s->groups, (long long)s->head,
            (long long)s->rope_dims);
    return RAP_OK;
}

static rap_status read_numbers(shape *s, const gguf_file *g, rap_err *err)
{
    reader r = { .g = g, .architecture = s->architecture, .err = err };
    int64_t value_head;

    s->layers = whole(&r, "block_count", -1, MOST_LAYERS);
    s->width = whole(&r, "embedding_length", -1, MOST_WIDTH);
    s->inner = whole(&r, "feed_forward_length", -1, MOST_WIDTH);
    s->heads = whole(&r, "attention.head_count", -1, MOST_HEADS);
    s->context = whole(&r, "context_length", -1, INT32_MAX);
    if (r.status)
        return r.status;
    s->groups = whole(&r, "attention.head_count_kv", s->heads, MOST_HEADS);
    s->head = whole(&r, "attention.key_length", s->width / s->heads, MOST_WIDTH);
    value_head = whole(&r, "attention.value_length", s->width / s->heads, MOST_WIDTH);
    s->rope_dims = whole(&r, "rope.dimension_count", s->head, MOST_WIDTH);
    s->rope_base = number(&r, "rope.freq_base", 10000);
    s->eps = number(&r, "attention.layer_norm_rms_epsilon", 1e-6);
    if (!r.status && s->head > 0)
        s->attention_scale = number(&r, "attention.scale", 1 / sqrt((double)s->head));
    if (!r.status && (value_head != s->head || s->head < 1))
        r.status = refuse(g, "values of another length than keys", err);
    if (!r.status)
        r.status = refuse_more(&r);
    return r.status ? r.status : check_heads(s, g, err);
}

rap_status shape_read(shape *out, const gguf_file *g, rap_err *err)
{
    static const char *const known[] = { "llama", "qwen2", "qwen3", "phi3" };
    const char *architecture = gguf_file_architecture(g);
    const gguf_tensor *table = gguf_find(g, "token_embd.weight");
    rap_status status;
    size_t i = 0;

    *out = (shape){ .neox = strcmp(architecture, "llama") != 0 };
    while (i < sizeof known / sizeof *known && strcmp(architecture, known[i]) != 0)
        i++;
    if (i == sizeof known / sizeof *known)
        return err_set(
            err, RAP_E_UNSUPPORTED,
            "%s: a decoder of the kind '%.40s'; `rap train` knows llama, qwen2, qwen3 and "
            "phi3",
            gguf_file_path(g), architecture);
    snprintf(out->architecture, sizeof out->architecture, "%s", architecture);
    status = read_numbers(out, g, err);
    if (status)
        return status;
    if (!table || table->dims != 2 || table->ne[0] != out->width)
        return err_set(err, RAP_E_FORMAT, "%s: 'token_embd.weight' is not [tokens, %lld]",
                       gguf_file_path(g), (long long)out->width);
    out->vocab = table->ne[1];
    out->tied = !gguf_find(g, "output.weight");
    out->fused = gguf_find(g, "blk.0.attn_qkv.weight") != NULL;
    out->head_norm = gguf_find(g, "blk.0.attn_q_norm.weight") != NULL;
    return RAP_OK;
}

/* ---- weights ---- */

bool shape_has(const shape *s, linear_kind kind)
{
    bool one = kind == LINEAR_QKV || kind == LINEAR_GATE_UP;
    bool several = kind <= LINEAR_V || kind == LINEAR_GATE || kind == LINEAR_UP;

    return s->fused ? !several : !one;
}

void shape_linear(int64_t *out, int64_t *in, const shape *s, linear_kind kind)
{
    int64_t q = s->heads * s->head, k = s->groups * s->head;

    *in = kind == LINEAR_OUT ? q : kind == LINEAR_DOWN ? s->inner : s->width;
    switch (kind) {
    case LINEAR_Q:
        *out = q;
        break;
    case LINEAR_K:
    case LINEAR_V:
        *out = k;
        break;
    case LINEAR_QKV:
        *out = q + 2 * k;
        break;
    case LINEAR_GATE:
    case LINEAR_UP:
        *out = s->inner;
        break;
    case LINEAR_GATE_UP:
        *out = 2 * s->inner;
        break;
    default:
        *out = s->width;
    }
}

const char *linear_name(linear_kind kind)
{
    static const char *const name[LINEAR_KINDS] = {
        [LINEAR_Q] = "attn_q",     [LINEAR_K] = "attn_k",        [LINEAR_V] = "attn_v",
        [LINEAR_QKV] = "attn_qkv", [LINEAR_OUT] = "attn_output", [LINEAR_GATE] = "ffn_gate",
        [LINEAR_UP] = "ffn_up",    [LINEAR_GATE_UP] = "ffn_up",  [LINEAR_DOWN] = "ffn_down",
    };

    return name[kind];
}

rap_status shape_tensor(const gguf_tensor **out, const gguf_file *g, int64_t layer,
                        const char *name, int64_t in, int64_t rows, bool optional, rap_err *err)
{
    char full[128];
    const gguf_tensor *t;

    if (layer < 0)
        snprintf(full, sizeof full, "%s", name);
    else
        snprintf(full, sizeof full, "blk.%lld.%s", (long long)layer, name);
    *out = t = gguf_find(g, full);
    if (!t && optional)
        return RAP_OK;
    if (!t)
        return err_set(err, RAP_E_FORMAT, "%s: has no tensor '%s'", gguf_file_path(g), full);
    if (t->ne[0] != in || t->ne[1] != rows || t->dims > 2)
        return err_set(err, RAP_E_FORMAT, "%s: '%s' is [%lld, %lld], not [%lld, %lld]",
                       gguf_file_path(g), full, (long long)t->ne[1], (long long)t->ne[0],
                       (long long)rows, (long long)in);
    if (t->type != GGML_TYPE_F32 && !ggml_get_type_traits((enum ggml_type)t->type)->to_float)
        return err_set(err, RAP_E_UNSUPPORTED, "%s: '%s' is of a type that is not read back",
                       gguf_file_path(g), full);
    return RAP_OK;
}

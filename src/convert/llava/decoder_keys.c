/* decoder_keys.c: the hyper-parameters of the language model under llama.cpp's names. What config.json leaves out is what
 * transformers takes then. */
#include "base/mem.h"
#include "convert/llava/llava.h"
#include "formats/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_CONTEXT = 1 << 27, MAX_FACTORS = 4096 };
#define MAX_SCALE 1e6 /* of positions */

static const char *key_of(char out[96], const llava *l, const char *name)
{
    snprintf(out, 96, "%s.%s", l->phi3 ? "phi3" : "llama", name);
    return out;
}

static void put_int(llava *l, const char *name, int64_t value)
{
    char key[96];

    gguf_put_int(l->c->out, key_of(key, l, name), (uint32_t)value);
}

static void put_float(llava *l, const char *name, float value)
{
    char key[96];

    gguf_put_float(l->c->out, key_of(key, l, name), value);
}

static int config_int(llava *l, const char *name, int low, int high, int fallback)
{
    char field[96];

    convert_config_int(l->c, llava_field(field, l, name), low, high, &fallback);
    return fallback;
}

static float config_float(llava *l, const char *name, float low, float high, float fallback)
{
    char field[96];

    convert_config_float(l->c, llava_field(field, l, name), low, high, &fallback);
    return fallback;
}

/* ---- rotary positions ---- */

/* A field of "rope_parameters", as configurations call it today, or of "rope_scaling". */
static const json_t *rope_at(const llava *l, const char *name)
{
    char field[96], inner[96];
    const json_t *value;

    snprintf(inner, sizeof inner, "rope_parameters.%s", name);
    value = json_at(l->c->config, llava_field(field, l, inner));
    snprintf(inner, sizeof inner, "rope_scaling.%s", name);
    return value ? value : json_at(l->c->config, llava_field(field, l, inner));
}

static const char *rope_type(const llava *l)
{
    const json_t *type = rope_at(l, "rope_type");

    type = type ? type : rope_at(l, "type");
    return json_is_string(type) ? json_string_value(type) : "default";
}

static float rope_base(llava *l)
{
    const json_t *inner = rope_at(l, "rope_theta");
    double base = json_number_value(inner);

    if (!inner)
        return config_float(l, "rope_theta", 1, 1e12f, 10000);
    if (base >= 1 && base <= 1e12)
        return (float)base;
    convert_fail(l->c, RAP_E_FORMAT, "%s: \"rope_theta\" is not a number from 1 to 1e+12",
                 l->c->config_path);
    return 1;
}

static void refuse_rope(llava *l, const char *type)
{
    convert_fail(l->c, RAP_E_UNSUPPORTED, "%s: positions scaled by '%.40s' are not read",
                 l->c->config_path, type);
}

static void put_rope(llava *l)
{
    char key[96];
    const char *type = rope_type(l);
    const json_t *factor = rope_at(l, "factor");

    put_float(l, "rope.freq_base", rope_base(l));
    if (!strcmp(type, "default"))
        return;
    if (strcmp(type, "linear") != 0) {
        refuse_rope(l, type);
        return;
    }
    if (!(json_number_value(factor) >= 1 && json_number_value(factor) <= MAX_SCALE)) {
        convert_fail(l->c, RAP_E_FORMAT, "%s: the \"factor\" of its positions is not from 1 to %g",
                     l->c->config_path, MAX_SCALE);
        return;
    }
    gguf_put_string(l->c->out, key_of(key, l, "rope.scaling.type"), "linear", 6);
    put_float(l, "rope.scaling.factor", (float)json_number_value(factor));
}

/* A number that stands in either place. */
static double rope_number(llava *l, const char *name, double fallback)
{
    char field[96];
    const json_t *value = rope_at(l, name);

    value = value ? value : json_at(l->c->config, llava_field(field, l, name));
    return json_is_number(value) ? json_number_value(value) : fallback;
}

/* One factor for each pair of a head. */
static void put_factors(llava *l, const char *field, const char *tensor, int pairs)
{
    const json_t *list = rope_at(l, field);
    float factor[MAX_FACTORS];

    if (l->c->status != RAP_OK)
        return;
    if (pairs > MAX_FACTORS || json_array_size(list) != (size_t)pairs) {
        convert_fail(l->c, RAP_E_FORMAT, "%s: \"%s\" is not %d numbers", l->c->config_path, field,
                     pairs);
        return;
    }
    for (int i = 0; i < pairs; i++) {
        double value = json_number_value(json_array_get(list, (size_t)i));

        factor[i] = value > 0 && value <= MAX_SCALE ? (float)value : 0;
        if (!(factor[i] > 0))
            convert_fail(l->c, RAP_E_FORMAT, "%s: \"%s\" holds what is no factor",
                         l->c->config_path, field);
    }
    plan_floats(l, tensor, factor, pairs);
}

/* Phi-3 for long contexts scales each pair of a head by a factor of its own. */
static void put_long_rope(llava *l, int pairs, double context, double trained)
{
    const char *type = rope_type(l);
    double scale = context / trained;

    if (!rope_at(l, "long_factor")) {
        if (strcmp(type, "default") != 0)
            refuse_rope(l, type);
        return;
    }
    if (strcmp(type, "su") != 0 && strcmp(type, "longrope") != 0) {
        refuse_rope(l, type);
        return;
    }
    put_float(l, "rope.scaling.attn_factor",
              scale > 1 ? (float)sqrt(1 + log(scale) / log(trained)) : 1);
    put_factors(l, "long_factor", "rope_factors_long.weight", pairs);
    put_factors(l, "short_factor", "rope_factors_short.weight", pairs);
}

/* ---- both families ---- */

static void put_common(llava *l, const decoder_sizes *s, int context, float eps)
{
    put_int(l, "context_length", config_int(l, "max_position_embeddings", 1, MAX_CONTEXT, context));
    put_int(l, "embedding_length", s->N);
    put_int(l, "block_count", s->layers);
    put_int(l, "feed_forward_length", s->F);
    put_int(l, "attention.head_count", s->heads);
    put_int(l, "attention.head_count_kv", s->kv_heads);
    put_float(l, "attention.layer_norm_rms_epsilon",
              config_float(l, "rms_norm_eps", 0, 1e-1f, eps));
}

static void check_activation(llava *l)
{
    char field[96];
    const char *name = "silu";

    convert_config_string(l->c, llava_field(field, l, "hidden_act"), &name);
    if (l->c->status == RAP_OK && strcmp(name, "silu") != 0)
        convert_fail(l->c, RAP_E_UNSUPPORTED,
                     "%s: a language model with '%.40s' where 'silu' is known", l->c->config_path,
                     name);
}

void decoder_put_keys(llava *l, const decoder_sizes *s)
{
    check_activation(l);
    if (l->phi3) {
        int context = config_int(l, "max_position_embeddings", 1, MAX_CONTEXT, 4096);
        double trained = rope_number(l, "original_max_position_embeddings", 4096);
        double share = rope_number(l, "partial_rotary_factor", 1);
        int turned = share > 0 && share <= 1 ? (int)(share * (double)s->N) / s->heads : 0;

        if (!(trained >= 2 && trained <= MAX_CONTEXT && turned >= 2)) {
            convert_fail(l->c, RAP_E_FORMAT,
                         "%s: its positions are described by impossible numbers",
                         l->c->config_path);
            return;
        }

        put_common(l, s, 4096, 1e-5f);
        put_int(l, "rope.scaling.original_context_length", (int64_t)trained);
        put_int(l, "rope.dimension_count", turned);
        put_float(l, "rope.freq_base", rope_base(l));
        put_int(l, "attention.sliding_window", config_int(l, "sliding_window", 0, MAX_CONTEXT, 0));
        put_long_rope(l, turned / 2, context, trained);
        return;
    }
    put_common(l, s, 2048, 1e-6f);
    put_int(l, "attention.key_length", s->head_dim);
    put_int(l, "attention.value_length", s->head_dim);
    put_int(l, "vocab_size", s->V);
    put_int(l, "rope.dimension_count", s->head_dim);
    put_rope(l);
}

/* check/model.c: a language model's GGUF. Read check_model() last; the order above it is the order of the
 * checks: keys that every family has, then the "llama" family tensor by tensor. */
#include "generate/check/check.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { MAX_LAYERS = 512, MAX_EXPERTS = 1024, MAX_WIDTH = 1 << 20, MAX_CONTEXT = 1 << 30 };

/* Families in which llama.cpp answers the damage that is left after these checks; for others an assertion may: those are
 * tried in a child process first. whole_rope: every float of a head is rotated, and llama.cpp asserts that the header says so. */
typedef struct family {
    const char *name;
    bool whole_rope;
} family;

static const family families[] = {
    { "llama", true },       { "mistral3", true },       { "qwen2", true },
    { "qwen3", true },       { "qwen2vl", true },        { "qwen3vl", true },
    { "qwen2moe", true },    { "qwen3moe", true },       { "gemma", true },
    { "gemma2", true },      { "gemma3", true },         { "minicpm", true },
    { "internlm2", true },   { "smollm3", true },        { "exaone", true },
    { "ernie4_5", true },    { "granite", true },        { "olmo2", true },
    { "baichuan", true },    { "xverse", true },         { "phi2", false },
    { "phi3", false },       { "stablelm", false },      { "glm4", false },
    { "chatglm", false },    { "command-r", false },     { "cohere2", false },
    { "nemotron", false },   { "starcoder2", false },    { "gemma3n", false },
    { "gemma4", false },     { "lfm2", false },          { "llama4", false },
    { "qwen3vlmoe", false }, { "hunyuan-dense", false }, { "deci", false },
};

static const family *find_family(const gguf_file *g)
{
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        if (strcmp(families[i].name, gguf_file_architecture(g)) == 0)
            return &families[i];
    return NULL;
}

/* The hyper-parameters of a decoder; letters as in the shapes below. */
typedef struct decoder {
    int64_t D;    /* embedding_length     */
    int64_t L;    /* block_count          */
    int64_t F;    /* feed_forward_length  */
    int64_t H, K; /* heads, key-value heads */
    int64_t C;    /* floats per head      */
    int64_t V;    /* tokens               */
    int64_t experts;
} decoder;

/* "llama" and "embedding_length" → "llama.embedding_length" */
typedef struct arch_key {
    char text[128];
} arch_key;

static arch_key key_of(const gguf_file *g, const char *name)
{
    arch_key key;

    snprintf(key.text, sizeof key.text, "%s.%s", gguf_file_architecture(g), name);
    return key;
}

static rap_status arch_int(const gguf_file *g, const char *name, int64_t low, int64_t high,
                           int64_t *out, rap_err *err)
{
    return check_int(g, key_of(g, name).text, low, high, out, err);
}

static rap_status arch_int_or(const gguf_file *g, const char *name, int64_t fallback, int64_t low,
                              int64_t high, int64_t *out, rap_err *err)
{
    return check_int_or(g, key_of(g, name).text, fallback, low, high, out, err);
}

static rap_status check_architecture(const gguf_file *g, rap_err *err)
{
    const char *name = gguf_file_architecture(g);

    if (!*name)
        return err_set(err, RAP_E_FORMAT, "%s: has no key 'general.architecture'",
                       gguf_file_path(g));
    if (strlen(name) > 63)
        return err_set(err, RAP_E_FORMAT, "%s: the architecture's name is too long",
                       gguf_file_path(g));
    if (strcmp(name, "clip") == 0)
        return err_set(err, RAP_E_FORMAT, "%s: is an image projector, not a language model",
                       gguf_file_path(g));
    return RAP_OK;
}

/* llama.cpp asserts these relations between the expert counts. */
static rap_status check_experts(decoder *d, const gguf_file *g, rap_err *err)
{
    int64_t used = 0, groups = 0, groups_used = 0;
    rap_status status = arch_int_or(g, "expert_count", 0, 0, MAX_EXPERTS, &d->experts, err);

    if (!status)
        status = arch_int_or(g, "expert_used_count", 0, 0, d->experts, &used, err);
    if (!status)
        status = arch_int_or(g, "expert_group_count", 0, 0, d->experts > 0 ? d->experts - 1 : 0,
                             &groups, err);
    if (!status)
        status = arch_int_or(g, "expert_group_used_count", 0, 0, groups, &groups_used, err);
    if (status)
        return status;
    if ((d->experts > 0 && used == 0) ||
        (groups > 1 && (d->experts % groups || groups_used == 0 || groups_used == groups)))
        return err_set(err, RAP_E_FORMAT, "%s: the expert counts contradict each other",
                       gguf_file_path(g));
    return RAP_OK;
}

static rap_status check_rope(const gguf_file *g, rap_err *err)
{
    static const char *const known[] = { "none", "linear", "yarn", "longrope" };
    arch_key key = key_of(g, "rope.scaling.type");
    const char *type = NULL;
    size_t len = 0;
    rap_status status = RAP_OK;

    if (!gguf_has(g, key.text))
        return RAP_OK;
    status = gguf_get_string(g, key.text, &type, &len, err);
    if (status)
        return status;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strlen(known[i]) == len && memcmp(known[i], type, len) == 0)
            return RAP_OK;
    return err_set(err, RAP_E_FORMAT, "%s: '%s' is of no known kind", gguf_file_path(g), key.text);
}

/* A norm's epsilon must not be negative. */
static rap_status check_epsilon(const gguf_file *g, const char *name, rap_err *err)
{
    arch_key key = key_of(g, name);
    double eps = 0;
    rap_status status = gguf_has(g, key.text) ? gguf_get_float(g, key.text, &eps, err) : RAP_OK;

    if (!status && (eps < 0 || eps > 1))
        status =
            err_set(err, RAP_E_FORMAT, "%s: '%s' is out of range", gguf_file_path(g), key.text);
    return status;
}

/* What all families share. */
static rap_status check_common(decoder *d, const gguf_file *g, rap_err *err)
{
    int64_t context = 0, predict = 0;
    rap_status status = arch_int(g, "context_length", 1, MAX_CONTEXT, &context, err);

    if (!status)
        status = arch_int(g, "embedding_length", 1, MAX_WIDTH, &d->D, err);
    if (!status)
        status = arch_int(g, "block_count", 1, MAX_LAYERS, &d->L, err);
    if (!status)
        status = arch_int_or(g, "nextn_predict_layers", 0, 0, d->L - 1, &predict, err);
    if (!status)
        status = check_experts(d, g, err);
    if (!status)
        status = check_rope(g, err);
    if (!status)
        status = check_epsilon(g, "attention.layer_norm_rms_epsilon", err);
    if (!status)
        status = check_epsilon(g, "attention.layer_norm_epsilon", err);
    if (!status)
        status = check_vocab(g, &d->V, err);
    if (!status && gguf_find(g, "token_embd.weight"))
        status =
            check_tensor(g, "token_embd.weight", CHECK_MATRIX, 2, (int64_t[]){ d->D, d->V }, err);
    return status ? status : check_types(g, err);
}

/* Positions in several dimensions: how many pairs each of them turns. */
static rap_status check_sections(const gguf_file *g, rap_err *err)
{
    arch_key key = key_of(g, "rope.dimension_sections");
    size_t count = 0;
    int64_t sum = 0;
    rap_status status = gguf_has(g, key.text) ? gguf_array_count(g, key.text, &count, err) : RAP_OK;

    for (size_t i = 0; !status && i < count; i++) {
        int64_t pairs = 0;

        status = gguf_array_int(g, key.text, i, &pairs, err);
        if (!status && (pairs < 0 || pairs > MAX_WIDTH))
            status = err_set(err, RAP_E_FORMAT, "%s: '%s' is damaged", gguf_file_path(g), key.text);
        sum += pairs;
    }
    if (!status && gguf_has(g, key.text) && sum == 0)
        status = err_set(err, RAP_E_FORMAT, "%s: '%s' is empty", gguf_file_path(g), key.text);
    return status;
}

/* Head counts that differ from block to block are arrays; llama.cpp compares those with the shapes. */
static bool has_head_arrays(const gguf_file *g)
{
    size_t count = 0;

    return gguf_array_count(g, key_of(g, "attention.head_count").text, &count, NULL) == RAP_OK ||
           gguf_array_count(g, key_of(g, "attention.head_count_kv").text, &count, NULL) == RAP_OK;
}

static rap_status check_heads(decoder *d, const gguf_file *g, rap_err *err)
{
    bool whole = find_family(g)->whole_rope,
         own = gguf_has(g, key_of(g, "attention.key_length").text);
    int64_t value = 0, rope = 0;
    rap_status status = arch_int(g, "attention.head_count", 1, MAX_WIDTH, &d->H, err);

    if (!status)
        status = arch_int_or(g, "attention.head_count_kv", d->H, 1, d->H, &d->K, err);
    if (!status)
        status = arch_int_or(g, "attention.key_length", d->D / d->H, 2, MAX_WIDTH, &d->C, err);
    if (!status)
        status = arch_int_or(g, "attention.value_length", d->D / d->H, 2, MAX_WIDTH, &value, err);
    if (!status)
        status = arch_int_or(g, "rope.dimension_count", d->C, 2, d->C, &rope, err);
    if (status)
        return status;
    if (d->H % d->K || rope % 2 || d->C < 2 || (!own && d->D % d->H) ||
        (whole && (value != d->C || rope != d->C)))
        return err_set(err, RAP_E_FORMAT, "%s: the head counts and lengths contradict each other",
                       gguf_file_path(g));
    return RAP_OK;
}

/* One tensor of block i. */
static rap_status block_tensor(const gguf_file *g, int64_t i, const char *name, int dims,
                               int64_t ne0, int64_t ne1, rap_err *err)
{
    char full[64];

    snprintf(full, sizeof full, "blk.%d.%s.weight", (int)i, name);
    return check_tensor(g, full, dims == 1 ? CHECK_VECTOR : CHECK_MATRIX, dims,
                        (int64_t[]){ ne0, ne1 }, err);
}

static rap_status check_attention(const decoder *d, const gguf_file *g, int64_t i, rap_err *err)
{
    char fused[64];
    int64_t q = d->H * d->C, kv = d->K * d->C;
    rap_status status = block_tensor(g, i, "attn_norm", 1, d->D, 1, err);

    snprintf(fused, sizeof fused, "blk.%d.attn_qkv.weight", (int)i);
    if (!status && gguf_find(g, fused)) {
        status = block_tensor(g, i, "attn_qkv", 2, d->D, q + 2 * kv, err);
    } else {
        if (!status)
            status = block_tensor(g, i, "attn_q", 2, d->D, q, err);
        if (!status)
            status = block_tensor(g, i, "attn_k", 2, d->D, kv, err);
        if (!status)
            status = block_tensor(g, i, "attn_v", 2, d->D, kv, err);
    }
    return status ? status : block_tensor(g, i, "attn_output", 2, q, d->D, err);
}

static rap_status check_block(const decoder *d, const gguf_file *g, int64_t i, rap_err *err)
{
    rap_status status = check_attention(d, g, i, err);

    if (!status)
        status = block_tensor(g, i, "ffn_norm", 1, d->D, 1, err);
    if (status || d->experts > 0) /* llama.cpp checks the experts' shapes itself */
        return status;
    status = block_tensor(g, i, "ffn_gate", 2, d->D, d->F, err);
    if (!status)
        status = block_tensor(g, i, "ffn_up", 2, d->D, d->F, err);
    return status ? status : block_tensor(g, i, "ffn_down", 2, d->F, d->D, err);
}

static rap_status check_llama(decoder *d, const gguf_file *g, rap_err *err)
{
    rap_status status = arch_int(g, "feed_forward_length", 1, MAX_WIDTH, &d->F, err);

    if (!status)
        status = check_tensor(g, "output_norm.weight", CHECK_VECTOR, 1, (int64_t[]){ d->D }, err);
    if (!status)
        status =
            check_optional(g, "output.weight", CHECK_MATRIX, 2, (int64_t[]){ d->D, d->V }, err);
    for (int64_t i = 0; !status && i < d->L; i++)
        status = check_block(d, g, i, err);
    return status;
}

/* Of a family that the checks know. */
static rap_status check_known(decoder *d, const gguf_file *g, rap_err *err)
{
    bool is_llama = strcmp(gguf_file_architecture(g), "llama") == 0;
    rap_status status =
        check_tensor(g, "token_embd.weight", CHECK_MATRIX, 2, (int64_t[]){ d->D, d->V }, err);

    if (!status && (is_llama || !has_head_arrays(g)))
        status = check_heads(d, g, err);
    return status || !is_llama ? status : check_llama(d, g, err);
}

/* One model in several files: llama.cpp finds the others by the first one's name. */
static rap_status check_first_part(bool *out_split, const gguf_file *g, const char *path,
                                   rap_err *err)
{
    int64_t parts = 0, number = 0;
    rap_status status = check_int_or(g, "split.count", 1, 0, 65535, &parts, err);

    *out_split = parts > 1;
    if (status || parts <= 1)
        return status;
    status = check_int_or(g, "split.no", 0, 0, 65535, &number, err);
    if (!status && number != 0)
        return err_set(err, RAP_E_ARGUMENT, "%s: is part %d of %d; name the first part", path,
                       (int)number + 1, (int)parts);
    return status ? status : check_parts(path, parts, err);
}

rap_status check_model(check_facts *out, const char *path, rap_err *err)
{
    gguf_file *g = NULL;
    decoder d = { 0 };
    bool is_split = false;
    rap_status status = gguf_file_open(&g, path, err);

    *out = (check_facts){ .width = 0 };
    if (status)
        return status;
    status = check_first_part(&is_split, g, path, err);
    if (!status)
        status = check_architecture(g, err);
    if (!status)
        status = check_common(&d, g, err);
    if (!status)
        status = check_sections(g, err);
    out->split = is_split;
    out->known = find_family(g) && !is_split;
    if (!status && out->known)
        status = check_known(&d, g, err);
    snprintf(out->architecture, sizeof out->architecture, "%s", gguf_file_architecture(g));
    out->width = d.D;
    out->vocab = d.V;
    gguf_file_close(g);
    return status;
}

/* check/kinds.c: the value types of keys.
 *
 * For image projectors and adapters llama.cpp reads a key as u32, f32, bool or string by the key's name
 * and asserts that it is one. The names below are all it reads; others may be anything. */
#include "generate/check/check.h"

#include "formats/gguf_inside.h"

#include <string.h>

typedef struct kind_rule {
    const char *ending; /* of the key */
    gguf_kind kind;
} kind_rule;

static const kind_rule rules[] = {
    { "general.type", GGUF_KIND_STRING },
    { "general.name", GGUF_KIND_STRING },
    { "general.description", GGUF_KIND_STRING },
    { "general.architecture", GGUF_KIND_STRING },
    { "adapter.type", GGUF_KIND_STRING },
    { "adapter.lora.alpha", GGUF_KIND_F32 },
    { ".projector_type", GGUF_KIND_STRING },
    { ".mm_patch_merge_type", GGUF_KIND_STRING },
    { ".model_variant", GGUF_KIND_STRING },
    { "clip.has_vision_encoder", GGUF_KIND_BOOL },
    { "clip.has_audio_encoder", GGUF_KIND_BOOL },
    { "clip.has_gen_audio_encoder", GGUF_KIND_BOOL },
    { "clip.use_gelu", GGUF_KIND_BOOL },
    { "clip.use_silu", GGUF_KIND_BOOL },
    { ".layer_norm_epsilon", GGUF_KIND_F32 },
    { "clip.minicpmv_version", GGUF_KIND_I32 },
    { "clip.minicpmv_query_num", GGUF_KIND_U32 },
    { ".embedding_length", GGUF_KIND_U32 },
    { ".feed_forward_length", GGUF_KIND_U32 },
    { ".block_count", GGUF_KIND_U32 },
    { ".projection_dim", GGUF_KIND_U32 },
    { ".head_count", GGUF_KIND_U32 },
    { ".head_count_kv", GGUF_KIND_U32 },
    { ".head_dim", GGUF_KIND_U32 },
    { ".image_size", GGUF_KIND_U32 },
    { ".patch_size", GGUF_KIND_U32 },
    { ".image_min_pixels", GGUF_KIND_U32 },
    { ".image_max_pixels", GGUF_KIND_U32 },
    { ".preproc_min_tiles", GGUF_KIND_U32 },
    { ".preproc_max_tiles", GGUF_KIND_U32 },
    { ".preproc_image_size", GGUF_KIND_U32 },
    { ".scale_factor", GGUF_KIND_U32 },
    { ".query_side", GGUF_KIND_U32 },
    { ".window_side", GGUF_KIND_U32 },
    { ".spatial_merge_size", GGUF_KIND_U32 },
    { ".n_wa_pattern", GGUF_KIND_U32 },
    { ".window_size", GGUF_KIND_U32 },
    { ".expert_used_count", GGUF_KIND_U32 },
    { ".num_mel_bins", GGUF_KIND_U32 },
    { ".stack_factor", GGUF_KIND_U32 },
    { ".chunk_size", GGUF_KIND_U32 },
    { ".conv_kernel_size", GGUF_KIND_U32 },
    { ".max_pos_emb", GGUF_KIND_U32 },
    { ".downsample_rate", GGUF_KIND_U32 },
    { ".num_quantizers", GGUF_KIND_U32 },
    { ".local_block_count", GGUF_KIND_U32 },
    { ".local_group_size", GGUF_KIND_U32 },
    { ".subsampling_factor", GGUF_KIND_U32 },
};

static bool ends_with(const char *text, const char *ending)
{
    size_t len = strlen(text), tail = strlen(ending);

    return len >= tail && strcmp(text + len - tail, ending) == 0;
}

rap_status check_kinds(const gguf_file *g, rap_err *err)
{
    for (size_t i = 0; i < g->value_count; i++) {
        const gguf_value *v = &g->values[i];

        for (size_t k = 0; k < sizeof rules / sizeof *rules; k++)
            if (ends_with(v->key, rules[k].ending) && (v->is_array || v->kind != rules[k].kind))
                return err_set(err, RAP_E_FORMAT, "%s: key '%s' has the wrong type",
                               gguf_file_path(g), v->key);
    }
    return RAP_OK;
}

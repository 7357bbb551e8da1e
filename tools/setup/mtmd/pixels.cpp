
// pixels.cpp: llama.sh appends this to mtmd.cpp, where the types are known. The interface is pixels.h.
#include "pixels.h"

mtmd_context *rap_mtmd_without_weights(const char *mmproj, const struct llama_model *model,
                                       const struct mtmd_context_params *params)
{
    try {
        return new mtmd_context(mmproj, model, *params, true);
    } catch (const std::exception &e) {
        LOG_ERR("%s: error: %s\n", __func__, e.what());
        return nullptr;
    }
}

const float *rap_mtmd_pixels(const mtmd_input_chunk *chunk, size_t i, int *width, int *height)
{
    if (chunk->type != MTMD_INPUT_CHUNK_TYPE_IMAGE || !chunk->tokens_image)
        return nullptr;
    const auto &entries = chunk->tokens_image->batch_f32.entries;
    if (i >= entries.size() || entries[i].is_placeholder())
        return nullptr;
    *width = entries[i].nx();
    *height = entries[i].ny();
    return entries[i].get_ro_buf().data();
}

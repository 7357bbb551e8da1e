/* cells.c: see cells.h. */
#include "train/cells.h"

#include "base/mem.h"
#include "generate/picture.h"
#include "generate/vlm_inside.h"

#include <string.h>

rap_status cells_of_picture(int32_t **out, int32_t *out_count, const struct picture *pic,
                            rap_err *err)
{
    size_t chunks = mtmd_input_chunks_size(pic->chunks);
    int32_t *cell = *out = mem_array((size_t)pic->cells + 1, sizeof *cell), count = 0;

    *out_count = 0;
    if (!cell)
        return err_memory(err, "reading pictures");
    for (size_t i = pic->first; i < chunks; i++) {
        const mtmd_input_chunk *c = mtmd_input_chunks_get(pic->chunks, i);
        size_t n = mtmd_input_chunk_get_n_tokens(c), skip = i == pic->first ? pic->skip : 0;
        const llama_token *text = mtmd_input_chunk_get_type(c) == MTMD_INPUT_CHUNK_TYPE_TEXT
                                      ? mtmd_input_chunk_get_tokens_text(c, &n)
                                      : NULL;

        for (size_t k = text ? skip : 0; k < n && count < pic->cells; k++)
            cell[count++] = text ? text[k] : CELL_ROW;
    }
    *out_count = count;
    return RAP_OK;
}

const char *cells_before_answer(const vlm *v)
{
    const char *before = v->style.turns.before_assistant;
    size_t len = before ? strlen(before) : 0;
    char value[8];

    if (llama_model_meta_val_str(v->model, "tokenizer.ggml.add_space_prefix", value, sizeof value) >
            0 &&
        strcmp(value, "false") == 0)
        return "";
    return len && before[len - 1] == ':' ? " " : "";
}

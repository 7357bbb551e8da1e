/* llava_probe.c: what llama.cpp makes of a GGUF, for llava.py.
 *
 *     llava_probe tokens MODEL < texts      a text per NUL; prints its token ids, one line each
 *     llava_probe logits MODEL ID...        writes the logits of every position as f32
 *     llava_probe picture MODEL MMPROJ SIDE < RGB bytes   writes the picture's tokens as f32
 */
#include <llama.h>
#include <mtmd-helper.h>
#include <mtmd.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_TEXT = 1 << 16 };

static void quiet(enum ggml_log_level level, const char *text, void *user)
{
    (void)level, (void)text, (void)user;
}

static int tokens(const struct llama_vocab *vocab)
{
    static char text[MAX_TEXT];
    static llama_token id[MAX_TEXT];
    int c, n = 0;

    while ((c = getchar()) != EOF) {
        text[n] = (char)c;
        if (c && n < MAX_TEXT - 1) {
            n++;
            continue;
        }
        n = llama_tokenize(vocab, text, (int)strlen(text), id, MAX_TEXT, true, true);
        for (int i = 0; i < n; i++)
            printf("%d%s", id[i], i + 1 < n ? " " : "");
        printf("\n");
        n = 0;
    }
    return 0;
}

static int logits(struct llama_model *model, int count, char **ids)
{
    struct llama_context_params params = llama_context_default_params();
    struct llama_context *context;
    struct llama_batch batch = llama_batch_init(count, 0, 1);

    params.n_ctx = 512;
    params.type_k = params.type_v = GGML_TYPE_F32;
    params.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
    context = llama_init_from_model(model, params);
    for (int i = 0; i < count; i++) {
        batch.token[i] = atoi(ids[i]);
        batch.pos[i] = i;
        batch.n_seq_id[i] = 1;
        batch.seq_id[i][0] = 0;
        batch.logits[i] = 1;
    }
    batch.n_tokens = count;
    if (llama_decode(context, batch) != 0)
        return 1;
    for (int i = 0; i < count; i++)
        fwrite(llama_get_logits_ith(context, i), sizeof(float),
               (size_t)llama_vocab_n_tokens(llama_model_get_vocab(model)), stdout);
    return 0;
}

static int picture(struct llama_model *model, const char *mmproj, int side)
{
    struct mtmd_context_params params = mtmd_context_params_default();
    mtmd_context *context;
    mtmd_input_chunks *chunks = mtmd_input_chunks_init();
    const mtmd_input_text text = { .text = mtmd_default_marker(),
                                         .text_len = strlen(mtmd_default_marker()) };
    size_t size = (size_t)(side * side) * 3;
    unsigned char *rgb = malloc(size);
    const mtmd_bitmap *bitmap;

    params.use_gpu = false;
    params.warmup = false;
    context = mtmd_init_from_file(mmproj, model, params);
    if (!context || fread(rgb, 1, size, stdin) != size)
        return 1;
    bitmap = mtmd_bitmap_init((uint32_t)side, (uint32_t)side, rgb);
    if (mtmd_tokenize(context, chunks, &text, &bitmap, 1) != 0)
        return 1;
    for (size_t i = 0; i < mtmd_input_chunks_size(chunks); i++) {
        const mtmd_input_chunk *chunk = mtmd_input_chunks_get(chunks, i);

        if (mtmd_input_chunk_get_type(chunk) != MTMD_INPUT_CHUNK_TYPE_IMAGE)
            continue;
        if (mtmd_encode_chunk(context, chunk) != 0)
            return 1;
        fwrite(mtmd_get_output_embd(context), sizeof(float),
               mtmd_input_chunk_get_n_tokens(chunk) * (size_t)llama_model_n_embd_inp(model), stdout);
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct llama_model_params params = llama_model_default_params();
    struct llama_model *model;

    if (argc < 3)
        return fprintf(stderr, "usage: llava_probe tokens | logits | picture MODEL ...\n"), 2;
    llama_log_set(quiet, NULL);
    mtmd_helper_log_set(quiet, NULL);
    params.n_gpu_layers = 0;
    params.use_extra_bufts = false;
    model = llama_model_load_from_file(argv[2], params);
    if (!model)
        return fprintf(stderr, "%s: not loaded\n", argv[2]), 1;
    if (!strcmp(argv[1], "tokens"))
        return tokens(llama_model_get_vocab(model));
    if (!strcmp(argv[1], "logits"))
        return logits(model, argc - 3, argv + 3);
    return picture(model, argv[3], atoi(argv[4]));
}

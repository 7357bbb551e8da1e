/* check_vlm.c: what llama.cpp itself makes of the tiny VLM, for check_vlm.py to compare with PyTorch.
 *
 *     check_vlm tokens MODEL < texts         a text per NUL; prints its token ids, one line each
 *     check_vlm answer MODEL MMPROJ < asks   a prompt per NUL, "<__media__>" for pictures, then for each
 *                                            picture "width height\0" and its RGB bytes; prints per ask
 *                                            the prompt's last logits' best 5 (id:value), a tab, the answer
 */
#include <llama.h>
#include <mtmd-helper.h>
#include <mtmd.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_TEXT = 1 << 16, MAX_PICTURES = 8, MAX_ANSWER = 80, TOP = 5 };

static void quiet(enum ggml_log_level level, const char *text, void *user)
{
    (void)level, (void)text, (void)user;
}

/* The next NUL-terminated text of stdin, or 0 at its end. */
static int read_text(char *out)
{
    int c, n = 0;

    while ((c = getchar()) > 0 && n < MAX_TEXT - 1)
        out[n++] = (char)c;
    out[n] = '\0';
    return c == 0;
}

static int tokens(const struct llama_vocab *vocab)
{
    static char text[MAX_TEXT];
    static llama_token id[MAX_TEXT];

    while (read_text(text)) {
        int n = llama_tokenize(vocab, text, (int)strlen(text), id, MAX_TEXT, false, false);

        for (int i = 0; i < n; i++)
            printf("%d%s", id[i], i + 1 < n ? " " : "");
        printf("\n");
    }
    return 0;
}

static int best(const float *logits, int n)
{
    int top = 0;

    for (int i = 1; i < n; i++)
        if (logits[i] > logits[top])
            top = i;
    return top;
}

static void print_top(const float *logits, int n)
{
    float *copy = malloc((size_t)n * sizeof *copy);

    if (!copy)
        return;
    memcpy(copy, logits, (size_t)n * sizeof *copy);
    for (int k = 0; k < TOP; k++) {
        int top = best(copy, n);

        printf("%s%d:%.4f", k ? " " : "", top, (double)copy[top]);
        copy[top] = -1e30f;
    }
    free(copy);
    printf("\t");
}

static mtmd_bitmap *read_picture(void)
{
    char head[64];
    unsigned w = 0, h = 0;
    int c, n = 0;

    while ((c = getchar()) > 0 && n < 63)
        head[n++] = (char)c;
    head[n] = '\0';
    if (sscanf(head, "%u %u", &w, &h) != 2 || w > 4096 || h > 4096)
        return NULL;
    unsigned char *px = malloc((size_t)w * h * 3);
    mtmd_bitmap *out = NULL;

    if (px && fread(px, 3, (size_t)w * h, stdin) == (size_t)w * h)
        out = mtmd_bitmap_init(w, h, px);
    free(px);
    return out;
}

static void print_answer(struct llama_context *ctx, const struct llama_vocab *vocab, llama_pos at)
{
    int n = llama_vocab_n_tokens(vocab);

    for (int i = 0; i < MAX_ANSWER; i++) {
        llama_token id = best(llama_get_logits_ith(ctx, -1), n);
        char piece[64];
        int len = llama_token_to_piece(vocab, id, piece, sizeof piece, 0, false);

        if (llama_vocab_is_eog(vocab, id))
            break;
        printf("%.*s", len > 0 ? len : 0, piece);
        struct llama_batch batch = llama_batch_get_one(&id, 1);

        (void)at;
        if (llama_decode(ctx, batch))
            break;
    }
    printf("\n");
    fflush(stdout);
}

static int answer(const struct llama_model *model, struct llama_context *ctx, mtmd_context *mtmd)
{
    static char text[MAX_TEXT];
    const struct llama_vocab *vocab = llama_model_get_vocab(model);

    while (read_text(text)) {
        mtmd_bitmap *picture[MAX_PICTURES] = { NULL };
        int pictures = 0;
        llama_pos past = 0;

        for (char *p = text; (p = strstr(p, mtmd_default_marker())) && pictures < MAX_PICTURES; p++)
            picture[pictures++] = read_picture();
        mtmd_input_chunks *chunks = mtmd_input_chunks_init();
        mtmd_input_text input = { text, strlen(text), true, true };

        if (mtmd_tokenize(mtmd, chunks, &input, (const mtmd_bitmap **)picture, (size_t)pictures))
            return fprintf(stderr, "cannot tokenise\n"), 1;
        llama_memory_clear(llama_get_memory(ctx), true);
        if (mtmd_helper_eval_chunks(mtmd, ctx, chunks, 0, 0, 512, true, &past))
            return fprintf(stderr, "cannot evaluate\n"), 1;
        print_top(llama_get_logits_ith(ctx, -1), llama_vocab_n_tokens(vocab));
        print_answer(ctx, vocab, past);
        mtmd_input_chunks_free(chunks);
        for (int i = 0; i < pictures; i++)
            mtmd_bitmap_free(picture[i]);
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < 3 || (strcmp(argv[1], "answer") == 0 && argc < 4))
        return fprintf(stderr, "usage: check_vlm tokens MODEL | answer MODEL MMPROJ\n"), 2;
    llama_log_set(quiet, NULL);
    mtmd_helper_log_set(quiet, NULL);
    struct llama_model *model = llama_model_load_from_file(argv[2], llama_model_default_params());

    if (!model)
        return fprintf(stderr, "%s: cannot be loaded\n", argv[2]), 1;
    if (strcmp(argv[1], "tokens") == 0)
        return tokens(llama_model_get_vocab(model));
    struct llama_context_params params = llama_context_default_params();

    params.n_ctx = 2048;
    params.n_threads = params.n_threads_batch = 2;
    struct llama_context *ctx = llama_init_from_model(model, params);
    struct mtmd_context_params how = mtmd_context_params_default();

    how.n_threads = 2;
    how.print_timings = false;
    mtmd_context *mtmd = mtmd_init_from_file(argv[3], model, how);

    if (!ctx || !mtmd)
        return fprintf(stderr, "%s: cannot be loaded\n", argv[3]), 1;
    return answer(model, ctx, mtmd);
}

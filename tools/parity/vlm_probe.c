/* vlm_probe.c: what our generate layer puts before a language model and what the model makes of it, for vlm.py.
 *
 *     vlm_probe logits MODEL MMPROJ VISION MEMORY OUT QUESTION PHOTO [NAME INFO PICTURE]...
 *     vlm_probe pixels MODEL MMPROJ OUT PICTURE
 *
 * logits: asks one question through a session, in the model's own chat template; concepts' pictures are encoded first,
 * as at `rap remember`. Prints as JSON what was evaluated (a token's id, or -1 for a row of a picture) and the tokens of the
 * answer that were evaluated after it; OUT gets the logits behind the prompt as f32. VISION is auto, own or mtmd; MEMORY is
 * f16, as the product has it, or f32. PHOTO may be "-": none. The environment's LORA names an adapter, and TURNS=v1
 * takes LLaVA's turns instead of the model's own template.
 * pixels: prints width and height of each piece that a picture is cut into; OUT gets the pieces as the tower takes them
 * in, [height, width, 3] f32.
 *
 * The linker leads three functions of llama.cpp through here (--wrap), so that the product's own path is observed. */
#include "base/file.h"
#include "generate/picture.h"
#include "generate/session.h"

#include <llama.h>
#include <mtmd_pixels.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CONCEPTS = 16, ANSWER = 24, FROM_CONCEPTS = 9 };

static const prompt_style llava_v1 = {
    .system = "A chat between a curious user and an artificial intelligence assistant. The "
              "assistant gives "
              "helpful, detailed, and polite answers to the user's questions. ",
    .before_user = "USER: ",
    .before_assistant = " ASSISTANT:",
    .after_assistant = "</s>",
};

static struct {
    bool f32, recording, written;
    const char *out;
    int shown;
} probe;

static void fail(const char *what, const rap_err *err)
{
    fprintf(stderr, "vlm_probe: %s\n", err && *err->text ? err->text : what);
    exit(1);
}

/* ---- observing ---- */

struct llama_context *__real_llama_init_from_model(struct llama_model *m,
                                                   struct llama_context_params p);
struct llama_context *__wrap_llama_init_from_model(struct llama_model *m,
                                                   struct llama_context_params p);
int32_t __real_llama_decode(struct llama_context *ctx, struct llama_batch b);
int32_t __wrap_llama_decode(struct llama_context *ctx, struct llama_batch b);
float *__real_llama_get_logits_ith(struct llama_context *ctx, int32_t i);
float *__wrap_llama_get_logits_ith(struct llama_context *ctx, int32_t i);

struct llama_context *__wrap_llama_init_from_model(struct llama_model *m,
                                                   struct llama_context_params p)
{
    if (probe.f32)
        p.type_k = p.type_v = GGML_TYPE_F32;
    return __real_llama_init_from_model(m, p);
}

int32_t __wrap_llama_decode(struct llama_context *ctx, struct llama_batch b)
{
    for (int32_t i = 0; probe.recording && i < b.n_tokens; i++)
        printf("%s%d", probe.shown++ ? ", " : "", b.token ? b.token[i] : -1);
    return __real_llama_decode(ctx, b);
}

/* The first logits that are read are those behind the prompt. */
float *__wrap_llama_get_logits_ith(struct llama_context *ctx, int32_t i)
{
    float *logits = __real_llama_get_logits_ith(ctx, i);
    size_t count = (size_t)llama_vocab_n_tokens(llama_model_get_vocab(llama_get_model(ctx)));

    if (probe.recording && !probe.written) {
        FILE *f = fopen(probe.out, "wb");

        if (!logits || !f || fwrite(logits, sizeof *logits, count, f) != count || fclose(f) != 0)
            fail(probe.out, NULL);
        probe.written = true;
        probe.shown = 0;
        printf("], \"answer\": [");
    }
    return logits;
}

/* ---- ---- */

static vlm *open_model(const char *model, const char *mmproj, const char *vision)
{
    const char *lora = getenv("LORA"), *turns = getenv("TURNS");
    const vlm_lora adapter = { lora, 1 };
    vlm_options o = { .model = model,
                      .mmproj = mmproj,
                      .lora = &adapter,
                      .loras = lora ? 1 : 0,
                      .style = turns ? "rap" : "chat",
                      .turns = turns ? llava_v1 : (prompt_style){ 0 },
                      .vision = strcmp(vision, "own") == 0    ? VLM_VISION_OWN
                                : strcmp(vision, "mtmd") == 0 ? VLM_VISION_MTMD
                                                              : VLM_VISION_AUTO,
                      .precision = PRECISION_F32,
                      .threads = 2 };
    rap_err err = { 0 };
    vlm *v = NULL;

    if (vlm_open(&v, &o, &err))
        fail("the model", &err);
    return v;
}

static void read_picture(image *out, const char *path)
{
    rap_err err = { 0 };
    size_t size = 0;
    char *bytes = NULL;

    if (file_read(&bytes, &size, path, 1 << 26, &err) || image_decode(out, bytes, size, path, &err))
        fail(path, &err);
    free(bytes);
}

static int logits(int argc, char **argv)
{
    prompt_concept concept[CONCEPTS];
    session_picture shown[CONCEPTS];
    image photo = { 0 }, avatar = { 0 };
    session_picture query = { .pixels = &photo };
    session_turn turn = { .query = strcmp(argv[8], "-") != 0 ? &query : NULL,
                          .concept = concept,
                          .concept_picture = shown,
                          .question = argv[7],
                          .max_tokens = ANSWER };
    session_answer answer;
    session *s = NULL;
    rap_err err = { 0 };
    vlm *v;

    probe.f32 = strcmp(argv[5], "f32") == 0;
    probe.out = argv[6];
    v = open_model(argv[2], argv[3], argv[4]);
    if (turn.query)
        read_picture(&photo, argv[8]);
    for (int i = FROM_CONCEPTS; i + 2 < argc && turn.concepts < CONCEPTS; i += 3) {
        float *rows = NULL;
        size_t floats = 0;

        read_picture(&avatar, argv[i + 2]);
        if (vlm_encode_concept(v, &avatar, &rows, &floats, &err))
            fail(argv[i + 2], &err);
        image_release(&avatar);
        concept[turn.concepts] = (prompt_concept){ argv[i], argv[i + 1], 1 };
        shown[turn.concepts++] = (session_picture){ .tokens = rows, .floats = floats };
    }
    if (session_open(&s, v, &err))
        fail("a conversation", &err);
    printf("{\"vision\": \"%s\", \"evaluated\": [", vlm_vision_name(v));
    probe.recording = true;
    if (session_ask(s, &turn, &answer, &err))
        fail("the question", &err);
    printf("], \"prompt_tokens\": %d, \"answer_tokens\": %d}\n", answer.prompt_tokens,
           answer.answer_tokens);
    session_answer_release(&answer);
    session_close(s);
    for (int i = 0; i < turn.concepts; i++)
        free((float *)shown[i].tokens);
    image_release(&photo);
    vlm_close(v);
    return 0;
}

static int pixels(char **argv)
{
    vlm *v = open_model(argv[2], argv[3], "mtmd");
    image im = { 0 };
    const session_picture source = { .pixels = &im };
    picture p;
    rap_err err = { 0 };
    FILE *f = fopen(argv[4], "wb");

    if (!f)
        fail(argv[4], NULL);
    read_picture(&im, argv[5]);
    if (picture_init(&p, v, &source, &err))
        fail(argv[5], &err);
    for (size_t i = 0; i < mtmd_input_chunks_size(p.chunks); i++) {
        const mtmd_input_chunk *c = mtmd_input_chunks_get(p.chunks, i);
        int width = 0, height = 0;
        const float *at;

        if (mtmd_input_chunk_get_type(c) != MTMD_INPUT_CHUNK_TYPE_IMAGE)
            continue;
        for (size_t k = 0; (at = rap_mtmd_pixels(c, k, &width, &height)); k++) {
            fwrite(at, sizeof *at, (size_t)width * (size_t)height * 3, f);
            printf("%d %d\n", width, height);
        }
    }
    if (fclose(f) != 0)
        fail(argv[4], NULL);
    picture_release(&p);
    image_release(&im);
    vlm_close(v);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc >= 9 && strcmp(argv[1], "logits") == 0)
        return logits(argc, argv);
    if (argc == 6 && strcmp(argv[1], "pixels") == 0)
        return pixels(argv);
    fprintf(stderr, "usage: vlm_probe logits|pixels ..., see its source\n");
    return 2;
}

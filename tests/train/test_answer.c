/* test_answer.c: a trained adapter changes this project's greedy answers exactly as it changes those of llama.cpp's own loop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "engine/profile.h"
#include "generate/session.h"
#include "generate/vlm_inside.h"
#include "train/train.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 16 };

static char work[] = "/tmp/rap-answer-XXXXXX";

static const char *const talk[][2] = {
    { "Where is the cat?", "On the sofa." },      { "Who owns the mug?", "Kai owns it." },
    { "What does the dog like?", "Red apples." }, { "Is it cold?", "No, it is warm." },
    { "How old is the goat?", "7 years old." },   { "Where do you live?", "Rome." },
    { "Say hello!", "Hello, my friend." },
};
enum { TALKS = sizeof talk / sizeof *talk };

static const char *in(const char *name)
{
    static char path[4][256];
    static int turn;

    turn = (turn + 1) % 4;
    snprintf(path[turn], sizeof path[turn], "%s/%s", work, name);
    return path[turn];
}

static const char *tiny(void)
{
    static char path[256];
    const char *source = getenv("RAP_SOURCE");

    snprintf(path, sizeof path, "%s/models/tiny", source ? source : ".");
    return path;
}

static int start(void **state)
{
    char text[4096];
    size_t len = 0;
    train_options o = TRAIN_OPTIONS_INIT;
    train_result r;
    rap_err err = { 0 };

    if (!mkdtemp(work))
        return 1;
    for (int i = 0; i < TALKS; i++)
        len += (size_t)snprintf(text + len, sizeof text - len,
                                "{\"id\": \"s%d\", \"conversations\": [{\"from\": \"human\", "
                                "\"value\": \"%s\"}, {\"from\": \"gpt\", \"value\": \"%s\"}]}\n",
                                i, talk[i][0], talk[i][1]);
    assert_int_equal(file_write(in("set.jsonl"), text, len, NULL), RAP_OK);
    o.data = in("set.jsonl");
    o.folder = in("out");
    o.profile = tiny();
    o.lora = (const char *const[]){ NULL }; /* of the base */
    o.rank = 16;
    o.alpha = 32;
    o.dropout = 0;
    o.lr = 5e-3;
    o.batch = TALKS;
    o.epochs = 60;
    if (train_run(&r, &o, &err))
        print_message("%s\n", err.text);
    return err.status;
}

static int end(void **state)
{
    char command[300];

    snprintf(command, sizeof command, "rm -rf '%s'", work);
    return system(command);
}

/* The tiny profile's model, with the adapter or without. */
static vlm *open_model(bool adapted)
{
    profile *p = NULL;
    vlm *v = NULL;
    rap_err err = { 0 };
    vlm_lora adapter = { in("out/adapter.gguf"), 1 };
    vlm_options o = { .lora = &adapter, .loras = adapted, .threads = 1 };

    assert_int_equal(profile_open(&p, tiny(), NULL), RAP_OK);
    o.model = p->llm.path;
    o.style = p->style;
    o.turns = p->turns;
    if (vlm_open(&v, &o, &err))
        fail_msg("%s", err.text);
    profile_close(p);
    return v;
}

/* The prompt's tokens, as the session has them. */
static void tokens_of(token_list *out, const vlm *v, const char *question)
{
    prompt p = { 0 };
    llama_token begin = llama_vocab_bos(v->tokens.vocab);

    *out = (token_list){ .token = NULL };
    assert_int_equal(prompt_build(&p, &v->style.turns, false, NULL, 0, question, 1, NULL), RAP_OK);
    if (llama_vocab_get_add_bos(v->tokens.vocab))
        assert_int_equal(token_list_add(out, begin, NULL), RAP_OK);
    assert_int_equal(tokenize_prompt(out, &v->tokens, &p, NULL), RAP_OK);
    prompt_release(&p);
}

/* What llama.cpp alone says, the likeliest token each time. */
static void say_by_llama(char *out, size_t size, const token_list *tokens, const char *model_path,
                         const char *adapter)
{
    struct llama_model *model =
        llama_model_load_from_file(model_path, llama_model_default_params());
    struct llama_context_params cp = llama_context_default_params();
    struct llama_adapter_lora *lora = NULL;
    const struct llama_vocab *vocab;
    struct llama_context *ctx;
    llama_token next;

    assert_non_null(model);
    cp.n_ctx = 256;
    cp.n_threads = cp.n_threads_batch = 1;
    ctx = llama_init_from_model(model, cp);
    assert_non_null(ctx);
    vocab = llama_model_get_vocab(model);
    if (adapter) {
        lora = llama_adapter_lora_init(model, adapter);
        assert_non_null(lora);
        assert_int_equal(llama_set_adapters_lora(ctx, &lora, 1, &(float){ 1 }), 0);
    }
    assert_int_equal(llama_decode(ctx, llama_batch_get_one(tokens->token, (int)tokens->count)), 0);
    *out = '\0';
    for (int i = 0; i < MOST; i++) {
        const float *logits = llama_get_logits_ith(ctx, -1);
        size_t len = strlen(out);
        int n;

        next = 0;
        for (llama_token k = 1; k < llama_vocab_n_tokens(vocab); k++)
            next = logits[k] > logits[next] ? k : next;
        if (llama_vocab_is_eog(vocab, next))
            break;
        n = llama_token_to_piece(vocab, next, out + len, (int)(size - len) - 1, 0, false);
        assert_true(n >= 0);
        out[len + (size_t)n] = '\0';
        assert_int_equal(llama_decode(ctx, llama_batch_get_one(&next, 1)), 0);
    }
    llama_free(ctx);
    llama_model_free(model);
}

static const char *without_spaces(const char *text)
{
    return text + strspn(text, " ");
}

static void answers_change_as_llama_cpps(void **state)
{
    char path[600];
    int changed = 0;

    snprintf(path, sizeof path, "%s/model.gguf", tiny());
    for (int adapted = 0; adapted < 2; adapted++) {
        vlm *v = open_model(adapted);

        for (int i = 0; i < TALKS; i++) {
            session_turn turn = { .question = talk[i][0], .max_tokens = MOST };
            session_answer a = { .text = NULL };
            token_list tokens;
            session *s = NULL;
            char theirs[1024];

            tokens_of(&tokens, v, talk[i][0]);
            say_by_llama(theirs, sizeof theirs, &tokens, path,
                         adapted ? in("out/adapter.gguf") : NULL);
            assert_int_equal(session_open(&s, v, NULL), RAP_OK);
            assert_int_equal(session_ask(s, &turn, &a, NULL), RAP_OK);
            assert_int_equal(a.prompt_tokens, tokens.count);
            assert_string_equal(without_spaces(a.text), without_spaces(theirs));
            if (adapted)
                assert_string_equal(without_spaces(a.text), talk[i][1]);
            else
                changed += strcmp(without_spaces(a.text), talk[i][1]) != 0;
            session_answer_release(&a);
            session_close(s);
            token_list_release(&tokens);
        }
        vlm_close(v);
    }
    printf("  %d of %d answers changed\n", changed, TALKS);
    assert_int_equal(changed, TALKS);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(answers_change_as_llama_cpps) };

    return cmocka_run_group_tests(tests, start, end);
}

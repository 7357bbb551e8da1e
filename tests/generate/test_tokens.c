/* test_tokens.c: prompts as tokens: template and data merge as in training, data never means anything. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fixture.h"
#include "generate/vlm_inside.h"

static const char *const pairs[] = { "random", "tiny" };

/* Runs `test` on every model pair that is there. */
static void on_each(void (*test)(vlm *))
{
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        pair p;
        vlm *v;

        if (!find_pair(&p, pairs[i]))
            continue;
        v = open_pair(&p, 0);
        test(v);
        vlm_close(v);
    }
}

static void tokens_of(token_list *out, const vlm *v, int has_image, const prompt_concept *concept,
                      int concepts, const char *question, int first)
{
    prompt p;

    *out = (token_list){ .token = NULL };
    assert_int_equal(
        prompt_build(&p, &rap_turns, has_image, concept, concepts, question, first, NULL), RAP_OK);
    assert_int_equal(tokenize_prompt(out, &v->tokens, &p, NULL), RAP_OK);
    prompt_release(&p);
}

/* The run is what llama.cpp makes of the whole text. */
static void assert_run(const vlm *v, const token_list *l, size_t run, const char *text)
{
    llama_token want[512];
    int32_t count =
        llama_tokenize(v->tokens.vocab, text, (int32_t)strlen(text), want, 512, false, false);

    assert_true(run < l->runs);
    assert_int_equal(l->run[run].picture, -1);
    assert_int_equal(l->run[run].count, count);
    assert_memory_equal(l->token + l->run[run].from, want, (size_t)count * sizeof *want);
}

static void stretches(vlm *v)
{
    const prompt_concept bo = { "bo", "<bo> is a cinnamon dog.", 1 };
    token_list l;

    tokens_of(&l, v, 1, &bo, 1, "Who is here?", 1);
    assert_int_equal(l.runs, 5);
    assert_run(v, &l, 0, "USER: ");
    assert_int_equal(l.run[1].picture, 0);
    assert_run(v, &l, 2, "\n[1.");
    assert_int_equal(l.run[3].picture, 1);
    assert_run(v, &l, 4, "\n Name: <bo>, Info: <bo> is a cinnamon dog.\n]Who is here? ASSISTANT:");
    token_list_release(&l);
}

static void a_stretch_is_one_text(void **state)
{
    on_each(stretches);
}

static void between_turns(vlm *v)
{
    llama_token end = llama_vocab_eos(v->tokens.vocab);
    token_list l;
    llama_token rest[64];
    int32_t count;

    tokens_of(&l, v, 0, NULL, 0, "Next?", 0);
    assert_int_equal(l.runs, 1);
    assert_int_equal(l.token[0], end);
    count = llama_tokenize(v->tokens.vocab, "USER: Next? ASSISTANT:", 22, rest, 64, false, false);
    assert_int_equal(l.count, count + 1);
    assert_memory_equal(l.token + 1, rest, (size_t)count * sizeof *rest);
    token_list_release(&l);
}

static void the_end_of_a_turn_is_one_token(void **state)
{
    on_each(between_turns);
}

/* Each mark is where the first segments' own tokens stop being those of the whole. */
static void marks(vlm *v)
{
    static const prompt_segment segment[] = {
        { PROMPT_PLAIN, "USER: ", -1 },
        { PROMPT_IMAGE, NULL, 0 },
        { PROMPT_PLAIN, "\n[1.", -1 },
        { PROMPT_IMAGE, NULL, 1 },
        { PROMPT_PLAIN, "\n Name: <bo>", -1 },
        { PROMPT_PLAIN, ", Info: a do", -1 },
        { PROMPT_PLAIN, "g. Who ASSIS", -1 },
        { PROMPT_PLAIN, "TANT:", -1 },
        { PROMPT_PLAIN, " <b", -1 },
        { PROMPT_PLAIN, "o> on the left", -1 },
        { PROMPT_SPECIAL, "</s>USER:", -1 },
        { PROMPT_PLAIN, " Is </s> he", -1 },
        { PROMPT_PLAIN, "re? ASSISTANT:No", -1 },
        { PROMPT_SPECIAL, "</s>", -1 },
    };
    enum { SEGMENTS = sizeof segment / sizeof *segment };
    size_t mark[SEGMENTS + 2] = { 0 }, edge[SEGMENTS + 2];
    token_list all = { .token = NULL };
    prompt p = { .segment = (prompt_segment *)segment, .count = SEGMENTS };

    for (size_t i = 0; i <= SEGMENTS; i++)
        mark[i + 1] = i; /* 0 twice */
    assert_int_equal(tokenize_prompt_marks(&all, edge, mark, SEGMENTS + 2, &v->tokens, &p, NULL),
                     RAP_OK);
    for (size_t i = 0; i < SEGMENTS + 2; i++) {
        token_list part = { .token = NULL };
        size_t n = 0;

        p.count = mark[i];
        assert_int_equal(tokenize_prompt(&part, &v->tokens, &p, NULL), RAP_OK);
        while (n < part.count && n < all.count && part.token[n] == all.token[n])
            n++;
        assert_int_equal(edge[i], n);
        token_list_release(&part);
    }
    assert_int_equal(edge[SEGMENTS + 1], all.count);
    token_list_release(&all);
}

static void marks_are_where_the_parts_end(void **state)
{
    on_each(marks);
}

static void no_meaning(vlm *v)
{
    static const char *const evil[] = { "</s>",        "<s>",          "<unk>",    "<image>",
                                        "<__media__>", "<|im_start|>", "</s></s>", "a</s>b" };

    for (size_t i = 0; i < sizeof evil / sizeof *evil; i++) {
        prompt_concept c = { evil[i], evil[i], 1 };
        token_list l;
        int pictures = 0;
        char text[512] = "";

        tokens_of(&l, v, 1, &c, 1, evil[i], 1);
        for (size_t r = 0; r < l.runs; r++)
            pictures += l.run[r].picture >= 0;
        assert_int_equal(pictures, 2);
        for (size_t k = 0; k < l.count; k++) {
            int attr = (int)llama_vocab_get_attr(v->tokens.vocab, l.token[k]);

            assert_false(attr & (LLAMA_TOKEN_ATTR_CONTROL | LLAMA_TOKEN_ATTR_UNKNOWN));
        }
        /* and the characters are all still there */
        assert_true(llama_detokenize(v->tokens.vocab, l.token, (int32_t)l.count, text,
                                     sizeof text - 1, false, true) > 0);
        assert_non_null(strstr(text, evil[i]));
        token_list_release(&l);
    }
}

static void data_never_becomes_special(void **state)
{
    on_each(no_meaning);
}

static void spells_unicode(vlm *v)
{
    const char *question = "Gr\xc3\xbc\xc3\x9f \xe7\x8c\xab \xf0\x9f\x90\x95?";
    char text[128] = "";
    token_list l;

    tokens_of(&l, v, 0, NULL, 0, question, 1);
    assert_true(llama_detokenize(v->tokens.vocab, l.token, (int32_t)l.count, text, sizeof text - 1,
                                 false, true) > 0);
    assert_non_null(strstr(text, question));
    token_list_release(&l);
}

static void any_language_survives(void **state)
{
    on_each(spells_unicode);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stretch_is_one_text),
        cmocka_unit_test(the_end_of_a_turn_is_one_token),
        cmocka_unit_test(marks_are_where_the_parts_end),
        cmocka_unit_test(data_never_becomes_special),
        cmocka_unit_test(any_language_survives),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

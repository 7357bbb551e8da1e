/* test_session.c: conversations: answers repeat, later turns are cheap, concepts fall out of a short
 * context, a failed turn leaves no trace. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/text.h"
#include "base/threads.h"
#include "fixture.h"
#include "generate/session.h"

static const char *const pairs[] = { "random", "tiny" };

static void on_each(void (*test)(const pair *))
{
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        pair p;

        if (find_pair(&p, pairs[i]))
            test(&p);
    }
}

static const prompt_concept three[] = {
    { "bo", "<bo> is a cinnamon dog.", 1 },
    { "mia", "<mia> is a grey cat.", 1 },
    { "kit", "<kit> is a blue mug.", 1 },
};

typedef struct album {
    image im[4];
    session_picture pixels[4], stored[4];
} album;

static void album_open(album *a, vlm *v)
{
    for (unsigned i = 0; i < 4; i++) {
        float *tokens = NULL;
        size_t floats = 0;

        a->im[i] = make_picture(160, 120 + (int)i * 40, i);
        assert_int_equal(vlm_encode(v, &a->im[i], &tokens, &floats, NULL), RAP_OK);
        a->pixels[i] = (session_picture){ .pixels = &a->im[i] };
        a->stored[i] = (session_picture){ .tokens = tokens, .floats = floats };
    }
}

static void album_close(album *a)
{
    for (int i = 0; i < 4; i++) {
        free(a->im[i].rgb);
        free((float *)a->stored[i].tokens);
    }
}

static void ask(session *s, const session_turn *turn, session_answer *out)
{
    rap_err err = { 0 };

    if (session_ask(s, turn, out, &err))
        fail_msg("%s", err.text);
    assert_true(text_is_utf8(out->text));
}

/* ---- */

static void encodes(const pair *p)
{
    vlm *v = open_pair(p, 0);
    image im = make_picture(100, 100, 3);
    float *one = NULL, *two = NULL;
    size_t floats = 0, again = 0;

    assert_true(vlm_has_vision(v));
    assert_int_equal(vlm_encode(v, &im, &one, &floats, NULL), RAP_OK);
    assert_int_equal(vlm_encode(v, &im, &two, &again, NULL), RAP_OK);
    if (strcmp(p->name, "random") == 0)
        assert_int_equal(floats, 3 + 36 * 128); /* a header, then its tokens */
    assert_true(vlm_fits_tokens(v, one, floats));
    assert_int_equal(floats, again);
    assert_memory_equal(one, two, floats * sizeof *one);
    free(one);
    free(two);
    free(im.rgb);
    vlm_close(v);
}

static void a_picture_becomes_rows(void **state)
{
    on_each(encodes);
}

static void odd_sizes(const pair *p)
{
    static const int sides[][2] = { { 1, 1 }, { 1, 3000 }, { 3000, 1 }, { 17, 5 }, { 128, 128 } };
    vlm *v = open_pair(p, 0);

    for (size_t i = 0; i < sizeof sides / sizeof *sides; i++) {
        image im = make_picture(sides[i][0], sides[i][1], 2);
        float *tokens = NULL;
        size_t floats = 0;

        assert_int_equal(vlm_encode(v, &im, &tokens, &floats, NULL), RAP_OK);
        assert_true(floats > 0);
        free(tokens);
        free(im.rgb);
    }
    vlm_close(v);
}

static void pictures_of_any_size_are_taken(void **state)
{
    on_each(odd_sizes);
}

/* Stored tokens are as good as pixels, and save the tower's work. */
static void same_answers(const pair *p)
{
    vlm *v = open_pair(p, 0);
    album a;
    session_answer from_pixels, from_stored;
    session_turn turn = {
        .concept = three, .concepts = 3, .question = "What is in the picture?", .max_tokens = 24
    };
    session *s = NULL;

    album_open(&a, v);
    turn.query = &a.pixels[0];
    turn.concept_picture = &a.pixels[1];
    assert_int_equal(session_open(&s, v, NULL), RAP_OK);
    ask(s, &turn, &from_pixels);
    session_close(s);
    turn.concept_picture = &a.stored[1];
    assert_int_equal(session_open(&s, v, NULL), RAP_OK);
    ask(s, &turn, &from_stored);
    session_close(s);

    assert_string_equal(from_pixels.text, from_stored.text);
    assert_int_equal(from_pixels.images_encoded, 4);
    assert_int_equal(from_stored.images_encoded, 1);
    assert_int_equal(from_pixels.prompt_tokens, from_stored.prompt_tokens);
    assert_int_equal(from_stored.dropped, 0);
    session_answer_release(&from_pixels);
    session_answer_release(&from_stored);
    album_close(&a);
    vlm_close(v);
}

static void stored_tokens_answer_like_pixels(void **state)
{
    on_each(same_answers);
}

static void follow_up(const pair *p)
{
    vlm *v = open_pair(p, 0);
    album a;
    session_answer first, second;
    session_turn turn = { .concept = three,
                          .concepts = 3,
                          .question = "Describe the picture in detail.",
                          .max_tokens = 16 };
    session_turn next = { .question = "Why?", .max_tokens = 16 };
    session *s = NULL;
    double start = clock_ms();

    album_open(&a, v);
    turn.query = &a.pixels[0];
    turn.concept_picture = &a.stored[1];
    assert_int_equal(session_open(&s, v, NULL), RAP_OK);
    printf("%s: album and session %.1f ms\n", p->name, clock_ms() - start);
    start = clock_ms();
    ask(s, &turn, &first);
    printf("%s: first turn %d prompt tokens, first token %.1f ms, %d tokens in %.1f ms: %s\n",
           p->name, first.prompt_tokens, first.first_token_ms, first.answer_tokens,
           clock_ms() - start, first.text);
    start = clock_ms();
    ask(s, &next, &second);
    printf("%s: later turn %d prompt tokens, first token %.1f ms, %d tokens in %.1f ms\n", p->name,
           second.prompt_tokens, second.first_token_ms, second.answer_tokens, clock_ms() - start);
    assert_true(second.prompt_tokens * 4 < first.prompt_tokens);
    assert_int_equal(second.images_encoded, 0);
    session_answer_release(&first);
    session_answer_release(&second);
    session_close(s);
    album_close(&a);
    vlm_close(v);
}

static void a_later_turn_feeds_only_what_is_new(void **state)
{
    on_each(follow_up);
}

/* A kept memory answers as a fresh one does that is told everything again. */
static void remembers(const pair *p)
{
    vlm *v = open_pair(p, 0);
    session_turn one = { .question = "My dog is called Rex.", .max_tokens = 8 };
    session_turn two = { .question = "What is my dog called?", .max_tokens = 8 };
    session_answer a, b, c, d;
    session *s = NULL;

    assert_int_equal(session_open(&s, v, NULL), RAP_OK);
    ask(s, &one, &a);
    ask(s, &two, &b);
    session_close(s);
    assert_int_equal(session_open(&s, v, NULL), RAP_OK);
    ask(s, &one, &c);
    ask(s, &two, &d);
    assert_string_equal(a.text, c.text);
    assert_string_equal(b.text, d.text);
    session_close(s);
    session_answer_release(&a);
    session_answer_release(&b);
    session_answer_release(&c);
    session_answer_release(&d);
    vlm_close(v);
}

static void conversations_repeat(void **state)
{
    on_each(remembers);
}

/* What the first turn takes with so many concepts, and how many of them with their pictures. */
static int prompt_size(vlm *v, const album *a, int concepts, int pictures)
{
    session_picture shown[3] = { { 0 } };
    session_turn turn = { .query = &a->pixels[0],
                          .concept = three,
                          .concept_picture = shown,
                          .concepts = concepts,
                          .question = "Who?",
                          .max_tokens = 4 };
    session_answer answer;
    session *s = NULL;
    int size;

    memcpy(shown, &a->stored[1], (size_t)pictures * sizeof *shown);
    assert_int_equal(session_open(&s, v, NULL), RAP_OK);
    ask(s, &turn, &answer);
    size = answer.prompt_tokens;
    session_answer_release(&answer);
    session_close(s);
    return size;
}

/* Asks with three concepts where `context` tokens are all there is, or `budget` all that concepts may take. */
static void expect_dropped(const pair *p, const album *a, int context, int budget, int dropped,
                           int pictures)
{
    vlm *v = open_pair(p, context);
    session_turn turn = { .query = &a->pixels[0],
                          .concept = three,
                          .concept_picture = &a->stored[1],
                          .concepts = 3,
                          .concept_budget = budget,
                          .question = "Who?",
                          .max_tokens = 4 };
    session_answer answer;
    session *s = NULL;

    assert_int_equal(session_open(&s, v, NULL), RAP_OK);
    ask(s, &turn, &answer);
    assert_int_equal(answer.dropped, dropped);
    assert_int_equal(answer.pictures_dropped, pictures);
    session_answer_release(&answer);
    session_close(s);
    vlm_close(v);
}

/* Pictures go before texts, from the last concept on. */
static void drops(const pair *p)
{
    vlm *v = open_pair(p, 0);
    session_turn turn = { .question = "Who?", .max_tokens = 4 };
    session_answer answer;
    session *s = NULL;
    rap_err err = { 0 };
    int none, texts, one, two, all, first;
    album a;

    album_open(&a, v);
    none = prompt_size(v, &a, 0, 0);
    first = prompt_size(v, &a, 1, 0);
    texts = prompt_size(v, &a, 3, 0);
    one = prompt_size(v, &a, 3, 1);
    two = prompt_size(v, &a, 3, 2);
    all = prompt_size(v, &a, 3, 3);
    vlm_close(v);
    assert_true(none < first && first < texts && texts < one && one < two && two < all);

    expect_dropped(p, &a, all + 8, 0, 0, 0);
    expect_dropped(p, &a, all + 3, 0, 0, 1);
    expect_dropped(p, &a, one + 4, 0, 0, 2);
    expect_dropped(p, &a, texts + 4, 0, 0, 3);
    expect_dropped(p, &a, texts + 3, 0, 1, 2);
    expect_dropped(p, &a, first + 4, 0, 2, 1);
    expect_dropped(p, &a, none + 4, 0, 3, 0);
    expect_dropped(p, &a, 0, all - none, 0, 0);
    expect_dropped(p, &a, 0, two - none, 0, 1);
    expect_dropped(p, &a, 0, texts - none, 0, 3);
    expect_dropped(p, &a, 0, 1, 3, 0);

    v = open_pair(p, none + 4); /* the same again does not fit */
    turn.query = &a.pixels[0];
    assert_int_equal(session_open(&s, v, NULL), RAP_OK);
    ask(s, &turn, &answer);
    session_answer_release(&answer);
    assert_int_equal(session_ask(s, &turn, &answer, &err), RAP_E_LIMIT);
    assert_non_null(strstr(err.text, "context"));
    assert_null(answer.text);
    session_close(s);
    album_close(&a);
    vlm_close(v);
}

/* Two conversations at once do not hear each other, and a new one knows nothing of a closed one. */
static void apart(const pair *p)
{
    vlm *v = open_pair(p, 0);
    session_turn one = { .question = "My dog is called Rex.", .max_tokens = 6 };
    session_turn two = { .question = "What is the cat called?", .max_tokens = 6 };
    session_answer a[4];
    session *s = NULL, *other = NULL;

    assert_int_equal(session_open(&s, v, NULL), RAP_OK);
    assert_int_equal(session_open(&other, v, NULL), RAP_OK);
    ask(s, &two, &a[0]);
    ask(other, &one, &a[1]);
    ask(other, &two, &a[2]);
    session_close(other);
    session_close(s);
    assert_int_equal(session_open(&s, v, NULL), RAP_OK);
    ask(s, &two, &a[3]);
    session_close(s);
    assert_string_equal(a[0].text, a[3].text);
    assert_int_equal(a[0].prompt_tokens, a[3].prompt_tokens);
    for (int i = 0; i < 4; i++)
        session_answer_release(&a[i]);
    vlm_close(v);
}

static void conversations_are_apart(void **state)
{
    on_each(apart);
}

static void concepts_fall_out_of_a_short_context(void **state)
{
    on_each(drops);
}

/* ---- */

static int stop_at_once(const char *text, size_t len, void *payload)
{
    ++*(int *)payload;
    return 1;
}

static void stops(const pair *p)
{
    vlm *v = open_pair(p, 0);
    int calls = 0;
    session_turn turn = { .question = "Tell me a story.",
                          .max_tokens = 64,
                          .sampling = { .temperature = 1.0f },
                          .on_token = stop_at_once,
                          .payload = &calls };
    session_answer a;
    session *s = NULL;

    assert_int_equal(session_open(&s, v, NULL), RAP_OK);
    ask(s, &turn, &a);
    assert_true(calls <= 1);
    assert_true(calls == 0 || a.finish == RAP_FINISH_LISTENER);
    assert_true(a.answer_tokens < 64);
    session_answer_release(&a);
    turn.on_token = NULL;
    turn.max_tokens = 4; /* the conversation goes on */
    ask(s, &turn, &a);
    session_answer_release(&a);
    session_close(s);
    vlm_close(v);
}

static void a_listener_stops_the_answer(void **state)
{
    on_each(stops);
}

static int join(const char *text, size_t len, void *payload)
{
    buf_add(payload, text, len);
    return 0;
}

static void samples(const pair *p)
{
    vlm *v = open_pair(p, 0);
    buf streamed = BUF_INIT;
    session_turn turn = { .question = "Tell me a story.",
                          .max_tokens = 32,
                          .sampling = { .temperature = 1.5f, .seed = 7 },
                          .on_token = join,
                          .payload = &streamed };
    session_answer a, b;
    session *s = NULL;

    assert_int_equal(session_open(&s, v, NULL), RAP_OK);
    ask(s, &turn, &a);
    session_close(s);
    assert_string_equal(buf_text(&streamed), a.text);
    turn.on_token = NULL;
    assert_int_equal(session_open(&s, v, NULL), RAP_OK);
    ask(s, &turn, &b);
    session_close(s);
    assert_string_equal(a.text, b.text);
    session_answer_release(&a);
    session_answer_release(&b);
    buf_release(&streamed);
    vlm_close(v);
}

/* The first token is the likeliest where nothing else is left to choose from, and a penalty turns text away from
 * repeating itself. */
static void chooses(const pair *p)
{
    vlm *v = open_pair(p, 0);
    session_turn turn = { .question = "Tell me a story.", .max_tokens = 32 };
    session_answer greedy, narrow, penalised;
    session *s = NULL;

    assert_int_equal(session_open(&s, v, NULL), RAP_OK);
    ask(s, &turn, &greedy);
    session_close(s);
    turn.sampling = (sampling){ .temperature = 2, .top_k = 1, .seed = 3 };
    assert_int_equal(session_open(&s, v, NULL), RAP_OK);
    ask(s, &turn, &narrow);
    session_close(s);
    assert_string_equal(narrow.text, greedy.text);
    turn.sampling = (sampling){ .repeat_penalty = 5 };
    assert_int_equal(session_open(&s, v, NULL), RAP_OK);
    ask(s, &turn, &penalised);
    session_close(s);
    assert_true(greedy.finish == RAP_FINISH_STOP || greedy.answer_tokens == 32);
    if (strcmp(p->name, "random") == 0)
        assert_string_not_equal(penalised.text, greedy.text);
    session_answer_release(&greedy);
    session_answer_release(&narrow);
    session_answer_release(&penalised);
    vlm_close(v);
}

static void tokens_are_chosen_as_asked(void **state)
{
    on_each(chooses);
}

/* The memory grows beyond what it began with, and the conversation goes on as if it had been large from the start. */
static void grows(const pair *p)
{
    enum { WORDS = 1200 };
    vlm *v = open_pair(p, 9000);
    char *text = malloc(2 * WORDS + 1);
    session_turn one = { .question = "My dog is called Rex.", .max_tokens = 4 };
    session_turn two = { .question = text, .max_tokens = 4 };
    session_answer a;
    session *s = NULL;

    assert_non_null(text);
    for (int i = 0; i < WORDS; i++)
        memcpy(text + 2 * i, "a ", 3);
    assert_int_equal(session_open(&s, v, NULL), RAP_OK);
    ask(s, &one, &a);
    session_answer_release(&a);
    ask(s, &two, &a);
    session_answer_release(&a);
    ask(s, &two, &a);
    assert_true(a.prompt_tokens > 1000);
    session_answer_release(&a);
    session_close(s);
    free(text);
    vlm_close(v);
}

static void a_conversation_outgrows_its_first_memory(void **state)
{
    on_each(grows);
}

static void a_seed_repeats_its_answer(void **state)
{
    on_each(samples);
}

static void refusals(const pair *p)
{
    vlm *v = open_pair(p, 0);
    session_turn turn = { .question = "" };
    session_answer a;
    session *s = NULL;
    session_picture odd = { .tokens = (float[3]){ 0 }, .floats = 3 };

    assert_int_equal(session_open(&s, v, NULL), RAP_OK);
    assert_int_equal(session_ask(s, &turn, &a, NULL), RAP_E_ARGUMENT);
    turn.question = "\xff";
    assert_int_equal(session_ask(s, &turn, &a, NULL), RAP_E_ARGUMENT);
    turn.question = "Who?";
    turn.query = &odd;
    assert_int_equal(session_ask(s, &turn, &a, NULL), RAP_E_ARGUMENT);
    session_close(s);
    vlm_close(v);
}

static void bad_turns_are_refused(void **state)
{
    on_each(refusals);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_picture_becomes_rows),
        cmocka_unit_test(pictures_of_any_size_are_taken),
        cmocka_unit_test(stored_tokens_answer_like_pixels),
        cmocka_unit_test(a_later_turn_feeds_only_what_is_new),
        cmocka_unit_test(conversations_repeat),
        cmocka_unit_test(conversations_are_apart),
        cmocka_unit_test(concepts_fall_out_of_a_short_context),
        cmocka_unit_test(a_listener_stops_the_answer),
        cmocka_unit_test(a_seed_repeats_its_answer),
        cmocka_unit_test(tokens_are_chosen_as_asked),
        cmocka_unit_test(a_conversation_outgrows_its_first_memory),
        cmocka_unit_test(bad_turns_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

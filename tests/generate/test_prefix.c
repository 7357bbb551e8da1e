/* test_prefix.c: starts of prompts that are kept (src/generate/prefix.c, kept.c, decoder.c): found again by their steps,
 * in memory and on a shelf, with the same answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fixture.h"
#include "generate/prefix.h"
#include "generate/session.h"

/* ---- steps and states ---- */

static void fill(prefix *p, const char *text)
{
    *p = (prefix){ .step = NULL };
    for (; *text; text++)
        assert_int_equal(
            prefix_add(p, (prefix_step){ *text == '?' ? 0 : (uint64_t)*text, 2, 1 }, NULL), RAP_OK);
}

static void common_starts(void **state)
{
    prefix a, b, c;

    fill(&a, "abcd");
    fill(&b, "abxd");
    fill(&c, "a?cd");
    assert_int_equal(prefix_common(&a, &a), 4);
    assert_int_equal(prefix_common(&a, &b), 2);
    assert_int_equal(prefix_common(&c, &c),
                     1); /* an unknown picture is like no other, itself included */
    assert_int_equal(prefix_cells(&a, 3), 6);
    assert_int_equal(prefix_positions(&a, 3), 3);
    b.step[0].cells = 1;
    assert_int_equal(prefix_common(&a, &b), 0);
    prefix_release(&a);
    prefix_release(&b);
    prefix_release(&c);
}

static void keep(kept_states *k, const char *text, size_t size)
{
    uint8_t *bytes = malloc(size);
    prefix p;

    assert_non_null(bytes);
    fill(&p, text);
    kept_add(k, &p, p.count, bytes, size);
    prefix_release(&p);
}

/* How many steps of the best state. */
static size_t find(kept_states *k, const char *text, bool exact)
{
    prefix p;
    size_t common;

    fill(&p, text);
    if (!kept_find(&common, k, &p, exact))
        assert_int_equal(common, 0);
    prefix_release(&p);
    return common;
}

static void states_are_bounded(void **state)
{
    kept_states k = { .limit = 100 };

    keep(&k, "abc", 40);
    keep(&k, "abd", 40);
    assert_int_equal(find(&k, "abcz", false), 3);
    assert_int_equal(find(&k, "abz", false), 2);
    assert_int_equal(find(&k, "abz", true), 0);
    assert_int_equal(find(&k, "abc", true), 3);
    keep(&k, "xyz", 30); /* "abd" was used longer ago */
    assert_int_equal(find(&k, "abdd", false), 2);
    assert_int_equal(find(&k, "abcc", false), 3);
    keep(&k, "pqr", 101); /* larger than all may be */
    assert_int_equal(find(&k, "pqr", false), 0);
    assert_true(k.bytes <= k.limit);
    for (int i = 0; i < 3 * KEPT_MOST; i++)
        keep(&k, (char[]){ (char)(33 + i), 0 }, 1);
    assert_int_equal(k.count, KEPT_MOST);
    kept_clear(&k);
    assert_int_equal(k.count + k.bytes, 0);
}

/* ---- conversations ---- */

static const prompt_concept concepts[] = {
    { "bo", "<bo> is a cinnamon dog.", 1 },
    { "mia", "<mia> is a grey cat.", 1 },
    { "kit", "<kit> is a blue mug.", 1 },
};

typedef struct album {
    image im[5];
    session_picture photo[2], shown[3];
} album;

static void album_open(album *a, vlm *v)
{
    for (unsigned i = 0; i < 5; i++) {
        float *tokens = NULL;
        size_t floats = 0;

        a->im[i] = make_picture(96, 96, i);
        if (i < 2) {
            a->photo[i] = (session_picture){ .pixels = &a->im[i] };
            continue;
        }
        assert_int_equal(vlm_encode(v, &a->im[i], &tokens, &floats, NULL), RAP_OK);
        a->shown[i - 2] = (session_picture){ .tokens = tokens, .floats = floats };
    }
}

static void album_close(album *a)
{
    for (int i = 0; i < 5; i++)
        free(a->im[i].rgb);
    for (int i = 0; i < 3; i++)
        free((float *)a->shown[i].tokens);
}

static vlm *open_memory_first(const pair *p)
{
    vlm_options o = {
        .model = p->model, .mmproj = p->mmproj, .style = "rap", .turns = rap_turns, .threads = 2
    };
    rap_err err = { 0 };
    vlm *v = NULL;

    o.turns.memory_first = 1;
    if (vlm_open(&v, &o, &err))
        fail_msg("%s", err.text);
    return v;
}

/* Asks about the first `count` concepts in a conversation of its own. */
static session_answer ask(vlm *v, const album *a, int photo, int count, const char *question,
                          const prefix_shelf *shelf)
{
    const session_turn turn = { .query = photo < 0 ? NULL : &a->photo[photo],
                                .concept = concepts,
                                .concept_picture = a->shown,
                                .concepts = count,
                                .question = question,
                                .max_tokens = 6,
                                .shelf = shelf };
    session_answer out;
    session *s = NULL;
    rap_err err = { 0 };

    assert_int_equal(session_open(&s, v, &err), RAP_OK);
    if (session_ask(s, &turn, &out, &err))
        fail_msg("%s", err.text);
    session_close(s);
    return out;
}

static void expect_same(session_answer *got, const session_answer *want)
{
    assert_string_equal(got->text, want->text);
    assert_int_equal(got->prompt_tokens, want->prompt_tokens);
    session_answer_release(got);
}

/* Sets of concepts in turns: each is evaluated once. */
static void sets_in_turns(const pair *p)
{
    vlm *v = open_memory_first(p);
    session_answer two, one, again;
    album a;

    album_open(&a, v);
    two = ask(v, &a, 0, 2, "Who is it?", NULL);
    assert_int_equal(two.kept_tokens, 0);
    one = ask(v, &a, 0, 1, "Who is it?", NULL); /* begins alike */
    assert_true(one.kept_tokens > 0);
    again = ask(v, &a, -1, 0, "Something else?", NULL);
    session_answer_release(&again);
    again = ask(v, &a, 0, 2, "Who is it?", NULL);
    /* All but the photo and the question. */
    assert_true(again.kept_tokens > one.kept_tokens);
    assert_true(again.kept_tokens < again.prompt_tokens);
    assert_int_equal(again.images_encoded, 1);
    expect_same(&again, &two);
    again = ask(v, &a, -1, 2, "Who is mine?", NULL); /* without a photo it begins with the same */
    assert_true(again.kept_tokens * 2 > again.prompt_tokens);
    session_answer_release(&again);
    again = ask(v, &a, 0, 1, "Who is it?", NULL);
    expect_same(&again, &one);
    vlm_forget(v);
    again = ask(v, &a, 0, 2, "Who is it?", NULL);
    assert_int_equal(again.kept_tokens, 0);
    expect_same(&again, &two);
    session_answer_release(&one);
    session_answer_release(&two);
    album_close(&a);
    vlm_close(v);
}

static void on_each(void (*test)(const pair *))
{
    static const char *const pairs[] = { "random", "tiny" };
    pair p;

    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (find_pair(&p, pairs[i]))
            test(&p);
}

static void sets_of_concepts_are_kept(void **state)
{
    on_each(sets_in_turns);
}

/* What was said of a concept before it was forgotten does not stay behind. */
static void forgotten_meanwhile(const pair *p)
{
    vlm *v = open_memory_first(p);
    session_answer out;
    session *s = NULL;
    album a;

    album_open(&a, v);
    const session_turn turn = { .query = &a.photo[0],
                                .concept = concepts,
                                .concept_picture = a.shown,
                                .concepts = 2,
                                .question = "Who is it?",
                                .max_tokens = 2 };

    assert_int_equal(session_open(&s, v, NULL), RAP_OK);
    vlm_forget(v);
    assert_int_equal(session_ask(s, &turn, &out, NULL), RAP_OK);
    session_answer_release(&out);
    session_close(s);
    out = ask(v, &a, 0, 2, "Who is it?", NULL);
    assert_int_equal(out.kept_tokens, 0);
    session_answer_release(&out);
    album_close(&a);
    vlm_close(v);
}

static void what_was_forgotten_is_dropped(void **state)
{
    on_each(forgotten_meanwhile);
}

/* ---- the shelf ---- */

typedef struct made_shelf {
    prefix_shelf base;
    char name[65];
    uint8_t *bytes;
    size_t size;
    int gets, puts, drops;
} made_shelf;

static uint8_t *shelf_get(void *payload, const char *name, size_t *out_size)
{
    made_shelf *s = payload;
    uint8_t *copy = NULL;

    s->gets++;
    if (s->bytes && strcmp(name, s->name) == 0 && (copy = malloc(s->size)) != NULL) {
        memcpy(copy, s->bytes, s->size);
        *out_size = s->size;
    }
    return copy;
}

static void shelf_put(void *payload, const char *name, const uint8_t *bytes, size_t size)
{
    made_shelf *s = payload;

    s->puts++;
    free(s->bytes);
    s->bytes = malloc(size);
    assert_non_null(s->bytes);
    memcpy(s->bytes, bytes, size);
    s->size = size;
    assert_int_equal(strlen(name), 64);
    snprintf(s->name, sizeof s->name, "%s", name);
}

static void shelf_drop(void *payload, const char *name)
{
    made_shelf *s = payload;

    s->drops++;
    free(s->bytes);
    s->bytes = NULL;
}

static void shelf_open(made_shelf *s)
{
    *s = (made_shelf){ .base = { .payload = s,
                                 .limit = 1 << 28,
                                 .get = shelf_get,
                                 .put = shelf_put,
                                 .drop = shelf_drop } };
}

/* A later process goes on with what is on the shelf, also in a memory of another size. */
static void shelved(const pair *p)
{
    session_answer cold, warm;
    made_shelf shelf;
    album a;
    vlm *v = open_memory_first(p);

    shelf_open(&shelf);
    album_open(&a, v);
    cold = ask(v, &a, 0, 2, "Who is it?", &shelf.base);
    assert_int_equal(shelf.puts, 1);
    assert_int_equal(cold.kept_tokens, 0);
    vlm_close(v);
    v = open_pair(p, 700);
    vlm_close(v);
    v = open_memory_first(p);
    warm = ask(v, &a, 0, 2, "Who is it?", &shelf.base);
    assert_true(warm.kept_tokens > 0);
    assert_int_equal(shelf.puts, 1);
    expect_same(&warm, &cold);
    vlm_close(v);
    /* Bytes that are not what they seem: checked by the shelf, and refused by llama.cpp where they are not. */
    v = open_memory_first(p);
    shelf.size /= 2;
    warm = ask(v, &a, 0, 2, "Who is it?", &shelf.base);
    assert_int_equal(warm.kept_tokens, 0);
    assert_int_equal(shelf.drops, 1);
    assert_int_equal(shelf.puts, 2);
    expect_same(&warm, &cold);
    session_answer_release(&cold);
    free(shelf.bytes);
    album_close(&a);
    vlm_close(v);
}

static void a_shelf_outlives_the_model(void **state)
{
    on_each(shelved);
}

/* What depends on the photo or the question goes on no shelf. */
static void private_things_stay(void **state)
{
    session_answer first, second;
    made_shelf shelf;
    album a;
    vlm *v;
    pair p;

    if (!find_pair(&p, "tiny"))
        skip();
    v = open_pair(&p, 0); /* the photo comes first here */
    shelf_open(&shelf);
    album_open(&a, v);
    first = ask(v, &a, 0, 2, "Who is it?", &shelf.base);
    assert_int_equal(shelf.puts, 0);
    session_answer_release(&first);
    first = ask(v, &a, -1, 2, "Who is it?", &shelf.base);
    assert_int_equal(shelf.puts, 1);
    vlm_forget(v);
    second = ask(v, &a, -1, 2, "Where does <mia> live, and who owns her?", &shelf.base);
    assert_int_equal(shelf.puts, 1);
    assert_true(second.kept_tokens > 0);
    session_answer_release(&first);
    session_answer_release(&second);
    first = ask(v, &a, -1, 0, "Who is it?", &shelf.base);
    assert_int_equal(shelf.puts, 1); /* no concepts */
    session_answer_release(&first);
    free(shelf.bytes);
    album_close(&a);
    vlm_close(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(common_starts),
        cmocka_unit_test(states_are_bounded),
        cmocka_unit_test(sets_of_concepts_are_kept),
        cmocka_unit_test(what_was_forgotten_is_dropped),
        cmocka_unit_test(a_shelf_outlives_the_model),
        cmocka_unit_test(private_things_stay),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

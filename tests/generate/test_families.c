/* test_families.c: small models of many families against what llama.cpp itself made of them: tokens of the prompt, text,
 * and what is encoded when. Each family's folder holds model.gguf, mmproj.gguf and expected.json. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "fixture.h"
#include "formats/json.h"
#include "generate/session.h"

#include <dirent.h>
#include <math.h>

enum { CONCEPTS = 3, PICTURES = 1 + CONCEPTS };

static const char *const names[] = { "bo", "boris", "buddy" };

typedef struct family {
    char name[64], model[640], mmproj[640];
    json_t *expected;
} family;

typedef struct album {
    image im[PICTURES];
    session_picture pixels[PICTURES], stored[PICTURES];
} album;

/* ---- fixtures ---- */

static void fixtures(char *out, size_t size)
{
    const char *shared = getenv("RAP_SHARED");

    snprintf(out, size, "%s/fixtures/vlm", shared ? shared : "../shared");
}

static bool family_open(family *out, const char *folder, const char *name)
{
    char path[640];

    *out = (family){ .name = "" };
    snprintf(out->name, sizeof out->name, "%.63s", name);
    snprintf(out->model, sizeof out->model, "%s/%.63s/model.gguf", folder, name);
    snprintf(out->mmproj, sizeof out->mmproj, "%s/%.63s/mmproj.gguf", folder, name);
    /* llava15old was recorded when a file that names no layer was run one block short; it holds llava15's weights */
    snprintf(path, sizeof path, "%s/%.63s/expected.json", folder,
             strcmp(name, "llava15old") == 0 ? "llava15" : name);
    return file_exists(path) && (out->expected = json_load_file(path, 0, NULL));
}

static void on_each(void (*test)(const family *))
{
    const char *only = getenv("RAP_FAMILY");
    char folder[512];
    struct dirent *entry;
    DIR *dir;
    int tested = 0;

    fixtures(folder, sizeof folder);
    dir = opendir(folder);
    while (dir && (entry = readdir(dir))) {
        family f;

        if (*entry->d_name == '.' || (only && strcmp(only, entry->d_name) != 0) ||
            !family_open(&f, folder, entry->d_name))
            continue;
        test(&f);
        json_decref(f.expected);
        tested++;
    }
    if (dir)
        closedir(dir);
    if (tested == 0)
        printf("skipped: no families in %s\n", folder);
}

/* The turns that stand in the recorded prompt of no concepts: before the picture, and behind the question. */
static void turns_of(prompt_style *out, char before[2048], char after[2048], const family *f)
{
    const json_t *row = json_array_get(f->expected, 0);
    const char *text = json_string_value(json_object_get(row, "prompt"));
    const char *question = json_string_value(json_object_get(row, "question"));
    const char *media = strstr(text, "<__media__>"), *asked = strstr(text, question);

    snprintf(before, 2048, "%.*s", (int)(media - text), text);
    snprintf(after, 2048, "%s", asked + strlen(question));
    *out = (prompt_style){ .system = before, .before_assistant = after, .after_assistant = "\n" };
}

static vlm *open_family(const family *f, const char *style, int image_tokens)
{
    char before[2048], after[2048];
    vlm_options o = { .model = f->model,
                      .mmproj = f->mmproj,
                      .style = style,
                      .image_tokens = image_tokens,
                      .threads = 2 };
    rap_err err = { 0 };
    vlm *v = NULL;

    if (strcmp(style, "rap") == 0)
        turns_of(&o.turns, before, after, f);
    if (vlm_open(&v, &o, &err))
        fail_msg("%s: %s", f->name, err.text);
    return v;
}

static void album_open(album *a, vlm *v)
{
    static const char *const files[] = { "photo", "bo", "boris", "buddy" };
    char folder[512], path[600];
    rap_err err = { 0 };

    fixtures(folder, sizeof folder);
    for (int i = 0; i < PICTURES; i++) {
        float *tokens = NULL;
        size_t floats = 0, size = 0;
        char *bytes = NULL;

        snprintf(path, sizeof path, "%s/pictures/%s.png", folder, files[i]);
        if (file_read(&bytes, &size, path, 1 << 24, &err) ||
            image_decode(&a->im[i], bytes, size, path, &err) ||
            vlm_encode(v, &a->im[i], &tokens, &floats, &err))
            fail_msg("%s", err.text);
        free(bytes);
        assert_true(vlm_fits_tokens(v, tokens, floats));
        assert_false(vlm_fits_tokens(v, tokens, floats - 1));
        a->pixels[i] = (session_picture){ .pixels = &a->im[i] };
        a->stored[i] = (session_picture){ .tokens = tokens, .floats = floats };
    }
}

static void album_close(album *a)
{
    for (int i = 0; i < PICTURES; i++) {
        image_release(&a->im[i]);
        free((float *)a->stored[i].tokens);
    }
}

/* The turn of one row; concepts' pictures from `pictures` [PICTURES]. */
static session_turn turn_of(const json_t *row, prompt_concept concept[CONCEPTS],
                            char info[CONCEPTS][64], const session_picture *pictures)
{
    int concepts = (int)json_integer_value(json_object_get(row, "concepts"));

    for (int i = 0; i < concepts; i++) {
        snprintf(info[i], 64, "<%s> likes cheese.", names[i]);
        concept[i] = (prompt_concept){ names[i], info[i], 1 };
    }
    return (session_turn){ .concept = concept,
                           .concept_picture = pictures + 1,
                           .concepts = concepts,
                           .question = json_string_value(json_object_get(row, "question")),
                           .max_tokens = 24 };
}

static void ask(session *s, const session_turn *turn, session_answer *out, const family *f)
{
    rap_err err = { 0 };

    if (session_ask(s, turn, out, &err))
        fail_msg("%s: %s", f->name, err.text);
}

/* ---- */

/* How many characters of the recorded text are beyond doubt: before the first near tie. */
static size_t safe_length(const json_t *row, vlm *v, const session_turn *turn, const family *f)
{
    int safe = (int)json_integer_value(json_object_get(row, "safe"));
    session_turn shorter = *turn;
    session_answer a;
    session *s = NULL;
    size_t len;

    if (safe == 0)
        return 0;
    shorter.max_tokens = safe;
    assert_int_equal(session_open(&s, v, NULL), RAP_OK);
    ask(s, &shorter, &a, f);
    len = strlen(a.text);
    session_answer_release(&a);
    session_close(s);
    return len;
}

static void compare_row(const family *f, vlm *v, const json_t *row, const album *a)
{
    const char *text = json_string_value(json_object_get(row, "text"));
    prompt_concept concept[CONCEPTS];
    char info[CONCEPTS][64];
    session_turn turn = turn_of(row, concept, info, a->pixels);
    session_answer cold, warm;
    session *s = NULL;
    size_t safe;

    turn.query = &a->pixels[0];
    assert_int_equal(session_open(&s, v, NULL), RAP_OK);
    ask(s, &turn, &cold, f);
    session_close(s);
    safe = safe_length(row, v, &turn, f);
    if (strcmp(cold.text, text) != 0)
        printf("%s, %d concepts: after a near tie another text\n  %s\n  %s\n", f->name,
               turn.concepts, cold.text, text);
    if (strncmp(cold.text, text, safe) != 0)
        fail_msg("%s, %d concepts: \"%s\", not \"%s\"", f->name, turn.concepts, cold.text, text);
    assert_int_equal(cold.prompt_tokens, json_integer_value(json_object_get(row, "prompt_tokens")));
    assert_int_equal(cold.images_encoded, 1 + turn.concepts);

    turn.concept_picture = &a->stored[1];
    assert_int_equal(session_open(&s, v, NULL), RAP_OK);
    ask(s, &turn, &warm, f);
    assert_string_equal(warm.text, cold.text);
    assert_int_equal(warm.prompt_tokens, cold.prompt_tokens);
    assert_int_equal(warm.images_encoded, 1);
    session_answer_release(&warm);
    session_answer_release(&cold);

    turn = (session_turn){ .question = "Why?", .max_tokens = 4 };
    ask(s, &turn, &warm, f);
    assert_int_equal(warm.images_encoded, 0);
    assert_true(warm.prompt_tokens < 40);
    session_answer_release(&warm);
    session_close(s);
}

static void compare(const family *f)
{
    vlm *v = open_family(f, "rap", 0);
    album a;

    album_open(&a, v);
    for (size_t i = 0; i < json_array_size(f->expected); i++)
        compare_row(f, v, json_array_get(f->expected, i), &a);
    printf("%s: as llama.cpp\n", f->name);
    album_close(&a);
    vlm_close(v);
}

static void answers_are_those_of_llama_cpp(void **state)
{
    on_each(compare);
}

/* ---- */

/* The model's own template gives the recorded prompt, where that was made without a system line or a slip of the pen. */
static void compare_template(const family *f)
{
    static const char *const same[] = { "gemma3",    "internvl",       "lfm2vl",
                                        "llavaphi3", "llavaphi3llama", "qwen35",
                                        "smolvlm",   "llava15",        "llava15old" };
    const json_t *row = json_array_get(f->expected, 3);
    prompt_concept concept[CONCEPTS];
    char info[CONCEPTS][64];
    session_turn turn;
    session_answer answer;
    session *s = NULL;
    vlm *v = open_family(f, "chat", 0);
    album a;
    bool listed = false;

    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        listed = listed || strcmp(same[i], f->name) == 0;
    album_open(&a, v);
    turn = turn_of(row, concept, info, a.stored);
    turn.query = &a.stored[0];
    assert_int_equal(session_open(&s, v, NULL), RAP_OK);
    ask(s, &turn, &answer, f);
    if (listed && answer.prompt_tokens != json_integer_value(json_object_get(row, "prompt_tokens")))
        fail_msg("%s: %d tokens of the prompt", f->name, answer.prompt_tokens);
    session_answer_release(&answer);
    session_close(s);
    album_close(&a);
    vlm_close(v);
}

static void templates_give_the_recorded_prompts(void **state)
{
    on_each(compare_template);
}

/* ---- */

static int stop_late(const char *text, size_t len, void *payload)
{
    return 0;
}

/* A later turn that fails is forgotten, also by models that keep a sum of what they read. */
static void fail_and_go_on(const family *f)
{
    vlm *v = open_family(f, "rap", 0);
    session_turn first = { .question = "Hello there.", .max_tokens = 4, .on_token = stop_late };
    session_turn bad = { .question = "\xff", .max_tokens = 4 };
    session_turn next = { .question = "Why is that so?", .max_tokens = 12 };
    float *torn = NULL;
    size_t floats = 0;
    session_answer a, b;
    session *s = NULL;
    album al;

    album_open(&al, v);
    first.query = &al.stored[0];
    assert_int_equal(session_open(&s, v, NULL), RAP_OK);
    ask(s, &first, &a, f);
    session_answer_release(&a);
    ask(s, &next, &a, f);
    session_close(s);

    assert_int_equal(session_open(&s, v, NULL), RAP_OK);
    ask(s, &first, &b, f);
    session_answer_release(&b);
    assert_int_equal(session_ask(s, &bad, &b, NULL), RAP_E_ARGUMENT);
    floats = al.stored[1].floats; /* rows that are no numbers fail when they have been read */
    torn = malloc(floats * sizeof *torn);
    assert_non_null(torn);
    for (size_t i = 0; i < floats; i++)
        torn[i] = i < 3 ? al.stored[1].tokens[i] : NAN;
    bad = (session_turn){ .query = &(session_picture){ .tokens = torn, .floats = floats },
                          .question = "What?",
                          .max_tokens = 4 };
    assert_int_equal(session_ask(s, &bad, &b, NULL), RAP_E_MODEL);
    ask(s, &next, &b, f);
    if (strcmp(a.text, b.text) != 0 || a.prompt_tokens != b.prompt_tokens)
        fail_msg("%s: \"%s\", not \"%s\"", f->name, b.text, a.text);
    session_answer_release(&a);
    session_answer_release(&b);
    session_close(s);
    free(torn);
    album_close(&al);
    vlm_close(v);
}

static void a_failed_turn_is_forgotten(void **state)
{
    on_each(fail_and_go_on);
}

/* ---- */

static void phone(const family *f)
{
    vlm *v = open_family(f, "rap", 0);
    image im = make_picture(4000, 3000, 3);
    session_turn turn = { .query = &(session_picture){ .pixels = &im },
                          .question = "Describe this image.",
                          .max_tokens = 2 };
    session_answer a;
    session *s = NULL;

    assert_int_equal(session_open(&s, v, NULL), RAP_OK);
    ask(s, &turn, &a, f);
    printf("%s: a photo of 12 megapixels takes %d tokens\n", f->name, a.prompt_tokens);
    session_answer_release(&a);
    session_close(s);
    free(im.rgb);
    vlm_close(v);
}

static void a_phones_photo_fits(void **state)
{
    on_each(phone);
}

/* ---- */

/* Pictures of every shape are taken in, or refused with a line. */
static void odd_shapes(const family *f)
{
    static const int sides[][2] = { { 1, 1 },     { 1, 3000 },  { 3000, 1 }, { 17, 5 },
                                    { 40, 5000 }, { 5000, 40 }, { 200, 199 } };
    vlm *v = open_family(f, "rap", 0);

    for (size_t i = 0; i < sizeof sides / sizeof *sides; i++) {
        image im = make_picture(sides[i][0], sides[i][1], 2);
        float *tokens = NULL;
        size_t floats = 0;
        rap_err err = { 0 };

        if (vlm_encode(v, &im, &tokens, &floats, &err))
            printf("%s: %d × %d: %s\n", f->name, sides[i][0], sides[i][1], err.text);
        else
            assert_true(vlm_fits_tokens(v, tokens, floats));
        free(tokens);
        tokens = NULL;
        if (vlm_encode_concept(v, &im, &tokens, &floats, &err) == RAP_OK)
            assert_true(vlm_fits_tokens(v, tokens, floats));
        free(tokens);
        free(im.rgb);
    }
    vlm_close(v);
}

static void pictures_of_odd_shapes_do_no_harm(void **state)
{
    on_each(odd_shapes);
}

/* ---- */

static int answer_size(vlm *v, const session_picture *shown, const family *f)
{
    const prompt_concept bo = { "bo", "<bo> likes cheese.", 1 };
    session_turn turn = { .concept = &bo,
                          .concept_picture = shown,
                          .concepts = 1,
                          .question = "What do <bo> like?",
                          .max_tokens = 8 };
    session_answer a;
    session *s = NULL;
    int size;

    assert_int_equal(session_open(&s, v, NULL), RAP_OK);
    ask(s, &turn, &a, f);
    size = a.prompt_tokens;
    session_answer_release(&a);
    session_close(s);
    return size;
}

/* A bound makes a concept's picture small where its size decides how many tokens it takes. (LFM2-VL takes at least 64.) */
static void shrink(const family *f)
{
    static const char *const bounded[] = { "glm4v",    "internvl", "minicpmv", "pixtral",
                                           "qwen25vl", "qwen35",   "smolvlm" };
    enum { BOUND = 12 };
    bool listed = false;
    vlm_options o = { .model = f->model,
                      .mmproj = f->mmproj,
                      .style = "chat",
                      .concept_tokens = BOUND,
                      .threads = 2 };
    float *tokens = NULL;
    size_t floats = 0;
    int small, whole;
    vlm *v = NULL;
    album a;

    for (size_t i = 0; i < sizeof bounded / sizeof *bounded; i++)
        listed = listed || strcmp(bounded[i], f->name) == 0;
    assert_int_equal(vlm_open(&v, &o, NULL), RAP_OK);
    album_open(&a, v);
    assert_int_equal(vlm_encode_concept(v, &a.im[1], &tokens, &floats, NULL), RAP_OK);
    assert_true(vlm_fits_tokens(v, tokens, floats));
    whole = answer_size(v, &a.stored[1], f);
    small = answer_size(v, &(session_picture){ .tokens = tokens, .floats = floats }, f);
    printf("%s: a concept takes %d tokens, bounded %d\n", f->name, whole, small);
    assert_int_equal(small < whole, listed);
    free(tokens);
    album_close(&a);
    vlm_close(v);
}

static void concepts_pictures_can_be_small(void **state)
{
    on_each(shrink);
}

/* ---- */

/* What a conversation begins with as one before did is not evaluated again, and the answer is the same. Models that cannot
 * forget their last tokens go on from the state that was kept behind the concepts. */
static void keep_prefix(const family *f)
{
    vlm_options o = { .model = f->model,
                      .mmproj = f->mmproj,
                      .style = "chat",
                      .turns = { .memory_first = 1 },
                      .threads = 2 };
    const json_t *row = json_array_get(f->expected, 2);
    prompt_concept concept[CONCEPTS];
    char info[CONCEPTS][64];
    session_answer cold, warm;
    session_turn turn;
    session *s = NULL;
    vlm *v = NULL;
    album a;

    assert_int_equal(vlm_open(&v, &o, NULL), RAP_OK);
    album_open(&a, v);
    turn = turn_of(row, concept, info, a.stored);
    turn.query = &a.pixels[3];
    assert_int_equal(session_open(&s, v, NULL), RAP_OK);
    ask(s, &turn, &cold, f);
    assert_int_equal(cold.kept_tokens, 0);
    session_answer_release(&cold);
    turn.query = &a.pixels[0];
    session_close(s);

    vlm_close(v); /* cold again */
    assert_int_equal(vlm_open(&v, &o, NULL), RAP_OK);
    assert_int_equal(session_open(&s, v, NULL), RAP_OK);
    ask(s, &turn, &cold, f);
    session_close(s);
    turn.query = &a.pixels[3]; /* another photo */
    assert_int_equal(session_open(&s, v, NULL), RAP_OK);
    ask(s, &turn, &warm, f);
    session_answer_release(&warm);
    session_close(s);
    turn.query = &a.pixels[0];
    concept[0] =
        (prompt_concept){ names[1], info[1], 1 }; /* the same concepts, otherwise certain */
    concept[1] = (prompt_concept){ names[0], info[0], 1 };
    turn.concept_picture = (session_picture[]){ a.stored[2], a.stored[1] };
    assert_int_equal(session_open(&s, v, NULL), RAP_OK);
    ask(s, &turn, &warm, f);
    session_close(s);
    assert_string_equal(warm.text, cold.text);
    assert_int_equal(warm.prompt_tokens, cold.prompt_tokens);
    printf("%s: of %d tokens %d were kept\n", f->name, warm.prompt_tokens, warm.kept_tokens);
    assert_true(warm.kept_tokens > 0);
    session_answer_release(&cold);
    session_answer_release(&warm);
    album_close(&a);
    vlm_close(v);
}

static void memory_is_kept_from_photo_to_photo(void **state)
{
    on_each(keep_prefix);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_those_of_llama_cpp),
        cmocka_unit_test(templates_give_the_recorded_prompts),
        cmocka_unit_test(a_failed_turn_is_forgotten),
        cmocka_unit_test(a_phones_photo_fits),
        cmocka_unit_test(pictures_of_odd_shapes_do_no_harm),
        cmocka_unit_test(concepts_pictures_can_be_small),
        cmocka_unit_test(memory_is_kept_from_photo_to_photo),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

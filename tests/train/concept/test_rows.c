/* test_rows.c: rows and words that are learnt with our decoder, and said with llama.cpp, on the tiny model
 * (src/train/concept/sequence.c, rows.c, speaker.c). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/mem.h"
#include "engine/profile.h"
#include "generate/vlm_inside.h"
#include "train/concept/rows.h"
#include "train/concept/speaker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TOKENS = 8, WIDTH = 192, TALKS = 4 };

typedef struct fixture {
    profile *profile;
    vlm *v;
    gguf_file *file;
    decoder *decoder;
    speaker *speaker;
    photo_rows photo;
} fixture;

static char *source(const char *name)
{
    return path_join(getenv("RAP_SOURCE"), name);
}

static int open_all(void **state)
{
    static fixture f;
    const decoder_options o = { .threads = 2, .rows = 512, .keep = (size_t)1 << 30 };
    vlm_options options = { .threads = 2 };
    char *tiny = source("models/tiny"), *picture = source("examples/toy/scenes/082.jpg");
    image im = { 0 };
    rap_err err = { 0 };

    if (profile_open(&f.profile, tiny, &err) || gguf_file_open(&f.file, f.profile->llm.path, &err))
        fail_msg("%s", err.text);
    options.model = f.profile->llm.path;
    options.mmproj = f.profile->mmproj.path;
    options.style = f.profile->style;
    options.turns = f.profile->turns;
    if (vlm_open(&f.v, &options, &err) || decoder_open(&f.decoder, f.file, &o, &err) ||
        speaker_open(&f.speaker, f.v, &err) || image_load(&im, picture, &err) ||
        photo_rows_init(&f.photo, f.v, &im, &err))
        fail_msg("%s", err.text);
    image_release(&im);
    free(tiny);
    free(picture);
    *state = &f;
    return 0;
}

static int close_all(void **state)
{
    fixture *f = *state;

    photo_rows_release(&f->photo);
    speaker_close(f->speaker);
    decoder_close(f->decoder);
    vlm_close(f->v);
    gguf_file_close(f->file);
    profile_close(f->profile);
    return 0;
}

static const known concept = { .name = "bo", .rows = TOKENS, .word = TOKENS };

/* The sequence as text, learnt rows as numbers. */
static char *written(const fixture *f, const sequence *s)
{
    static char text[4096];
    size_t len = 0;
    int photo = 0;

    for (int i = 0; i < s->count; i++) {
        char piece[64];
        int n = 0;

        if (s->cell[i] >= 0)
            n = llama_token_to_piece(f->v->tokens.vocab, s->cell[i], piece, sizeof piece, 0, true);
        else if (s->cell[i] == CELL_ROW)
            n = photo++ ? 0 : snprintf(piece, sizeof piece, "@");
        else
            n = snprintf(piece, sizeof piece, "{%d}", -2 - s->cell[i]);
        memcpy(text + len, piece, (size_t)n);
        len += (size_t)n;
    }
    text[len] = '\0';
    return text;
}

static void rows_stand_where_they_belong(void **state)
{
    const fixture *f = *state;
    const known head = { .name = "bo", .rows = 1, .word = -1, .in_photo = true };
    sequence s;

    assert_int_equal(
        sequence_build(&s, f->v, &f->photo, &concept, 1, "Is <bo> here?", "No, <bo>.", NULL),
        RAP_OK);
    assert_non_null(strstr(written(f, &s), "@"));
    assert_non_null(strstr(written(f, &s), "{8} is {0}{1}{2}{3}{4}{5}{6}{7}.\nIs {8} here?"));
    assert_non_null(strstr(written(f, &s), "No, {8}."));
    for (int i = 0; i < s.count; i++)
        if (s.target[i] >= llama_vocab_n_tokens(f->v->tokens.vocab))
            assert_int_equal(s.cell[i + 1], -2 - TOKENS); /* the word that is said goes in next */
    assert_int_equal(s.target[s.count - 1], -1);
    assert_true(s.answers >= 5);
    sequence_release(&s);
    assert_int_equal(sequence_build(&s, f->v, &f->photo, &head, 1, "Is <bo> here?", NULL, NULL),
                     RAP_OK);
    assert_non_null(strstr(written(f, &s), "@{0}"));
    assert_non_null(strstr(written(f, &s), "Is <bo> here?"));
    assert_int_equal(s.answers, 0);
    sequence_release(&s);
}

static void what_is_learnt_is_said(void **state)
{
    static const char *const talk[TALKS][2] = { { "Who is <bo>?", "<bo> is a red thing." },
                                                { "Where does <bo> live?", "Rome" },
                                                { "What color is <bo>?", "green" },
                                                { "Caption this image.", "<bo> in a field." } };
    fixture *f = *state;
    float *param = mem_array((TOKENS + 2) * WIDTH, sizeof *param);
    sequence list[TALKS];
    rows_result r;
    const rows_options o = {
        .epochs = 100, .batch = TALKS, .lr = 0.3, .word_lr = 0.03, .threads = 2
    };
    const char *const text[] = { "<bo>" };
    const int input[] = { TOKENS };
    const spoken w = { param, param + (TOKENS + 1) * WIDTH, text, input, 1 };

    for (int i = 0; i <= TOKENS; i++)
        decoder_token_rows(param + i * WIDTH, NULL, f->decoder, 700 + i);
    for (int i = 0; i < TALKS; i++) /* the last with a photo */
        assert_int_equal(sequence_build(&list[i], f->v, i < TALKS - 1 ? NULL : &f->photo, &concept,
                                        1, talk[i][0], talk[i][1], NULL),
                         RAP_OK);
    assert_int_equal(rows_learn(&r, param, TOKENS + 1, 1, f->decoder, list, TALKS, &o, NULL),
                     RAP_OK);
    print_message("loss %.3f at first, %.3f at last\n", r.first_loss, r.last_loss);
    assert_true(r.last_loss < 0.1 && r.first_loss > 1);
    for (int i = 0; i < TALKS; i++) {
        char *answer = NULL;
        sequence asked;

        assert_int_equal(sequence_build(&asked, f->v, i < TALKS - 1 ? NULL : &f->photo, &concept, 1,
                                        talk[i][0], NULL, NULL),
                         RAP_OK);
        assert_int_equal(speaker_say(&answer, f->speaker, &asked, &w, 32, NULL), RAP_OK);
        assert_string_equal(answer, talk[i][1]);
        free(answer);
        sequence_release(&asked);
        sequence_release(&list[i]);
    }
    free(param);
}

static void too_long_is_an_error(void **state)
{
    fixture *f = *state;
    float param[(TOKENS + 2) * WIDTH] = { 0 };
    char *question = mem_array(20000, 1), *answer = NULL;
    const spoken none = { .words = 0 };
    const rows_options o = { .epochs = 1, .batch = 1, .lr = 0.1, .threads = 1 };
    rows_result r;
    sequence s;
    rap_err err;

    for (int i = 0; i < 19998; i += 2)
        memcpy(question + i, "a ", 2);
    assert_int_equal(sequence_build(&s, f->v, NULL, NULL, 0, question, "x", NULL), RAP_OK);
    assert_int_equal(speaker_say(&answer, f->speaker, &s, &none, 8, &err), RAP_E_LIMIT);
    assert_int_equal(rows_learn(&r, param, TOKENS + 1, 1, f->decoder, &s, 1, &o, &err),
                     RAP_E_LIMIT);
    sequence_release(&s);
    free(question);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(rows_stand_where_they_belong),
                                        cmocka_unit_test(what_is_learnt_is_said),
                                        cmocka_unit_test(too_long_is_an_error) };

    return cmocka_run_group_tests(tests, open_all, close_all);
}

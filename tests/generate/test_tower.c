/* test_tower.c: image tokens of our own engine against mtmd's, from the same files and pictures. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "fixture.h"
#include "generate/session.h"
#include "generate/vlm_inside.h"

#include <math.h>

enum { HEADER = 3 };

static const char *const own_families[] = { "llava15", "llava15old",     "llavaphi3",
                                            "smolvlm", "llavaphi3llama", "gemma3" };
static const char *const other_families[] = { "internvl", "pixtral", "qwen25vl", "minicpmv" };

static bool find_family(pair *out, const char *name)
{
    const char *shared = getenv("RAP_SHARED");

    out->name = name;
    snprintf(out->model, sizeof out->model, "%s/fixtures/vlm/%s/model.gguf",
             shared ? shared : "../shared", name);
    snprintf(out->mmproj, sizeof out->mmproj, "%s/fixtures/vlm/%s/mmproj.gguf",
             shared ? shared : "../shared", name);
    if (file_exists(out->model) && file_exists(out->mmproj))
        return true;
    printf("skipped: %s is not there\n", out->model);
    return false;
}

static rap_status try_open(vlm **out, const pair *p, vlm_vision vision, precision exact,
                           rap_err *err)
{
    vlm_options o = { .model = p->model,
                      .mmproj = p->mmproj,
                      .style = "rap",
                      .turns = rap_turns,
                      .threads = 2,
                      .gpu_layers = -1,
                      .vision = vision,
                      .precision = exact };

    return vlm_open(out, &o, err);
}

static vlm *open_with(const pair *p, vlm_vision vision, precision exact)
{
    rap_err err = { 0 };
    vlm *v = NULL;

    if (try_open(&v, p, vision, exact, &err))
        fail_msg("%s: %s", p->name, err.text);
    return v;
}

static float *encode(vlm *v, const image *im, size_t *floats)
{
    float *tokens = NULL;
    rap_err err = { 0 };

    if (vlm_encode(v, im, &tokens, floats, &err))
        fail_msg("%s", err.text);
    return tokens;
}

/* |a − b| / |b| */
static double distance(const float *a, const float *b, size_t count)
{
    double apart = 0, all = 0;

    for (size_t i = 0; i < count; i++) {
        apart += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
        all += (double)b[i] * b[i];
    }
    return all > 0 ? sqrt(apart / all) : INFINITY;
}

/* The error of a picture's tokens, with their layout compared exactly. */
static double compare(const pair *p, precision exact, int width, int height)
{
    vlm *own = open_with(p, VLM_VISION_OWN, exact);
    vlm *theirs = open_with(p, VLM_VISION_MTMD, PRECISION_F32);
    image im = make_picture(width, height, 3);
    size_t own_floats = 0, their_floats = 0;
    float *a = encode(own, &im, &own_floats), *b = encode(theirs, &im, &their_floats);
    double d;

    assert_int_equal(own_floats, their_floats);
    assert_memory_equal(a, b, HEADER * sizeof *a);
    d = distance(a + HEADER, b + HEADER, own_floats - HEADER);
    if (getenv("RAP_TOWER_VERBOSE"))
        printf("%-16s %s %d x %d: %.2e\n", p->name, vlm_vision_name(own), width, height, d);
    free(a);
    free(b);
    image_release(&im);
    vlm_close(own);
    vlm_close(theirs);
    return d;
}

static void check_precisions(const pair *p)
{
    assert_true(compare(p, PRECISION_F32, 300, 200) < 1e-3);
    assert_true(compare(p, PRECISION_F32, 90, 411) < 1e-3);
    assert_true(compare(p, PRECISION_BF16, 300, 200) < 1e-2);
    assert_true(compare(p, PRECISION_INT8, 300, 200) < 4e-2);
}

static void test_tokens_are_mtmds(void **state)
{
    pair p;

    (void)state;
    for (size_t i = 0; i < sizeof own_families / sizeof *own_families; i++)
        if (find_family(&p, own_families[i]))
            check_precisions(&p);
    if (find_pair(&p, "random"))
        check_precisions(&p);
    if (find_pair(&p, "tiny"))
        check_precisions(&p);
}

static void test_auto_chooses_by_family(void **state)
{
    pair p;

    (void)state;
    if (find_pair(&p, "tiny")) {
        vlm *v = open_with(&p, VLM_VISION_AUTO, PRECISION_F32);

        assert_string_equal(vlm_vision_name(v), "own f32");
        vlm_close(v);
    }
    for (size_t i = 0; i < sizeof other_families / sizeof *other_families; i++) {
        rap_err err = { 0 };
        vlm *v = NULL;

        if (!find_family(&p, other_families[i]))
            continue;
        v = open_with(&p, VLM_VISION_AUTO, PRECISION_F32);
        assert_string_equal(vlm_vision_name(v), "mtmd");
        vlm_close(v);
        assert_int_equal(try_open(&v, &p, VLM_VISION_OWN, PRECISION_F32, &err), RAP_E_UNSUPPORTED);
        assert_non_null(strstr(err.text, p.mmproj));
        assert_null(v);
    }
}

/* A question without a picture does not pack the tower's weights. */
static void test_text_needs_no_tower(void **state)
{
    const session_turn turn = { .question = "Who is mine?", .max_tokens = 2 };
    session_answer out;
    session *s = NULL;
    image im = make_picture(64, 64, 1);
    size_t floats = 0;
    vlm *v;
    pair p;

    (void)state;
    if (!find_pair(&p, "tiny"))
        skip();
    v = open_with(&p, VLM_VISION_OWN, PRECISION_F32);
    assert_int_equal(session_open(&s, v, NULL), RAP_OK);
    assert_int_equal(session_ask(s, &turn, &out, NULL), RAP_OK);
    session_answer_release(&out);
    session_close(s);
    assert_false(tower_is_ready(v->tower));
    free(encode(v, &im, &floats));
    assert_true(tower_is_ready(v->tower));
    image_release(&im);
    vlm_close(v);
}

static void test_cached_tokens_are_told_apart(void **state)
{
    static const struct {
        vlm_vision vision;
        precision precision;
    } ways[] = { { VLM_VISION_MTMD, PRECISION_F32 },
                 { VLM_VISION_OWN, PRECISION_F32 },
                 { VLM_VISION_OWN, PRECISION_BF16 },
                 { VLM_VISION_OWN, PRECISION_INT8 } };
    char names[4][80];
    pair p;

    (void)state;
    if (!find_pair(&p, "tiny"))
        return;
    for (int i = 0; i < 4; i++) {
        vlm *v = open_with(&p, ways[i].vision, ways[i].precision);

        snprintf(names[i], sizeof names[i], "%s", vlm_fingerprint(v));
        assert_int_equal(strlen(names[i]), 64);
        for (int k = 0; k < i; k++)
            assert_string_not_equal(names[i], names[k]);
        vlm_close(v);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_tokens_are_mtmds),
                                        cmocka_unit_test(test_auto_chooses_by_family),
                                        cmocka_unit_test(test_text_needs_no_tower),
                                        cmocka_unit_test(test_cached_tokens_are_told_apart) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

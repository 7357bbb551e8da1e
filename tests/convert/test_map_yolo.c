/* test_map_yolo.c: checkpoints that Ultralytics itself built and saved (tools/parity/yolo_world.py)
 * become our detector and see what it saw: every score and box before suppression, and the boxes that are
 * kept on the picture. With $RAP_PARITY, a folder, every NAME.pt with a NAME.ref.gguf in it is compared
 * as well: the published sizes. */
#include "base/file.h"
#include "base/mem.h"
#include "convert/convert.h"
#include "formats/gguf_file.h"
#include "vision/yolo_world.h"

#include <dirent.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define SCORE_BOUND 1e-3
#define BOX_BOUND 1e-3 /* of the canvas's side */
#define SAME_BOX 0.99f /* overlap */

static char work[] = "/tmp/rap-map-yolo-XXXXXX", out[64];

static int set_up(void **state)
{
    if (!mkdtemp(work))
        return 1;
    snprintf(out, sizeof out, "%s/out.gguf", work);
    return 0;
}

static int tear_down(void **state)
{
    unlink(out);
    return rmdir(work);
}

static void must(rap_status status, const rap_err *err)
{
    if (status != RAP_OK)
        fail_msg("%s", err->text);
}

/* ---- the reference ------------------------------------------------------------------------ */

static float *numbers(const gguf_file *f, const gguf_tensor **out_tensor, const char *format, int i)
{
    char name[64];
    rap_err err = { 0 };
    snprintf(name, sizeof name, format, i);
    const gguf_tensor *t = gguf_find(f, name);
    if (!t)
        fail_msg("%s: no '%s'", gguf_file_path(f), name);
    float *data = mem_array((size_t)(t->ne[0] * t->ne[1] * t->ne[2] * t->ne[3]), sizeof *data);
    must(gguf_to_f32(f, t, data, &err), &err);
    *out_tensor = t;
    return data;
}

static int64_t whole(const gguf_file *f, const char *format, int i)
{
    char key[64];
    int64_t value;
    rap_err err = { 0 };
    snprintf(key, sizeof key, format, i);
    must(gguf_get_int(f, key, &value, &err), &err);
    return value;
}

static float real(const gguf_file *f, const char *format, int i)
{
    char key[64];
    double value = 0;
    rap_err err = { 0 };
    snprintf(key, sizeof key, format, i);
    must(gguf_get_float(f, key, &value, &err), &err);
    return (float)value;
}

/* Each stored pixel is a square of `block` pixels. */
static image picture(const gguf_file *f, int i)
{
    const gguf_tensor *t;
    float *coarse = numbers(f, &t, "%d.rgb", i);
    int block = (int)whole(f, "yolo-parity.block.%d", i), w = (int)t->ne[1], h = (int)t->ne[2];
    image im = { .width = w * block, .height = h * block };
    im.rgb = mem_array((size_t)im.width * (size_t)im.height, 3);
    for (int y = 0; y < im.height; y++)
        for (int x = 0; x < im.width; x++)
            for (int c = 0; c < 3; c++)
                im.rgb[((size_t)y * (size_t)im.width + (size_t)x) * 3 + (size_t)c] =
                    (uint8_t)coarse[((y / block) * w + x / block) * 3 + c];
    free(coarse);
    return im;
}

/* ---- comparing ---------------------------------------------------------------------------- */

static double worst(const float *a, const float *b, int64_t count)
{
    double w = 0;
    for (int64_t i = 0; i < count; i++) {
        double d = fabs((double)a[i] - b[i]);
        w = d > w || isnan(d) ? d : w;
    }
    return w;
}

static void compare_raw(yolo_world *y, const yolo_vocabulary *v, const gguf_file *ref,
                        const image *im, int i)
{
    const gguf_tensor *b, *s;
    float *want_boxes = numbers(ref, &b, "%d.boxes", i);
    float *want_scores = numbers(ref, &s, "%d.scores", i);
    float *boxes, *scores;
    int anchors;
    rap_err err = { 0 };
    must(yolo_world_raw(y, v, im, &boxes, &scores, &anchors, &err), &err);
    assert_int_equal(anchors, b->ne[1]);
    assert_int_equal(anchors, s->ne[1]);
    double score = worst(scores, want_scores, s->ne[0] * s->ne[1]);
    double box = worst(boxes, want_boxes, 4 * b->ne[1]);
    print_message("%d×%d: scores differ by %.2g, boxes by %.2g pixels\n", im->width, im->height,
                  score, box);
    assert_true(score <= SCORE_BOUND);
    assert_true(box <= BOX_BOUND * (double)whole(ref, "yolo-parity.size", 0));
    free(boxes);
    free(scores);
    free(want_boxes);
    free(want_scores);
}

static float overlap(rap_box a, const float *b)
{
    float w = fminf(a.x + a.w, b[2]) - fmaxf(a.x, b[0]);
    float h = fminf(a.y + a.h, b[3]) - fmaxf(a.y, b[1]);
    if (w <= 0 || h <= 0)
        return 0;
    return w * h / (a.w * a.h + (b[2] - b[0]) * (b[3] - b[1]) - w * h);
}

/* How much a kept box of the reference [6] and a found one overlap at most. */
static float best_overlap(const float *want, int64_t wants, const detection *found, int count)
{
    float best = 0;
    for (int64_t r = 0; r < wants; r++)
        for (int k = 0; k < count; k++) {
            const float *w = want + r * 6;
            bool alike = found[k].label == (int)w[5] && fabsf(found[k].confidence - w[4]) < 1e-2f;
            float o = alike ? overlap(found[k].box, w) : 0;
            best = fmaxf(best, o);
        }
    return best;
}

/* Every box kept there is kept here and no other is, but for those that lie on the grey beside the picture
 * and those so near the least confidence that rounding decides. */
static void compare_kept(yolo_world *y, const yolo_vocabulary *v, const gguf_file *ref,
                         const image *im, int i)
{
    const gguf_tensor *t;
    float *want = numbers(ref, &t, "%d.kept", i);
    detect_options o = { .confidence = real(ref, "yolo-parity.confidence.%d", i),
                         .iou = real(ref, "yolo-parity.iou", 0),
                         .max_boxes = (int)whole(ref, "yolo-parity.max_boxes", 0),
                         .class_agnostic = 0 };
    detection *found;
    int count, sure = 0, matched = 0, more = 0;
    float least = 1, limit = o.confidence + (float)SCORE_BOUND;
    rap_err err = { 0 };
    must(yolo_world_detect(y, v, im, &o, &found, &count, &err), &err);
    for (const float *w = want; w < want + t->ne[1] * 6; w += 6) {
        float best;
        if (!(w[2] > w[0] && w[3] > w[1]) || w[4] < limit)
            continue;
        best = best_overlap(w, 1, found, count);
        sure++;
        matched += best >= SAME_BOX;
        least = fminf(least, best);
    }
    for (int f = 0; f < count; f++)
        if (found[f].confidence >= limit)
            more += best_overlap(want, t->ne[1], found + f, 1) < SAME_BOX;
    print_message("%d×%d: %d of %d kept boxes are the same, %d others, least overlap %.4f\n",
                  im->width, im->height, matched, sure, more, (double)least);
    assert_true(sure > 0);
    assert_int_equal(matched, sure);
    assert_int_equal(more, 0);
    free(found);
    free(want);
}

static void compare(const char *checkpoint, const char *reference)
{
    rap_err err = { 0 };
    gguf_file *ref = NULL;
    yolo_world *y = NULL;
    yolo_vocabulary *v = NULL;
    const gguf_tensor *t;
    print_message("%s\n", checkpoint);
    must(gguf_file_open(&ref, reference, &err), &err);
    assert_int_equal(convert_file(checkpoint, out, &(convert_options){ .image_size = 320 }, &err),
                     RAP_E_ARGUMENT);
    assert_non_null(strstr(err.text, "image encoders"));
    must(convert_file(checkpoint, out, &(convert_options){ 0 }, &err), &err);
    must(yolo_world_open(&y, out, 2, PRECISION_F32, &err), &err);
    float *text = numbers(ref, &t, "text", 0);
    assert_int_equal(yolo_world_text_dim(y), t->ne[0]);
    must(yolo_vocabulary_new(&v, y, text, (int)t->ne[1], &err), &err);
    free(text);
    int pictures = (int)whole(ref, "yolo-parity.pictures", 0);
    for (int i = 0; i < pictures; i++) {
        image im = picture(ref, i);
        compare_raw(y, v, ref, &im, i);
        compare_kept(y, v, ref, &im, i);
        free(im.rgb);
    }
    yolo_vocabulary_free(v);
    yolo_world_close(y);
    gguf_file_close(ref);
}

/* ---- tests -------------------------------------------------------------------------------- */

static void compare_named(const char *folder, const char *name)
{
    char checkpoint[1400], reference[1400];
    snprintf(checkpoint, sizeof checkpoint, "%s/%s.pt", folder, name);
    snprintf(reference, sizeof reference, "%s/%s.ref.gguf", folder, name);
    if (file_exists(reference))
        compare(checkpoint, reference);
}

static void data_folder(char folder[1024])
{
    const char *tests = getenv("RAP_TESTS");
    snprintf(folder, 1024, "%s/data", tests ? tests : "tests");
}

static void equals_ultralytics(void **state)
{
    char folder[1024];
    data_folder(folder);
    compare_named(folder, "yolo_world");
}

static void equals_ultralytics_when_fused(void **state)
{
    char folder[1024];
    data_folder(folder);
    compare_named(folder, "yolo_world_fused");
}

static void published_sizes(void **state)
{
    const char *folder = getenv("RAP_PARITY");
    if (!folder) {
        print_message("skipped: no $RAP_PARITY\n");
        return;
    }
    DIR *d = opendir(folder);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));) {
        char name[256];
        size_t len = strlen(e->d_name);
        if (len < 4 || strcmp(e->d_name + len - 3, ".pt"))
            continue;
        snprintf(name, sizeof name, "%.*s", (int)len - 3, e->d_name);
        compare_named(folder, name);
    }
    closedir(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_ultralytics),
        cmocka_unit_test(equals_ultralytics_when_fused),
        cmocka_unit_test(published_sizes),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

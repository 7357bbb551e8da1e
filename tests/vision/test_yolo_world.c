/* test_yolo_world.c: the detector against PyTorch (yolo_parity.gguf by make_yolo_parity.py, and the
 * trained tiny model where its reference lies in tests/data), vocabularies that change, letterbox,
 * suppression, and files that lie. */
#include "base/file.h"
#include "base/mem.h"
#include "formats/gguf_file.h"
#include "formats/json.h"
#include "nn/nn_internal.h"
#include "vision/changed_gguf.h"
#include "vision/yolo_inside.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char model[1024];

static void must(rap_status status, const rap_err *err)
{
    if (status != RAP_OK)
        fail_msg("%s", err->text);
}

/* A tensor of the parity file; free(). */
static float *read_tensor(const gguf_file *f, const char *name, int64_t *count)
{
    rap_err err = { 0 };
    const gguf_tensor *t = gguf_find(f, name);
    assert_non_null(t);
    *count = t->ne[0] * t->ne[1] * t->ne[2] * t->ne[3];
    float *data = mem_array((size_t)*count, sizeof *data);
    must(gguf_to_f32(f, t, data, &err), &err);
    return data;
}

/* A vocabulary that must come about; yolo_vocabulary_free(). */
static yolo_vocabulary *vocabulary(const yolo_world *y, const float *text, int names)
{
    rap_err err = { 0 };
    yolo_vocabulary *v;
    must(yolo_vocabulary_new(&v, y, text, names, &err), &err);
    return v;
}

typedef struct parity {
    gguf_file *file;
    image im;
    float *text, *boxes, *scores, *more;
    int names, anchors;
} parity;

static parity parity_open(const char *path)
{
    parity p = { 0 };
    rap_err err = { 0 };
    int64_t count, pixels;
    must(gguf_file_open(&p.file, path, &err), &err);
    const gguf_tensor *im = gguf_find(p.file, "test.image"), *t = gguf_find(p.file, "test.text");
    float *rgb = read_tensor(p.file, "test.image", &pixels);
    p.im = (image){ .width = (int)im->ne[1],
                    .height = (int)im->ne[2],
                    .rgb = mem_array((size_t)pixels, 1) };
    for (int64_t i = 0; i < pixels; i++)
        p.im.rgb[i] = (uint8_t)rgb[i];
    free(rgb);
    p.names = (int)t->ne[1];
    p.text = read_tensor(p.file, "test.text", &count);
    p.boxes = read_tensor(p.file, "test.boxes", &count);
    p.anchors = (int)(count / 4);
    p.scores = read_tensor(p.file, "test.scores", &count);
    if (gguf_find(p.file, "test.more_scores"))
        p.more = read_tensor(p.file, "test.more_scores", &count);
    return p;
}

static void parity_release(parity *p)
{
    gguf_file_close(p->file);
    free(p->im.rgb);
    free(p->text);
    free(p->boxes);
    free(p->scores);
    free(p->more);
}

static double worst(const float *a, const float *b, size_t count)
{
    double w = 0;
    for (size_t i = 0; i < count; i++) {
        double d = fabs((double)a[i] - b[i]);
        w = d > w || isnan(d) ? d : w;
    }
    return w;
}

static void compare_raw(yolo_world *y, const yolo_vocabulary *v, const parity *p, const float *want,
                        double score_bound, double box_bound)
{
    float *boxes, *scores;
    int anchors, names = v->names;
    rap_err err = { 0 };
    must(yolo_world_raw(y, v, &p->im, &boxes, &scores, &anchors, &err), &err);
    assert_int_equal(anchors, p->anchors);
    double s = worst(scores, want, (size_t)anchors * (size_t)names);
    double b = worst(boxes, p->boxes, (size_t)anchors * 4);
    print_message("%d names: scores differ by %.2g, boxes by %.2g pixels\n", names, s, b);
    assert_true(s <= score_bound);
    if (want == p->scores) /* attention sees the names: other names, other boxes */
        assert_true(b <= box_bound);
    free(boxes);
    free(scores);
}

static void test_equals_pytorch_in_f32(void **state)
{
    rap_err err = { 0 };
    yolo_world *y = NULL;
    parity p = parity_open(model);
    must(yolo_world_open(&y, model, 2, PRECISION_F32, &err), &err);
    assert_int_equal(yolo_world_text_dim(y), 20);
    yolo_vocabulary *v = vocabulary(y, p.text, p.names);
    compare_raw(y, v, &p, p.scores, 1e-3, 1e-2);
    yolo_vocabulary_free(v);
    yolo_world_close(y);
    parity_release(&p);
}

/* One name more, then the first vocabulary again: the same numbers as before. */
static void test_each_call_has_its_vocabulary(void **state)
{
    rap_err err = { 0 };
    yolo_world *y = NULL;
    yolo_vocabulary *none;
    parity p = parity_open(model);
    float *more = mem_array((size_t)(p.names + 1) * 20, sizeof *more);
    memcpy(more, p.text, (size_t)p.names * 20 * sizeof *more);
    for (int i = 0; i < 20; i++)
        more[p.names * 20 + i] = -3 * p.text[i]; /* its length does not matter */
    must(yolo_world_open(&y, model, 2, PRECISION_F32, &err), &err);
    yolo_vocabulary *longer = vocabulary(y, more, p.names + 1),
                    *own = vocabulary(y, p.text, p.names);
    for (int round = 0; round < 3; round++) {
        compare_raw(y, longer, &p, p.more, 1e-3, 1e-2);
        compare_raw(y, own, &p, p.scores, 1e-3, 1e-2);
    }
    float *thousand = mem_array(1000 * 20, sizeof *thousand);
    for (int i = 0; i < 1000 * 20; i++)
        thousand[i] = sinf((float)i);
    for (int names = 1000; names >= 1; names -= 999) {
        yolo_vocabulary *v = vocabulary(y, thousand, names);
        detection *found;
        int count;
        must(yolo_world_detect(y, v, &p.im, NULL, &found, &count, &err), &err);
        free(found);
        yolo_vocabulary_free(v);
    }
    assert_int_equal(yolo_vocabulary_new(&none, y, thousand, 0, &err), RAP_E_ARGUMENT);
    assert_int_equal(yolo_vocabulary_new(&none, y, thousand, 100000, &err), RAP_E_LIMIT);
    thousand[3] = NAN;
    assert_int_equal(yolo_vocabulary_new(&none, y, thousand, 5, &err), RAP_E_ARGUMENT);
    assert_null(none);
    free(thousand);
    free(more);
    yolo_vocabulary_free(longer);
    yolo_vocabulary_free(own);
    yolo_world_close(y);
    parity_release(&p);
}

static void test_bf16_is_close(void **state)
{
    rap_err err = { 0 };
    yolo_world *y = NULL;
    parity p = parity_open(model);
    if (!nn_bf16_is_native())
        print_message("this CPU has no bf16 instructions: its numbers are emulated\n");
    must(yolo_world_open(&y, model, 2, PRECISION_BF16, &err), &err);
    yolo_vocabulary *v = vocabulary(y, p.text, p.names);
    compare_raw(y, v, &p, p.scores, 0.05, 3.0);
    yolo_vocabulary_free(v);
    yolo_world_close(y);
    parity_release(&p);
}

/* A fusion that oneDNN does not know makes it fall back to reference code, correct and very slow. */
static void test_no_layer_runs_reference_code(void **state)
{
    rap_err err = { 0 };
    yolo_world *y = NULL;
    int layers = 0;
    must(yolo_world_open(&y, model, 2, PRECISION_F32, &err), &err);
    for (const nn_node *nd = y->graph->nodes; nd; nd = nd->next)
        if (nd->slices) {
            const char *what = nn_primitive_implementation(nn_slices_first(nd->slices));
            if (strstr(what, "ref"))
                fail_msg("%s runs %s", nd->weight->name, what);
            layers++;
        } else if (nd->method != NN_METHOD_PLAIN) {
            layers++;
        }
    assert_in_range(layers, 50, 100);
    yolo_world_close(y);
}

static void test_detections_are_sorted_apart_and_inside(void **state)
{
    rap_err err = { 0 };
    yolo_world *y = NULL;
    parity p = parity_open(model);
    detect_options o = DETECT_OPTIONS_INIT;
    o.iou = 0.6f;
    o.max_boxes = 6;
    must(yolo_world_open(&y, model, 2, PRECISION_F32, &err), &err);
    detection *d = NULL;
    int count;
    assert_int_equal(yolo_world_detect(y, NULL, &p.im, &o, &d, &count, &err), RAP_E_ARGUMENT);
    yolo_vocabulary *v = vocabulary(y, p.text, p.names);
    must(yolo_world_detect(y, v, &p.im, &o, &d, &count, &err), &err);
    assert_in_range(count, 1, 6);
    float top = 0;
    for (int i = 0; i < p.anchors * p.names; i++)
        top = p.scores[i] > top ? p.scores[i] : top;
    assert_true(fabsf(d[0].confidence - top) < 1e-3f);
    for (int i = 0; i < count; i++) {
        assert_true(d[i].box.x >= 0 && d[i].box.y >= 0 && d[i].box.w > 0 && d[i].box.h > 0);
        assert_true(d[i].box.x + d[i].box.w <= (float)p.im.width + 1e-3f);
        assert_true(d[i].box.y + d[i].box.h <= (float)p.im.height + 1e-3f);
        assert_in_range(d[i].label, 0, p.names - 1);
        assert_true(d[i].confidence >= o.confidence);
        assert_true(i == 0 || d[i].confidence <= d[i - 1].confidence);
    }
    free(d);
    o.confidence = 0.999f;
    must(yolo_world_detect(y, v, &p.im, &o, &d, &count, &err), &err);
    assert_int_equal(count, 0);
    free(d);
    yolo_vocabulary_free(v);
    yolo_world_close(y);
    parity_release(&p);
}

static void test_tiny_and_odd_pictures(void **state)
{
    static const int sizes[][2] = { { 1, 1 }, { 1, 500 }, { 700, 2 }, { 96, 96 }, { 97, 95 } };
    rap_err err = { 0 };
    yolo_world *y = NULL;
    parity p = parity_open(model);
    must(yolo_world_open(&y, model, 2, PRECISION_F32, &err), &err);
    yolo_vocabulary *v = vocabulary(y, p.text, p.names);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        image im = { .width = sizes[i][0],
                     .height = sizes[i][1],
                     .rgb = calloc((size_t)sizes[i][0] * sizes[i][1], 3) };
        detection *d;
        int count;
        must(yolo_world_detect(y, v, &im, NULL, &d, &count, &err), &err);
        free(d);
        free(im.rgb);
    }
    yolo_vocabulary_free(v);
    yolo_world_close(y);
    parity_release(&p);
}

static void test_letterbox_of_a_fitting_picture_is_itself(void **state)
{
    uint8_t rgb[4 * 2 * 3];
    float canvas[4 * 4 * 3];
    for (int i = 0; i < 24; i++)
        rgb[i] = (uint8_t)(i * 10);
    image im = { .width = 4, .height = 2, .rgb = rgb };
    yolo_letterbox fit = yolo_fit(canvas, 4, &im);
    assert_int_equal(fit.left, 0);
    assert_int_equal(fit.top, 1);
    assert_true(fit.gain_x == 1.0f && fit.gain_y == 1.0f);
    for (int i = 0; i < 24; i++)
        assert_true(fabsf(canvas[12 + i] - (float)rgb[i] / 255) < 1e-6f);
    assert_true(fabsf(canvas[0] - 114.0f / 255) < 1e-6f &&
                fabsf(canvas[47] - 114.0f / 255) < 1e-6f);
}

/* ---- the trained model -------------------------------------------------------------------- */

static float *numbers_of(const json_t *list, size_t *count)
{
    size_t rows = json_array_size(list), columns = json_array_size(json_array_get(list, 0));
    float *out = mem_array(rows * columns, sizeof *out);
    assert_non_null(out);
    for (size_t i = 0; i < rows * columns; i++) {
        const json_t *row = json_array_get(list, i / columns);
        out[i] = (float)json_number_value(json_array_get(row, i % columns));
    }
    *count = rows;
    return out;
}

static void compare_every(const float *got, const json_t *want, int step, int columns, double bound)
{
    size_t rows;
    float *numbers = numbers_of(want, &rows);
    double d = 0;
    for (size_t i = 0; i < rows; i++) {
        double w = worst(got + i * (size_t)(step * columns), numbers + i * (size_t)columns,
                         (size_t)columns);
        d = w > d ? w : d;
    }
    print_message("tiny model, %zu rows of %d: differ by %.2g\n", rows, columns, d);
    assert_true(d <= bound);
    free(numbers);
}

static void compare_final(yolo_world *y, const yolo_vocabulary *v, const image *im,
                          const json_t *want)
{
    rap_err err = { 0 };
    detection *d;
    int count;
    must(yolo_world_detect(y, v, im, NULL, &d, &count, &err), &err);
    assert_int_equal(count, json_array_size(want));
    for (int i = 0; i < count; i++) {
        const json_t *w = json_array_get(want, (size_t)i), *b = json_object_get(w, "box");
        float x1 = (float)json_number_value(json_array_get(b, 0));
        assert_int_equal(d[i].label, json_integer_value(json_object_get(w, "label")));
        assert_true(fabs(json_number_value(json_object_get(w, "confidence")) - d[i].confidence) <
                    1e-3);
        assert_true(fabsf((x1 < 0 ? 0 : x1) - d[i].box.x) < 0.05f);
    }
    free(d);
}

static void test_tiny_model_equals_its_training(void **state)
{
    const char *base = "tests/data/yolo_tiny_parity", *file = "models/tiny/detector.gguf";
    const char *source = getenv("RAP_SOURCE");
    char at[1024], picture[1024], weights[1024];
    snprintf(at, sizeof at, "%s/%s.json", source ? source : ".", base);
    snprintf(picture, sizeof picture, "%s/%s.png", source ? source : ".", base);
    snprintf(weights, sizeof weights, "%s/%s", source ? source : ".", file);
    if (!file_exists(at) || !file_exists(weights)) {
        print_message("skipped: no %s or no %s\n", at, weights);
        return;
    }
    rap_err err = { 0 };
    yolo_world *y = NULL;
    image im = { 0 };
    size_t names;
    float *boxes, *scores;
    int anchors;
    json_t *json = json_load_file(at, 0, NULL);
    assert_non_null(json);
    float *text = numbers_of(json_object_get(json, "text"), &names);
    int step = (int)json_integer_value(json_object_get(json, "step"));
    must(image_load(&im, picture, &err), &err);
    must(yolo_world_open(&y, weights, 2, PRECISION_F32, &err), &err);
    yolo_vocabulary *v = vocabulary(y, text, (int)names);
    must(yolo_world_raw(y, v, &im, &boxes, &scores, &anchors, &err), &err);
    assert_int_equal(anchors, json_integer_value(json_object_get(json, "anchors")));
    compare_every(boxes, json_object_get(json, "raw_boxes"), step, 4, 2e-2);
    compare_every(scores, json_object_get(json, "raw_scores"), step, (int)names, 1e-3);
    compare_final(y, v, &im, json_object_get(json, "final"));
    free(boxes);
    free(scores);
    free(text);
    yolo_vocabulary_free(v);
    image_release(&im);
    json_decref(json);
    yolo_world_close(y);
}

/* ---- files that lie ----------------------------------------------------------------------- */

typedef struct lie {
    const char *what, *key, *drop, *turn, *kernel;
    uint32_t value;
    uint64_t sides[2]; /* of the kernel: height, width */
} lie;

static const lie lies[] = {
    { .what = "no such size", .key = "yolo-world.image_size", .value = 100 },
    { .what = "a huge size", .key = "yolo-world.image_size", .value = 1u << 31 },
    { .what = "a zero size", .key = "yolo-world.image_size", .value = 0 },
    { .what = "another text width", .key = "yolo-world.text_dim", .value = 21 },
    { .what = "another width of embeddings", .key = "yolo-world.embed_dim", .value = 21 },
    { .what = "more bins than the head has", .key = "yolo-world.reg_max", .value = 17 },
    { .what = "no bins", .key = "yolo-world.reg_max", .value = 0 },
    { .what = "no heads", .drop = "yolo-world.num_heads" },
    { .what = "no first layer", .drop = "model.0.conv.weight" },
    { .what = "no guide", .drop = "model.15.attn.gl.weight" },
    { .what = "no bias", .drop = "model.22.cv3.1.0.conv.bias" },
    { .what = "no norm", .drop = "model.22.cv4.2.norm.running_var" },
    { .what = "no scale", .drop = "model.22.cv4.0.logit_scale" },
    { .what = "a bottleneck missing", .drop = "model.4.m.0.cv1.conv.weight" },
    { .what = "a turned convolution", .turn = "model.3.conv.weight" },
    { .what = "a turned guide", .turn = "model.12.attn.gl.weight" },
    { .what = "a turned attention", .turn = "model.15.attn.proj_conv.conv.weight" },
    { .what = "turned sides", .turn = "model.22.cv2.1.2.weight" },
    { .what = "turned embeddings", .turn = "model.22.cv3.1.2.weight" },
    { .what = "a wide map of sides", .kernel = "model.22.cv2.0.0.conv.weight", .sides = { 3, 2 } },
    { .what = "a high map of sides", .kernel = "model.22.cv2.1.1.conv.weight", .sides = { 2, 3 } },
    { .what = "a large map of sides", .kernel = "model.22.cv2.2.0.conv.weight", .sides = { 2, 2 } },
    { .what = "a wide map of features",
      .kernel = "model.22.cv3.0.0.conv.weight",
      .sides = { 3, 2 } },
    { .what = "a large map of features",
      .kernel = "model.22.cv3.2.1.conv.weight",
      .sides = { 2, 2 } },
    { .what = "a flat kernel", .kernel = "model.4.m.0.cv2.conv.weight", .sides = { 1, 3 } },
    { .what = "a small embedding of places",
      .kernel = "model.12.attn.ec.conv.weight",
      .sides = { 3, 3 } },
};

/* Where the bytes of a name stand that its length goes before. */
static char *find_name(char *bytes, size_t size, const char *name)
{
    uint64_t len = strlen(name);
    for (size_t i = 8; i + len < size; i++)
        if (!memcmp(bytes + i, name, len) && !memcmp(bytes + i - 8, &len, 8))
            return bytes + i;
    fail_msg("no %s in the parity file", name);
    return NULL;
}

/* The parity file with one thing changed in place: a number, a name, or the order of two axes. */
static void write_lie(const char *path, const lie *l)
{
    rap_err err = { 0 };
    char *bytes;
    size_t size;
    must(file_read(&bytes, &size, model, 1 << 24, &err), &err);
    if (l->key)
        memcpy(find_name(bytes, size, l->key) + strlen(l->key) + 4, &l->value, 4);
    if (l->drop)
        *find_name(bytes, size, l->drop) = 'X';
    if (l->turn) {
        uint32_t dims;
        uint64_t ne[4];
        char *at = find_name(bytes, size, l->turn) + strlen(l->turn);
        memcpy(&dims, at, 4);
        memcpy(ne, at + 4, dims * 8);
        for (uint32_t i = 0; i < dims; i++)
            memcpy(at + 4 + i * 8, &ne[dims - 1 - i], 8);
    }
    must(file_write(path, bytes, size, &err), &err);
    free(bytes);
}

/* The parity file with a kernel of other sides, everything behind it moved. */
static void write_kernel(const char *path, const lie *l)
{
    rap_err err = { 0 };
    buf bytes = BUF_INIT;
    changed_gguf c;
    must(changed_gguf_open(&c, model, &err), &err);
    for (size_t i = 0; i < gguf_tensor_count(c.from); i++)
        if (!strcmp(gguf_tensor_at(c.from, i)->name, l->kernel))
            for (int k = 0; k < 2; k++)
                changed_gguf_axis(&c, i, k, l->sides[1 - k]);
    changed_gguf_bytes(&bytes, &c, 1 << 20);
    must(file_write(path, bytes.data, bytes.len, &err), &err);
    buf_release(&bytes);
    changed_gguf_close(&c);
}

static void test_files_that_lie(void **state)
{
    char path[] = "/tmp/rap-yolo-XXXXXX";
    close(mkstemp(path));
    rap_err err = { 0 };
    yolo_world *y = NULL;
    write_lie(path, &(lie){ .what = "the truth" });
    must(yolo_world_open(&y, path, 2, PRECISION_F32, &err), &err);
    yolo_world_close(y);
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        if (lies[i].kernel)
            write_kernel(path, &lies[i]);
        else
            write_lie(path, &lies[i]);
        rap_status s = yolo_world_open(&y, path, 2, PRECISION_F32, &err);
        if (s != RAP_E_FORMAT || !strstr(err.text, path))
            fail_msg("%s: status %d, \"%s\"", lies[i].what, (int)s, err.text);
        print_message("%s: %s\n", lies[i].what, strstr(err.text, ": "));
        assert_null(y);
    }
    unlink(path);
}

static void test_other_models_are_refused(void **state)
{
    rap_err err = { 0 };
    yolo_world *y = NULL;
    char path[1024];
    const char *tests = getenv("RAP_TESTS");
    snprintf(path, sizeof path, "%s/nn/reference.gguf", tests ? tests : "tests");
    assert_int_equal(yolo_world_open(&y, path, 1, PRECISION_F32, &err), RAP_E_FORMAT);
    assert_int_not_equal(yolo_world_open(&y, "/nowhere/model.gguf", 1, PRECISION_F32, &err),
                         RAP_OK);
    assert_null(y);
}

int main(void)
{
    const char *tests = getenv("RAP_TESTS");
    snprintf(model, sizeof model, "%s/vision/yolo_parity.gguf", tests ? tests : "tests");
    const struct CMUnitTest all[] = {
        cmocka_unit_test(test_equals_pytorch_in_f32),
        cmocka_unit_test(test_each_call_has_its_vocabulary),
        cmocka_unit_test(test_bf16_is_close),
        cmocka_unit_test(test_no_layer_runs_reference_code),
        cmocka_unit_test(test_detections_are_sorted_apart_and_inside),
        cmocka_unit_test(test_tiny_and_odd_pictures),
        cmocka_unit_test(test_letterbox_of_a_fitting_picture_is_itself),
        cmocka_unit_test(test_tiny_model_equals_its_training),
        cmocka_unit_test(test_files_that_lie),
        cmocka_unit_test(test_other_models_are_refused),
    };
    return cmocka_run_group_tests(all, NULL, NULL);
}

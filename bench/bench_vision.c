/* bench_vision.c: the detector and the encoder of a profile, one picture and a batch, against the machine's
 * own matrix product on the same threads. Usage: bench_vision [FOLDER [THREADS]] */
#include "base/mem.h"
#include "base/text.h"
#include "base/threads.h"
#include "vision/encoder.h"
#include "vision/yolo_inside.h"

#include <stdio.h>
#include <stdlib.h>

enum { ROUNDS = 15, NAMES = 20, BATCH = 8 };

static double smaller(double best, double start)
{
    double ms = clock_ms() - start;
    return best < 0 || ms < best ? ms : best;
}

static rap_status network_alone(yolo_world *y, rap_err *err)
{
    float *outputs[2 * YOLO_LEVELS];
    double best = -1, peak = nn_matmul_speed(y->n), operations = nn_graph_operations(y->graph);
    rap_status s = RAP_OK;
    char *report = NULL;
    for (int i = 0; i < YOLO_LEVELS; i++) {
        outputs[2 * i] = y->level[i].sides;
        outputs[2 * i + 1] = y->level[i].features;
    }
    for (int i = 0; s == RAP_OK && i < ROUNDS; i++) {
        double start = clock_ms();
        s = nn_graph_run(y->graph, (const void *[]){ y->canvas }, outputs, err);
        best = smaller(best, start);
    }
    printf("network alone     %8.2f ms   %6.1f GFLOP/s, %.0f %% of a matrix product's %.1f\n", best,
           operations / best / 1e6, 100 * operations / best / 1e6 / peak, peak);
    nn_graph_profile(y->graph, true);
    for (int i = 0; s == RAP_OK && i < ROUNDS; i++)
        s = nn_graph_run(y->graph, (const void *[]){ y->canvas }, outputs, err);
    if (s == RAP_OK)
        s = nn_graph_report(y->graph, peak, &report, err);
    if (report)
        fputs(report, stdout);
    free(report);
    return s;
}

static rap_status detector(const char *path, int threads, const image *im, rap_err *err)
{
    yolo_world *y = NULL;
    yolo_vocabulary *v = NULL;
    double start = clock_ms(), best = -1;
    rap_status s = yolo_world_open(&y, path, threads, PRECISION_AUTO, err);
    if (s != RAP_OK)
        return s;
    printf("\n%s, %d px, %s, %d threads\nopen              %8.2f ms\n", path, y->size,
           nn_precision_of(y->n) == NN_BF16 ? "bf16" : "f32", nn_threads(y->n), clock_ms() - start);
    size_t count = (size_t)NAMES * (size_t)yolo_world_text_dim(y);
    float *text = mem_array(count, sizeof *text);
    for (size_t i = 0; text && i < count; i++)
        text[i] = (float)((i * 7919) % 101) - 50;
    start = clock_ms();
    s = text ? yolo_vocabulary_new(&v, y, text, NAMES, err) : err_memory(err, "a vocabulary");
    printf("set %d names      %8.2f ms\n", NAMES, clock_ms() - start);
    for (int i = 0; s == RAP_OK && i < ROUNDS; i++) {
        detection *found;
        int found_count;
        start = clock_ms();
        s = yolo_world_detect(y, v, im, NULL, &found, &found_count, err);
        best = smaller(best, start);
        free(found);
    }
    printf("detect            %8.2f ms\n", best);
    if (s == RAP_OK)
        s = network_alone(y, err);
    free(text);
    yolo_vocabulary_free(v);
    yolo_world_close(y);
    return s;
}

static rap_status image_encoder(const char *path, int threads, const image *im, rap_err *err)
{
    encoder *e = NULL;
    image batch[BATCH];
    double start = clock_ms();
    rap_status s = encoder_open(&e, path, threads, PRECISION_AUTO, err);
    if (s != RAP_OK)
        return s;
    printf("\n%s\nopen              %8.2f ms\n", path, clock_ms() - start);
    float *out = mem_array((size_t)BATCH * (size_t)encoder_dim(e), sizeof *out);
    for (int i = 0; i < BATCH; i++)
        batch[i] = *im;
    for (int count = 1; s == RAP_OK && out && count <= BATCH; count *= BATCH) {
        double best = -1;
        for (int i = 0; s == RAP_OK && i < ROUNDS; i++) {
            start = clock_ms();
            s = encoder_images(e, batch, count, out, err);
            best = smaller(best, start);
        }
        printf("%d picture%s        %8.2f ms\n", count, count > 1 ? "s" : " ", best);
    }
    free(out);
    encoder_close(e);
    return s;
}

int main(int argc, char **argv)
{
    const char *folder = argc > 1 ? argv[1] : "models/tiny";
    long threads = 0;
    char path[1024];
    rap_err err = { 0 };
    image im;
    if (argc > 2 && !text_parse_long(&threads, argv[2]))
        return fprintf(stderr, "usage: bench_vision [FOLDER [THREADS]]\n"), 2;
    rap_status s = image_new(&im, 640, 480, &err);
    for (int i = 0; s == RAP_OK && i < 640 * 480 * 3; i++)
        im.rgb[i] = (uint8_t)(i * 7 + i / 640);
    snprintf(path, sizeof path, "%s/detector.gguf", folder);
    if (s == RAP_OK)
        s = detector(path, (int)threads, &im, &err);
    snprintf(path, sizeof path, "%s/clip.gguf", folder);
    if (s == RAP_OK)
        s = image_encoder(path, (int)threads, &im, &err);
    if (s != RAP_OK)
        fprintf(stderr, "bench_vision: %s\n", err.text);
    image_release(&im);
    return s == RAP_OK ? 0 : 1;
}

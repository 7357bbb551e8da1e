/* bench_train.c: the decoder's training alone: forward, backward and Adam on made-up tokens, for train.sh.
 *
 *     bench_train MODEL.gguf [--rank N] [--length L] [--count N] [--steps N] [--threads N] [--dropout X] [--bf16]
 *                 [--recompute] [--profile]
 *
 * A step learns `count` sequences of `length` tokens, the last quarter of each an answer; train_peer.py makes the same ones. One
 * line of JSON: tokens a second, microseconds of processor time a token, peak memory, losses. The first step, which
 * touches memory for the first time, is not timed. */
#include "base/file.h"
#include "base/mem.h"
#include "base/threads.h"
#include "nn/nn.h"
#include "train/decoder.h"
#include "train/optimiser.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

typedef struct setting {
    const char *model;
    int rank, length, count, steps, threads;
    double dropout;
    bool bf16, recompute, profile;
} setting;

static double processor_seconds(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           1e-6 * (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static long peak_kib(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return u.ru_maxrss;
}

static int parse(setting *s, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *a = argv[i], *next = i + 1 < argc ? argv[i + 1] : "";
        const struct {
            const char *name;
            int *value;
        } numbers[] = { { "--rank", &s->rank },
                        { "--length", &s->length },
                        { "--count", &s->count },
                        { "--steps", &s->steps },
                        { "--threads", &s->threads } };
        bool known = true;

        if (!strcmp(a, "--bf16"))
            s->bf16 = true;
        else if (!strcmp(a, "--recompute"))
            s->recompute = true;
        else if (!strcmp(a, "--profile"))
            s->profile = true;
        else if (!strcmp(a, "--dropout"))
            s->dropout = strtod(next, NULL), i++;
        else if (*a != '-')
            s->model = a;
        else
            known = false;
        for (size_t k = 0; !known && k < sizeof numbers / sizeof *numbers; k++)
            if (!strcmp(a, numbers[k].name)) {
                *numbers[k].value = (int)strtol(next, NULL, 10);
                known = true;
                i++;
            }
        if (!known)
            return fprintf(stderr, "bench_train: unknown option %s\n", a), 2;
    }
    return s->model && s->steps > 0 && s->length > 1 && s->count > 0 ? 0 : 2;
}

/* Token i of step `step`; train_peer.py has the same formula. */
static int32_t token_at(int64_t i, int step, int64_t vocab)
{
    return (int32_t)((uint64_t)(i * 7919 + step * 104729 + i * i % 8191 * 31) % (uint64_t)vocab);
}

static void fill(int32_t *token, int32_t *target, int32_t *begin, const setting *s, int step,
                 int64_t vocab)
{
    for (int q = 0; q <= s->count; q++)
        begin[q] = q * s->length;
    for (int64_t i = 0; i < (int64_t)s->count * s->length; i++)
        token[i] = token_at(i, step, vocab);
    for (int64_t i = 0; i < (int64_t)s->count * s->length; i++) {
        int64_t at = i % s->length;

        target[i] = at >= s->length - s->length / 4 && at + 1 < s->length ? token[i + 1] : -1;
    }
}

/* GFLOP in a second of processor time of a product as large as the cache, in the number of the setting. */
static double peak_speed(const setting *s)
{
    enum { SIDE = 1536, TIMES = 8 };
    size_t n = (size_t)SIDE * SIDE;
    float *a = mem_array(n, sizeof *a), *out = mem_array(n, sizeof *out);
    float *packed = mem_aligned_raw((factor_reals(SIDE, SIDE) + 64) * sizeof *packed);
    float *rounded = mem_aligned_raw((factor_half_reals(SIDE, SIDE) + 64) * sizeof *rounded);
    factor f = { packed, SIDE, SIDE, s->bf16 };
    double best = 1e9;

    for (int64_t i = 0; i < factor_strips(NN_ROWS, SIDE, SIDE); i++)
        factor_pack_strip(&f, a + factor_strip(NN_ROWS, SIDE, SIDE, i).first * SIDE, SIDE, NN_ROWS,
                          i);
    for (int i = 0; i < TIMES; i++) {
        double began = processor_seconds(), took;

        if (s->bf16)
            product_half(out, a, &f, SIDE, false, rounded, s->threads);
        else
            product(out, a, &f, SIDE, false, s->threads);
        took = (processor_seconds() - began) * 1000;
        best = took < best ? took : best;
    }
    free(a);
    free(out);
    free(packed);
    free(rounded);
    return 2.0 * SIDE * SIDE * SIDE / best / 1e6;
}

/* Per kind of linear layer: milliseconds of processor time and share of the peak, forwards, backwards and in the LoRA. */
static void print_profile(const decoder *d, const setting *s, double tokens)
{
    const shape *h = decoder_shape(d);
    double peak = peak_speed(s);

    printf("peak of products: %.0f GFLOP/s%s\n", peak, s->bf16 ? " (bf16)" : "");
    for (int k = 0; k < LINEAR_KINDS; k++) {
        const double *ms = decoder_times(d, (linear_kind)k);
        int64_t in, out;
        double work;

        shape_linear(&out, &in, h, (linear_kind)k);
        work = 2 * tokens * (double)h->layers * (double)(in * out) / 1e6;
        if (shape_has(h, (linear_kind)k))
            printf("%-12s forwards %7.0f ms %3.0f %%, backwards %7.0f ms %3.0f %%, LoRA %7.0f ms "
                   "%3.0f %%\n",
                   linear_name((linear_kind)k), ms[0], 100 * work / ms[0] / peak, ms[1],
                   100 * work / ms[1] / peak, ms[2],
                   100 * 6 * tokens * (double)h->layers * (double)(s->rank * (in + out)) / 1e6 /
                       ms[2] / peak);
    }
}

static rap_status run(const setting *s, rap_err *err)
{
    int64_t all = (int64_t)s->count * s->length;
    decoder_options o = { .rank = s->rank,
                          .alpha = 2 * s->rank,
                          .dropout = s->dropout,
                          .seed = 1,
                          .threads = s->threads,
                          .rows = (int)all,
                          .recompute = s->recompute,
                          .bf16 = s->bf16,
                          .keep = (size_t)2 << 30 };
    int32_t *token = mem_array((size_t)all, sizeof *token),
            *target = mem_array((size_t)all, sizeof *target),
            *begin = mem_array((size_t)s->count + 1, sizeof *begin);
    gguf_file *g = NULL;
    decoder *d = NULL;
    real *m = NULL, *v = NULL;
    double wall = 0, cpu = 0, first = 0, last = 0;
    rap_status status =
        token && target && begin ? gguf_file_open(&g, s->model, err) : err_memory(err, "starting");

    if (!status)
        status = decoder_open(&d, g, &o, err);
    m = d ? mem_array(decoder_params(d), sizeof *m) : NULL;
    v = d ? mem_array(decoder_params(d), sizeof *v) : NULL;
    if (!status && (!m || !v))
        status = err_memory(err, "starting");
    for (int step = 0; !status && step <= s->steps; step++) {
        rows r;
        double loss = 0;
        int learnt = s->count * (s->length / 4 - 1);

        if (step == 1) {
            wall = clock_ms();
            cpu = processor_seconds();
            decoder_clear_times(d);
        }
        fill(token, target, begin, s, step, decoder_shape(d)->vocab);
        r = (rows){ .count = all, .token = token, .target = target, .spans = { begin, s->count } };
        status =
            decoder_learn(&loss, d, &r, 1.0 / learnt, s->dropout > 0 ? (uint64_t)step + 1 : 0, err);
        if (!status)
            adam_step(&(adam){ .param = decoder_param(d),
                               .grad = decoder_grad(d),
                               .m = m,
                               .v = v,
                               .count = decoder_params(d),
                               .t = step + 1,
                               .lr = 1e-4,
                               .scale = 1 },
                      s->threads);
        last = loss / learnt;
        first = step == 1 ? last : first;
    }
    if (!status) {
        double tokens = (double)all * s->steps;

        wall = (clock_ms() - wall) / 1000;
        cpu = processor_seconds() - cpu;
        printf(
            "{\"tokens_per_second\": %.1f, \"us_of_processor_a_token\": %.1f, \"peak_mib\": %ld, "
            "\"first_loss\": %.6f, \"last_loss\": %.6f}\n",
            tokens / wall, cpu / tokens * 1e6, peak_kib() / 1024, first, last);
        if (s->profile)
            print_profile(d, s, (double)all * s->steps);
    }
    decoder_close(d);
    gguf_file_close(g);
    free(token);
    free(target);
    free(begin);
    free(m);
    free(v);
    return status;
}

int main(int argc, char **argv)
{
    setting s = { .rank = 128, .length = 256, .count = 4, .steps = 2, .dropout = 0.05 };
    rap_err err = { 0 };
    int code = parse(&s, argc, argv);

    if (code) {
        fprintf(stderr, "usage: bench_train MODEL.gguf [--rank N] [--length L] [--count N] "
                        "[--steps N] [--threads N] "
                        "[--dropout X] [--bf16] [--recompute] [--profile]\n");
        return code;
    }
    s.threads = s.threads > 0 ? s.threads : threads_available();
    if (run(&s, &err)) {
        fprintf(stderr, "bench_train: %s\n", err.text);
        return 1;
    }
    return 0;
}

/* bench_compare.c: vision networks against ONNX Runtime on the same weights, pixels and threads, in
 * turns within one run.
 *
 *     bench_compare [--onnx LIBRARY] [--threads N] [--rounds N] [--cpu-time] [--type f32|bf16|int8] [--profile-layers] MODEL...
 *
 * MODEL is a path without its ending: MODEL.gguf and MODEL.onnx hold the same network (make_models.py writes them;
 * vision.sh fetches all that is needed and runs this). Without a library only our side is measured.
 *
 * Every measurement has a process of its own: its peak memory is its own, and no thread pool of one row
 * disturbs the next. Read compare() first. */
#include "base/mem.h"
#include "base/text.h"
#include "base/threads.h"
#include "onnx.h"
#include "ours.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { BURST = 3, PAUSE_US = 30000, OURS = 0, THEIRS = 1 };

typedef struct settings {
    const char *library, *model;
    long threads, rounds;
    bool layers, cpu;
    nn_precision precision;
} settings;

typedef struct measured {
    double ms[2], median[2], open_ms[2]; /* best, median, from nothing to ready */
    double peak, operations, difference;
    long kib[2];
    int64_t size;
    bool detector;
    nn_precision precision;
    char version[32];
} measured;

typedef struct pair {
    ours our;
    onnx *their;
    bool detector;
    int64_t size;
    float *pixels, *planes; /* the same picture: [S, S, 3] for us, [3, S, S] for them */
    const float *result;
} pair;

static void release(pair *p)
{
    ours_close(&p->our);
    onnx_close(p->their);
    free(p->pixels);
    free(p->planes);
}

static int turn(pair *p, int side, rap_err *err)
{
    int64_t shape[4] = { 1, 3, p->size, p->size };
    if (side == OURS)
        return ours_run(&p->our, p->pixels, err) != RAP_OK;
    return onnx_run(p->their, "pixels", p->planes, shape, 4, p->detector ? "found" : "features",
                    &p->result);
}

/* Smooth colours, of the size that our side has found. */
static int paint(pair *p, const measured *m)
{
    int64_t s = p->size = m->size;
    p->detector = m->detector;
    p->pixels = mem_array((size_t)(s * s) * 3, sizeof *p->pixels);
    p->planes = mem_array((size_t)(s * s) * 3, sizeof *p->planes);
    if (!p->pixels || !p->planes)
        return 1;
    for (int64_t i = 0; i < s * s; i++)
        for (int c = 0; c < 3; c++)
            p->pixels[i * 3 + c] = p->planes[c * s * s + i] =
                0.5f + 0.5f * sinf((float)(i % s) * 0.02f * (float)(c + 1) + (float)(i / s) / 77);
    return 0;
}

static int open_ours(pair *p, measured *m, const settings *s, rap_err *err)
{
    double start = clock_ms();
    if (ours_open(&p->our, s->model, (int)s->threads, s->precision, err) != RAP_OK)
        return 1;
    m->open_ms[OURS] = clock_ms() - start;
    m->operations = nn_graph_operations(p->our.graph);
    m->precision = nn_precision_of(p->our.n);
    m->size = p->our.size;
    m->detector = p->our.detector != NULL;
    return 0;
}

static int open_theirs(pair *p, measured *m, const settings *s)
{
    char path[1024];
    double start = clock_ms();
    snprintf(path, sizeof path, "%s.onnx", s->model);
    if (onnx_open(&p->their, s->library, path, (int)s->threads))
        return 1;
    m->open_ms[THEIRS] = clock_ms() - start;
    snprintf(m->version, sizeof m->version, "%s", onnx_version(p->their));
    return 0;
}

/* ---- what is measured --------------------------------------------------------------------- */

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Wall time, or on a busy machine the time that all threads of this process were running. */
static double now_ms(const settings *s)
{
    struct timespec t;
    if (!s->cpu)
        return clock_ms();
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* Bursts in turns, a rest before each in which the other side's threads fall asleep. */
static int race(measured *m, pair *p, const settings *s, rap_err *err)
{
    int sides = p->their ? 2 : 1, bad = 0;
    long each = s->rounds * BURST;
    double *ms = mem_array((size_t)each * 2, sizeof *ms);
    if (!ms)
        return 1;
    for (long r = 0; r < s->rounds && !bad; r++)
        for (int side = 0; side < sides && !bad; side++) {
            usleep(PAUSE_US);
            bad = turn(p, side, err);
            for (int k = 0; k < BURST && !bad; k++) {
                double start = now_ms(s);
                bad = turn(p, side, err);
                ms[side * each + r * BURST + k] = now_ms(s) - start;
            }
        }
    for (int side = 0; side < sides && !bad; side++) {
        qsort(ms + side * each, (size_t)each, sizeof *ms, by_value);
        m->ms[side] = ms[side * each];
        m->median[side] = ms[side * each + each / 2];
    }
    free(ms);
    return bad;
}

/* The largest difference of some numbers relative to the largest of them. */
static double difference_within(const pair *p, int64_t from, int64_t to)
{
    double top = 0, far = 0;
    for (int64_t i = from; i < to; i++) {
        top = fmax(top, fabs((double)p->result[i]));
        far = fmax(far, fabs((double)p->result[i] - (double)p->our.out[i]));
    }
    return far / (top > 0 ? top : 1);
}

/* Boxes and scores are numbers of their own. */
static double difference(const pair *p)
{
    const ours *o = &p->our;
    return fmax(difference_within(p, 0, o->boxes), difference_within(p, o->boxes, o->numbers));
}

static void show_layers(pair *p, const measured *m, const settings *s, rap_err *err)
{
    char *text = NULL;
    int bad = 0;
    nn_graph_profile(p->our.graph, true);
    for (long i = 0; i < s->rounds && !bad; i++)
        bad = turn(p, OURS, err);
    if (!bad && nn_graph_report(p->our.graph, m->peak, &text, err) == RAP_OK)
        fputs(text, stdout);
    fflush(stdout);
    free(text);
}

/* ---- one process a measurement ------------------------------------------------------------ */

typedef int step(measured *m, const settings *s, pair *p, rap_err *err);

static int race_both(measured *m, const settings *s, pair *p, rap_err *err)
{
    if (open_ours(p, m, s, err) || (s->library && open_theirs(p, m, s)) || paint(p, m) ||
        race(m, p, s, err))
        return 1;
    m->difference = p->their ? difference(p) : 0;
    m->peak = nn_matmul_speed(p->our.n);
    if (s->layers)
        show_layers(p, m, s, err);
    return 0;
}

static int ours_alone(measured *m, const settings *s, pair *p, rap_err *err)
{
    return open_ours(p, m, s, err) || paint(p, m) || turn(p, OURS, err);
}

static int theirs_alone(measured *m, const settings *s, pair *p, rap_err *err)
{
    return open_theirs(p, m, s) || paint(p, m) || turn(p, THEIRS, err);
}

/* Runs a step in a child; its peak memory goes to *kib. */
static int apart(step *run, measured *m, const settings *s, long *kib)
{
    int ends[2], state = 1;
    struct rusage used;
    fflush(stdout);
    if (pipe(ends))
        return 1;
    pid_t pid = fork();
    if (pid == 0) {
        rap_err err = { 0 };
        pair p = { 0 };
        int bad = run(m, s, &p, &err);
        if (bad && err.text[0])
            fprintf(stderr, "bench_compare: %s\n", err.text);
        release(&p);
        bad = bad || write(ends[1], m, sizeof *m) != (ssize_t)sizeof *m;
        _exit(bad);
    }
    close(ends[1]);
    int bad = pid < 0 || read(ends[0], m, sizeof *m) != (ssize_t)sizeof *m;
    close(ends[0]);
    bad = pid < 0 || wait4(pid, &state, 0, &used) != pid || state || bad;
    if (!bad)
        *kib = used.ru_maxrss;
    return bad;
}

static const char *const types[] = { "auto", "f32", "bf16", "int8" }; /* by nn_precision */

static bool parse_type(nn_precision *type, const char *word)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (!strcmp(word, types[i])) {
            *type = (nn_precision)i;
            return true;
        }
    return false;
}

static void show(const measured *m, const settings *s)
{
    const char *name = strrchr(s->model, '/');
    double speed = m->operations / m->ms[OURS] / 1e6;
    printf("%-10s %-4s %3ld %9.2f %9.2f %6.0f %4.0f %% %6ld %8.0f", name ? name + 1 : s->model,
           types[m->precision], s->threads, m->ms[OURS], m->median[OURS], speed,
           100 * speed / m->peak, m->kib[OURS] >> 10, m->open_ms[OURS]);
    if (s->library)
        printf(" | %9.2f %9.2f %6ld %8.0f | %5.2f %5.2f %8.1e", m->ms[THEIRS], m->median[THEIRS],
               m->kib[THEIRS] >> 10, m->open_ms[THEIRS], m->ms[THEIRS] / m->ms[OURS],
               m->median[THEIRS] / m->median[OURS], m->difference);
    printf("\n");
    fflush(stdout);
}

static int compare(const settings *s)
{
    measured m = { 0 };
    long both;
    if (apart(ours_alone, &m, s, &m.kib[OURS]))
        return 1;
    if (s->library && apart(theirs_alone, &m, s, &m.kib[THEIRS]))
        return 1;
    double open[2] = { m.open_ms[OURS], m.open_ms[THEIRS] };
    if (apart(race_both, &m, s, &both))
        return 1;
    memcpy(m.open_ms, open, sizeof open);
    show(&m, s);
    return 0;
}

int main(int argc, char **argv)
{
    settings s = { .threads = threads_available(), .rounds = 7 };
    int i = 1;
    bool right = true;
    for (; i < argc && argv[i][0] == '-' && right; i++) {
        bool more = i + 1 < argc;
        if (!strcmp(argv[i], "--profile-layers"))
            s.layers = true;
        else if (!strcmp(argv[i], "--cpu-time"))
            s.cpu = true;
        else if (!strcmp(argv[i], "--onnx") && more)
            s.library = argv[++i];
        else if (!strcmp(argv[i], "--type") && more)
            right = parse_type(&s.precision, argv[++i]);
        else if (!strcmp(argv[i], "--threads") && more)
            right = text_parse_long(&s.threads, argv[++i]) && s.threads > 0;
        else if (!strcmp(argv[i], "--rounds") && more)
            right = text_parse_long(&s.rounds, argv[++i]) && s.rounds > 0;
        else
            right = false;
    }
    if (!right || i >= argc) {
        puts("usage: bench_compare [--onnx LIBRARY] [--threads N] [--rounds N] [--cpu-time] "
             "[--type f32|bf16|int8] [--profile-layers] MODEL...\nbench/vision.sh fetches what "
             "this needs and runs it.");
        return right ? 0 : 2;
    }
    printf("%-10s %-4s %3s %9s %9s %6s %6s %6s %8s%s\n", "ours", "type", "thr", "best ms", "median",
           "GF/s", "peak", "MiB", "open ms",
           s.library ? " |   best ms    median    MiB  open ms |  best median   differ" : "");
    for (; i < argc; i++) {
        s.model = argv[i];
        if (compare(&s))
            return 1;
    }
    return 0;
}

/* bench_scale.c: a store of many concepts: how fast they come in, what they weigh, how long opening,
 * searching, adding, forgetting and listing take. Vectors have 512 numbers; pictures are a few bytes.
 * Usage: bench_scale [CONCEPTS [THREADS [FOLDER [VECTORS]]]]
 *
 * VECTORS are features of real pictures, f32, as make_vectors.py writes them. The first 128 are what is
 * searched for, eight at a time; a concept is one of the others plus 0.3 times the difference of two more, so
 * that any number of them are spread as the real ones are. Without VECTORS all is noise, which no encoder
 * makes: nothing in it can be passed over by its sketch. */
#include "base/mem.h"
#include "base/threads.h"
#include "remember/inside.h"
#include "retrieve/memory.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { DIM = 512, QUERIES = 8, K = 2, ROUNDS = 5, BATCH = 500, CATEGORIES = 40 };

enum { SEARCHES = 16, ASKED = SEARCHES * QUERIES };

static const char encoder[] = "bench";
static char path[512];
static float *real; /* [real_count, DIM]; NULL: noise */
static size_t real_count;

static uint64_t seed = 88172645463325252u;

static float noise(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (float)(seed >> 40) / (1 << 23) - 1;
}

static size_t any_of(size_t count)
{
    noise();
    return (size_t)(seed >> 11) % count;
}

static void make_vector(float *out)
{
    const float *v[3];

    for (int i = 0; real && i < 3; i++)
        v[i] = real + (ASKED + any_of(real_count - ASKED)) * DIM;
    for (int d = 0; d < DIM; d++)
        out[d] = real ? v[0][d] + 0.3f * (v[1][d] - v[2][d]) : noise();
}

/* out [QUERIES, DIM] */
static void make_queries(float *out, int number)
{
    for (int i = 0; i < QUERIES * DIM; i++)
        out[i] = real ? real[number % SEARCHES * QUERIES * DIM + i] : noise();
}

static int read_vectors(const char *file)
{
    struct stat info;
    FILE *f = fopen(file, "rbe");

    if (f && fstat(fileno(f), &info) == 0) {
        real_count = (size_t)info.st_size / (DIM * sizeof *real);
        real = mem_array(real_count * DIM, sizeof *real);
    }
    if (!real || real_count < 2 * ASKED ||
        fread(real, sizeof *real, real_count * DIM, f) != real_count * DIM) {
        fprintf(stderr, "bench_scale: %s: not many times %d numbers\n", file, DIM);
        real_count = 0;
    }
    if (f)
        fclose(f);
    return real_count > 0;
}

static int failed(const char *doing, const rap_err *err)
{
    fprintf(stderr, "bench_scale: %s: %s\n", doing, err->text);
    return 1;
}

static double resident_mib(const char *field)
{
    char line[256];
    long kib = 0;
    FILE *f = fopen("/proc/self/status", "re");

    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, field, strlen(field)) == 0)
            kib = strtol(line + strlen(field) + 1, NULL, 10);
    if (f)
        fclose(f);
    return (double)kib / 1024;
}

static double file_mib(const char *ending)
{
    char name[600];
    struct stat info;

    snprintf(name, sizeof name, "%s%s", path, ending);
    return stat(name, &info) == 0 ? (double)info.st_size / (1 << 20) : 0;
}

/* As if the machine had just been started, as far as a program may. */
static void drop_from_cache(const char *ending)
{
    char name[600];
    int fd;

    snprintf(name, sizeof name, "%s%s", path, ending);
    fd = open(name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    fdatasync(fd);
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    close(fd);
}

/* Wall and processor time: on a busy machine the second is the steadier figure. */
typedef struct stopwatch {
    double wall, cpu;
} stopwatch;

static double cpu_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static stopwatch start_watch(void)
{
    return (stopwatch){ clock_ms(), cpu_ms() };
}

static void print_row(const char *what, stopwatch since)
{
    printf("  %-30s %9.1f ms  %9.1f ms of processor\n", what, clock_ms() - since.wall,
           cpu_ms() - since.cpu);
    fflush(stdout);
}

/* ---- filling ---- */

static rap_status add(store *s, long number, rap_err *err)
{
    char name[32], category[32], info[160], picture[64];
    float data[DIM];
    store_concept c = { name, category, info, NULL, 0 };
    store_view view = { picture, sizeof picture, 64, 64, { 0, 0, 0, 0 } };
    store_vector vector = { encoder, DIM, data };
    int64_t id = 0, view_id = 0;
    rap_status status;

    snprintf(name, sizeof name, "thing %07ld", number);
    snprintf(category, sizeof category, "kind %ld", number % CATEGORIES);
    snprintf(info, sizeof info, "<thing %07ld> stands on shelf %ld and is dusted on Fridays.",
             number, number % 977);
    memset(picture, 0, sizeof picture);
    snprintf(picture, sizeof picture, "%ld", number);
    make_vector(data);
    status = concept_insert(&id, s, &c, err);
    if (status == RAP_OK)
        status = view_insert(&view_id, s, id, &view, true, err);
    return status == RAP_OK ? vector_insert(s, view_id, &vector, err) : status;
}

static rap_status fill(store *s, long count, rap_err *err)
{
    rap_status status = RAP_OK;

    for (long at = 0; status == RAP_OK && at < count; at += BATCH) {
        status = store_begin(s, STORE_DURABLE, err);
        for (long i = at; status == RAP_OK && i < at + BATCH && i < count; i++)
            status = add(s, i, err);
        status = store_end(s, status, err);
    }
    return status;
}

/* ---- measuring ---- */

/* Everything a new process does before its first search. */
static rap_status open_all(const char *what, store **s, memory **m, rap_err *err)
{
    stopwatch since = start_watch();
    rap_status status = store_open(s, path, 0, err);

    if (status == RAP_OK)
        status = memory_load(m, *s, encoder, DIM, NULL, NULL, err);
    print_row(what, since);
    return status;
}

static void close_all(store **s, memory **m)
{
    memory_free(*m);
    store_close(*s);
    *s = NULL;
    *m = NULL;
}

/* The quickest of some rounds for each of several searches; their mean, and the slowest of them. */
static void search_row(const memory *m, int threads, int rounds, int searches)
{
    float query[QUERIES * DIM];
    search_hit hit[QUERIES * K];
    double wall = 0, cpu = 0, worst = 0;
    char what[64];

    for (int n = 0; n < searches; n++) {
        double best = INFINITY, its_cpu = 0;

        make_queries(query, n);
        for (int i = 0; i < rounds; i++) {
            stopwatch since = start_watch();

            if (search_nearest(memory_index(m), query, QUERIES, K, threads, hit, NULL) != RAP_OK)
                return;
            if (clock_ms() - since.wall < best) {
                best = clock_ms() - since.wall;
                its_cpu = cpu_ms() - since.cpu;
            }
        }
        wall += best / searches;
        cpu += its_cpu / searches;
        worst = best > worst ? best : worst;
    }
    snprintf(what, sizeof what, "search of %d regions, %d thread%s", QUERIES, threads,
             threads == 1 ? "" : "s");
    printf("  %-30s %9.1f ms  %9.1f ms of processor, %.1f ms the slowest of %d\n", what, wall, cpu,
           worst, searches);
    fflush(stdout);
}

static int count_record(const rap_record *record, void *payload)
{
    ++*(long *)payload;
    return 0;
}

static int measure_opening(int threads)
{
    store *s = NULL;
    memory *m = NULL;
    rap_err err = { 0 };

    drop_from_cache("");
    if (open_all("first opening, packs all", &s, &m, &err) != RAP_OK)
        return failed("opening", &err);
    close_all(&s, &m);
    drop_from_cache("");
    drop_from_cache("-vectors-1");
    if (open_all("opening, nothing in the cache", &s, &m, &err) != RAP_OK)
        return failed("opening", &err);
    search_row(m, threads, 1, 1);
    close_all(&s, &m);
    if (open_all("opening again", &s, &m, &err) != RAP_OK)
        return failed("opening", &err);
    for (int t = 1; t <= threads; t *= 2)
        search_row(m, t, ROUNDS, SEARCHES);
    printf(
        "  %.0f MiB of store, %.0f of snapshot; %.0f MiB resident, %.0f of them not the files'\n",
        file_mib(""), file_mib("-vectors-1"), resident_mib("VmRSS:"), resident_mib("RssAnon:"));
    close_all(&s, &m);
    return 0;
}

static int measure_changes(long count)
{
    store *s = NULL;
    memory *m = NULL;
    long seen = 0;
    stopwatch since;
    rap_err err = { 0 };

    if (store_open(&s, path, 0, &err) != RAP_OK)
        return failed("opening", &err);
    since = start_watch();
    if (store_begin(s, STORE_DURABLE, &err) != RAP_OK ||
        store_end(s, add(s, count, &err), &err) != RAP_OK)
        return failed("adding", &err);
    print_row("one more, durable", since);
    since = start_watch();
    if (store_forget(s, "thing 0000005", &err) != RAP_OK)
        return failed("forgetting", &err);
    print_row("forgetting one", since);
    since = start_watch();
    if (memory_load(&m, s, encoder, DIM, NULL, NULL, &err) != RAP_OK)
        return failed("loading", &err);
    print_row("following both changes", since);
    since = start_watch();
    if (store_each(s, NULL, count_record, &seen, &err) != RAP_OK || seen != count)
        return failed("listing", &err);
    print_row("listing all", since);
    close_all(&s, &m);
    return 0;
}

int main(int argc, char **argv)
{
    long count = argc > 1 ? strtol(argv[1], NULL, 10) : 100000;
    int threads = argc > 2 ? (int)strtol(argv[2], NULL, 10) : threads_available();
    char folder[400], command[420];
    store *s = NULL;
    rap_err err = { 0 };
    stopwatch since = start_watch();
    int bad;

    snprintf(folder, sizeof folder, "%s/rap-scale-XXXXXX", argc > 3 ? argv[3] : "/tmp");
    if (count < 10 || threads < 1 || (argc > 4 && !read_vectors(argv[4])) || !mkdtemp(folder))
        return 2;
    snprintf(path, sizeof path, "%s/store.db", folder);
    if (store_open(&s, path, 0, &err) != RAP_OK || fill(s, count, &err) != RAP_OK)
        bad = failed("filling", &err);
    else
        bad = 0;
    store_close(s);
    printf("%ld concepts x %d, %s, %d threads\n", count, DIM, real ? "real features" : "noise",
           threads);
    print_row("coming in", since);
    printf("  %.0f a second, %d to a transaction\n",
           (double)count / (clock_ms() - since.wall) * 1e3, BATCH);
    if (!bad)
        bad = measure_opening(threads);
    if (!bad)
        bad = measure_changes(count);
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command) != 0 || bad;
}

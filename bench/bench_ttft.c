/* bench_ttft [--threads N] [--vision NAME] [--runs N] PROFILE PHOTO OTHER_PHOTO PICTURE...: time to the first token with 0, 1,
 * 2 and 4 concepts, whose pictures are given.
 *
 *     cold       a new handle: the models are opened and no picture is known
 *     warm       the next question of the same handle, about the other photo; the photo comes first in the prompt
 *     as many    a question about a photo without concepts, of as many tokens: what evaluating them takes
 *     follow-up  the second question of a conversation
 *     kept       memory comes first in the prompt, and its state is kept in memory: the photo and the question are evaluated
 *     disk       the same, kept in a file by an earlier handle
 *
 * Each question asks for one token and is timed as a whole, the best of N runs (1) but for cold. Files lie in the page
 * cache. Below a row: warm / as many (at most 1.1 is wanted), kept and disk / kept with no concepts (likewise). */
#include "base/file.h"
#include "base/temp.h"
#include "base/text.h"
#include "formats/json.h"
#include "rap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST = 4 };

typedef struct bench {
    rap_options options;
    const char *profile, *photo, *other;
    const char *picture[MOST];
    int pictures, runs;
    double kept_alone; /* ms without concepts */
} bench;

typedef struct timing {
    double ms;
    int tokens, kept, encoded;
} timing;

static const char asked[] = "What is in this picture?";

static const char *const names[] = { "bo", "gus", "tim", "duke" };

static double now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static void need(rap *r, rap_status status)
{
    if (status == RAP_OK)
        return;
    fprintf(stderr, "bench_ttft: %s\n", r ? rap_error(r) : rap_status_text(status));
    exit(1);
}

static void remember_all(const bench *b)
{
    rap *r = NULL;

    need(r, rap_open(&r, &b->options));
    for (int i = 0; i < b->pictures; i++) {
        char info[64];
        rap_concept c = RAP_CONCEPT_INIT;

        snprintf(info, sizeof info, "<%s> is mine. It likes apples.", names[i]);
        c.name = names[i];
        c.info = info;
        c.image.path = b->picture[i];
        need(r, rap_remember(NULL, r, &c));
    }
    rap_close(r);
}

static rap_query question(const char *text, const char *photo, const char *const *only)
{
    rap_query q = RAP_QUERY_INIT;

    q.question = text;
    q.image.path = photo;
    q.max_tokens = 1;
    q.only = only;
    return q;
}

static timing note(double from, rap_answer *a)
{
    timing t = { now_ms() - from, a->prompt_tokens, a->kept_tokens, a->images_encoded };

    rap_answer_free(a);
    return t;
}

static timing ask_text(rap *r, double from, const char *text, const char *photo,
                       const char *const *only)
{
    rap_query q = question(text, photo, only);
    rap_answer *a = NULL;

    need(r, rap_ask(&a, r, &q, NULL, NULL));
    return note(from, a);
}

static timing ask(rap *r, double from, const char *photo, const char *const *only)
{
    return ask_text(r, from, asked, photo, only);
}

/* The best of several, about the two photos in turns, so that no start is the same but the concepts'. */
static timing best(const bench *b, rap *r, const char *text, const char *const *only)
{
    timing least = { 0, 0, 0, 0 };

    for (int i = 0; i < b->runs; i++) {
        timing now = ask_text(r, now_ms(), text, i % 2 ? b->photo : b->other, only);

        if (i == 0 || now.ms < least.ms)
            least = now;
    }
    return least;
}

static timing follow(rap *r, const char *photo, const char *const *only)
{
    rap_image image = RAP_IMAGE_INIT;
    rap_query first = question(asked, NULL, only);
    rap_query second = question("What is it doing there?", NULL, only);
    rap_chat *chat = NULL;
    rap_answer *a = NULL;
    timing t;
    double from;

    image.path = photo;
    need(r, rap_chat_open(&chat, r, &image));
    need(r, rap_chat_ask(NULL, chat, &first, NULL, NULL));
    from = now_ms();
    need(r, rap_chat_ask(&a, chat, &second, NULL, NULL));
    t = note(from, a);
    rap_chat_close(chat);
    return t;
}

/* ---- as many tokens without concepts ---- */

/* A question of about so many tokens more; free(). */
static char *long_question(int more)
{
    size_t len = strlen(asked), words = more > 0 ? (size_t)more : 0;
    char *text = malloc(len + 2 * words + 1);

    if (!text)
        exit(1);
    memcpy(text, asked, len + 1);
    for (size_t i = 0; i < words; i++)
        memcpy(text + len + 2 * i, " a", 3);
    return text;
}

static timing as_many(const bench *b, rap *r, int tokens)
{
    static const char *const none[] = { NULL };
    int alone =
        best(&(bench){ .photo = b->photo, .other = b->other, .runs = 1 }, r, asked, none).tokens;
    char *text = long_question(tokens - alone);
    timing t = best(b, r, text, none);

    free(text);
    return t;
}

/* ---- the order of the prompt ---- */

/* The same profile with the photo or the memory first, in a folder of its own. */
static void write_profile(const char *profile, const char *folder, bool memory_first)
{
    char *path = path_join(profile, "profile.json"), *own = path_join(folder, "profile.json");
    const char *key;
    json_t *json = NULL, *file, *prompt;
    rap_err err = { 0 };

    if (!path || !own || json_read(&json, path, 1 << 20, &err)) {
        fprintf(stderr, "bench_ttft: %s\n", err.text);
        exit(1);
    }
    json_object_foreach(json_object_get(json, "files"), key, file)
    {
        char *joined = path_join(profile, json_string_value(json_object_get(file, "path")));
        char *real = realpath(joined, NULL);

        if (real)
            json_object_set_new(file, "path", json_string(real));
        free(joined);
        free(real);
    }
    prompt = json_object_get(json, "prompt");
    if (!prompt)
        json_object_set_new(json, "prompt", prompt = json_object());
    json_object_set_new(prompt, "memory_first", json_boolean(memory_first));
    if (json_dump_file(json, own, 0) != 0) {
        fprintf(stderr, "bench_ttft: %s: cannot be written\n", own);
        exit(1);
    }
    json_decref(json);
    free(path);
    free(own);
}

/* Of the best run from the file, each in a handle of its own that has answered without concepts before. */
static timing from_disk(const bench *b, const rap_options *o, const char *const *only)
{
    static const char *const none[] = { NULL };
    timing least = { 0, 0, 0, 0 };

    for (int i = 0; i < b->runs; i++) {
        rap *r = NULL;
        timing now;

        need(r, rap_open(&r, o));
        ask(r, now_ms(), b->photo, none);
        now = ask(r, now_ms(), b->other, only);
        rap_close(r);
        if (i == 0 || now.ms < least.ms)
            least = now;
    }
    return least;
}

static void measure_kept(bench *b, const char *folder, int concepts, const char *const *only)
{
    rap_options o = b->options;
    timing kept, disk;
    rap *r = NULL;

    write_profile(b->profile, folder, true);
    o.profile = folder;
    o.prefix_cache_mib = 4096;
    need(r, rap_open(&r, &o));
    ask(r, now_ms(), b->photo, only);
    kept = best(b, r, asked, only);
    rap_close(r);
    if (concepts == 0)
        b->kept_alone = kept.ms;
    disk = concepts > 0 ? from_disk(b, &o, only) : kept;
    printf(" %8.0f %8.0f %6d", kept.ms, disk.ms, disk.kept);
    if (concepts > 0)
        printf("   kept %.2f, disk %.2f of none", kept.ms / b->kept_alone, disk.ms / b->kept_alone);
    putchar('\n');
    fflush(stdout);
}

/* ---- a row ---- */

static void measure(bench *b, int concepts)
{
    const char *only[MOST + 1] = { NULL };
    char store[4096];
    rap_err err = { 0 };
    temp folder, profile;
    double from;
    rap *r = NULL;

    if (temp_folder_anywhere(&folder, "bench_ttft", &err) ||
        temp_folder_anywhere(&profile, "bench_ttft", &err)) {
        fprintf(stderr, "bench_ttft: %s\n", err.text);
        exit(1);
    }
    snprintf(store, sizeof store, "%s/store.db", folder.path);
    b->options.store = store;
    memcpy(only, names, (size_t)concepts * sizeof *only);
    write_profile(b->profile, profile.path, false);
    b->options.profile = profile.path;
    remember_all(b);
    from = now_ms();
    need(r, rap_open(&r, &b->options));
    timing cold = ask(r, from, b->photo, only), warm = best(b, r, asked, only),
           many = as_many(b, r, warm.tokens), later = follow(r, b->photo, only);
    rap_close(r);
    printf("%8d %6d %6d %6d %8.0f %8.0f %8.0f %5.2f %9.0f", concepts, cold.tokens, cold.encoded,
           warm.encoded, cold.ms, warm.ms, many.ms, warm.ms / many.ms, later.ms);
    fflush(stdout);
    measure_kept(b, profile.path, concepts, only);
    need(NULL, rap_open(&r, &b->options));
    need(r, rap_cache_clear(r, RAP_CACHE_PREFIXES)); /* a temporary folder holds no folders */
    rap_close(r);
    temp_remove(&folder);
    temp_remove(&profile);
}

static const char *flag(int *argc, char ***argv, const char *name)
{
    if (*argc < 3 || strcmp((*argv)[1], name) != 0)
        return NULL;
    *argc -= 2;
    *argv += 2;
    return (*argv)[0];
}

int main(int argc, char **argv)
{
    static const int counts[] = { 0, 1, 2, MOST };
    bench b = { .options = RAP_OPTIONS_INIT };
    const char *threads = flag(&argc, &argv, "--threads"), *runs;
    long cores = 0, count = 1;

    b.options.vision = flag(&argc, &argv, "--vision");
    runs = flag(&argc, &argv, "--runs");
    if (argc < 5 || (runs && (!text_parse_long(&count, runs) || count < 1 || count > 100)) ||
        (threads && (!text_parse_long(&cores, threads) || cores < 0 || cores > 1024))) {
        fprintf(stderr, "usage: bench_ttft [--threads N] [--vision NAME] [--runs N] PROFILE PHOTO "
                        "OTHER_PHOTO PICTURE...\n");
        return 2;
    }
    b.options.threads = (int)cores;
    b.runs = (int)count;
    b.profile = argv[1];
    b.photo = argv[2];
    b.other = argv[3];
    for (int i = 4; i < argc && b.pictures < MOST; i++)
        b.picture[b.pictures++] = argv[i];
    printf("%8s %6s %6s %6s %8s %8s %8s %5s %9s %8s %8s %6s\n", "concepts", "tokens", "passes",
           "warm", "cold ms", "warm ms", "as many", "ratio", "follow-up", "kept ms", "disk ms",
           "kept");
    for (size_t i = 0; i < sizeof counts / sizeof *counts && counts[i] <= b.pictures; i++)
        measure(&b, counts[i]);
    return 0;
}

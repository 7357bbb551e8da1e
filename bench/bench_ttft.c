/* bench_ttft [--threads N] [--vision NAME] PROFILE PHOTO OTHER_PHOTO PICTURE...: time to the first token with 0, 1, 2 and 4
 * concepts, whose pictures are given.
 *
 *     cold       a new handle: the models are opened and no picture is known
 *     warm       the next question of the same handle, about the other photo
 *     follow-up  the second question of a conversation
 *
 * Each question asks for one token and is timed as a whole. The files lie in the page cache. */
#include "base/temp.h"
#include "base/text.h"
#include "rap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST = 4 };

typedef struct bench {
    rap_options options;
    const char *photo, *other;
    const char *picture[MOST];
    int pictures;
} bench;

typedef struct timing {
    double ms;
    int tokens, kept, encoded;
} timing;

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

static timing ask(rap *r, double from, const char *photo, const char *const *only)
{
    rap_query q = question("What is in this picture?", photo, only);
    rap_answer *a = NULL;

    need(r, rap_ask(&a, r, &q, NULL, NULL));
    return note(from, a);
}

static timing follow(rap *r, const char *photo, const char *const *only)
{
    rap_image image = RAP_IMAGE_INIT;
    rap_query first = question("What is in this picture?", NULL, only);
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

static void measure(bench *b, int concepts)
{
    const char *only[MOST + 1] = { NULL };
    char store[4096];
    rap_err err = { 0 };
    temp folder;
    double from;
    rap *r = NULL;

    if (temp_folder_anywhere(&folder, "bench_ttft", &err)) {
        fprintf(stderr, "bench_ttft: %s\n", err.text);
        exit(1);
    }
    snprintf(store, sizeof store, "%s/store.db", folder.path);
    b->options.store = store;
    memcpy(only, names, (size_t)concepts * sizeof *only);
    remember_all(b);
    from = now_ms();
    need(r, rap_open(&r, &b->options));
    timing cold = ask(r, from, b->photo, only), warm = ask(r, now_ms(), b->other, only),
           later = follow(r, b->photo, only);
    rap_close(r);
    temp_remove(&folder);
    printf("%8d %9.0f %9.0f %9.0f %8d %6d %6d\n", concepts, cold.ms, warm.ms, later.ms, cold.tokens,
           cold.encoded, warm.encoded);
    fflush(stdout);
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
    const char *threads = flag(&argc, &argv, "--threads");
    long cores = 0;

    b.options.vision = flag(&argc, &argv, "--vision");
    if (argc < 5 || (threads && (!text_parse_long(&cores, threads) || cores < 0 || cores > 1024))) {
        fprintf(stderr, "usage: bench_ttft [--threads N] [--vision NAME] PROFILE PHOTO OTHER_PHOTO "
                        "PICTURE...\n");
        return 2;
    }
    b.options.threads = (int)cores;
    b.options.profile = argv[1];
    b.photo = argv[2];
    b.other = argv[3];
    for (int i = 4; i < argc && b.pictures < MOST; i++)
        b.picture[b.pictures++] = argv[i];
    printf("%8s %9s %9s %9s %8s %6s %6s\n", "concepts", "cold ms", "warm ms", "follow-up", "tokens",
           "passes", "warm");
    for (size_t i = 0; i < sizeof counts / sizeof *counts && counts[i] <= b.pictures; i++)
        measure(&b, counts[i]);
    return 0;
}

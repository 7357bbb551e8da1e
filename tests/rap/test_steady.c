/* test_steady.c: many questions in one process, about changing concepts and photos, with edits and forgetting between
 * them: no memory, thread or open file stays behind. RAP_QUESTIONS: how many (80); 1000 for the long run. */
#include "rap/fixture.h"

#include <dirent.h>

enum { THINGS = 5, MIB = 1 << 20, GROWTH_MIB = 6 };

static const char *const things[THINGS] = { "bo", "gus", "tim", "duke", "rex" };
static const char *const pictures[THINGS] = { "bo", "gus", "tim", "duke", "bo" };
static const char *const photos[2] = { "082", "130" };

static const char *source(const char *name)
{
    const char *root = getenv("RAP_SOURCE");

    return path_of("%s/%s", root ? root : ".", name);
}

/* Entries of a folder of /proc/self. */
static int entries(const char *folder)
{
    DIR *dir = opendir(folder);
    int count = 0;

    assert_non_null(dir);
    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

/* Bytes in memory of this process, without mapped files, whose pages come and go. */
static size_t memory_of_its_own(void)
{
    FILE *file = fopen("/proc/self/status", "r");
    char line[256];
    size_t kib = 0;

    assert_non_null(file);
    while (fgets(line, sizeof line, file))
        if (strncmp(line, "RssAnon:", 8) == 0)
            kib = strtoul(line + 8, NULL, 10);
    fclose(file);
    assert_true(kib > 0);
    return kib << 10;
}

typedef struct use {
    size_t memory;
    int threads, files;
} use;

/* The least memory counts: what a question needs for a while is given back sooner or later. */
static void note_use(use *least)
{
    size_t memory = memory_of_its_own();

    if (least->memory == 0 || memory < least->memory)
        least->memory = memory;
    least->threads = entries("/proc/self/task");
    least->files = entries("/proc/self/fd");
}

static void remember_thing(rap *r, int i)
{
    rap_concept c = RAP_CONCEPT_INIT;

    c.name = things[i];
    c.info = "It is mine. It likes apples.";
    c.image.path = source(path_of("examples/toy/concepts/%s.jpg", pictures[i]));
    if (rap_remember(NULL, r, &c) != RAP_OK)
        fail_msg("%s", rap_error(r));
}

/* Edits one, forgets one and remembers it anew. */
static void change_some(rap *r, int round)
{
    rap_change change = RAP_CHANGE_INIT;

    change.info = round % 2 ? "It is mine. It likes pears." : "It is mine. It likes plums.";
    assert_int_equal(rap_update(r, things[round % THINGS], &change), RAP_OK);
    assert_int_equal(rap_forget(r, things[(round + 1) % THINGS]), RAP_OK);
    remember_thing(r, (round + 1) % THINGS);
}

static void question(rap *r, int i)
{
    const char *only[THINGS + 1] = { NULL };
    rap_query q = RAP_QUERY_INIT;
    rap_answer *a = NULL;
    int count = i % 4;

    for (int k = 0; k < count; k++)
        only[k] = things[(i / 4 + k) % THINGS];
    q.question = i % 5 ? "What is in this picture?" : "What does it like?";
    q.max_tokens = 3;
    if (i % 3)
        q.image.path = source(path_of("examples/toy/scenes/%s.jpg", photos[i % 2]));
    if (i % 7)
        q.only = only;
    if (rap_ask(&a, r, &q, NULL, NULL) != RAP_OK)
        fail_msg("question %d: %s", i, rap_error(r));
    rap_answer_free(a);
}

static void nothing_grows(void **state)
{
    fixture *f = *state;
    const char *wanted = getenv("RAP_QUESTIONS");
    int count = wanted ? (int)strtol(wanted, NULL, 10) : 160,
        window = count / 4 < 100 ? count / 4 : 100;
    rap_options o = RAP_OPTIONS_INIT;
    use before = { 0, 0, 0 }, after = { 0, 0, 0 };
    rap *r;

    o.prefix_cache_mib = 2; /* too little for all of them */
    r = open_rap(f, source("models/tiny"), "store.db", &o);
    for (int i = 0; i < THINGS; i++)
        remember_thing(r, i);
    for (int i = 0; i < count; i++) {
        if (i % 20 == 19)
            change_some(r, i / 20);
        question(r, i);
        if (i >= window && i < 2 * window)
            note_use(&before);
        if (i >= count - window)
            note_use(&after);
        if (i % 100 == 99)
            printf("%d questions: %.1f MiB\n", i + 1, (double)memory_of_its_own() / MIB);
    }
    printf("questions %d to %d, and the last %d: memory %.1f, %.1f MiB, threads %d, %d, open files "
           "%d, %d\n",
           window, 2 * window, window, (double)before.memory / MIB, (double)after.memory / MIB,
           before.threads, after.threads, before.files, after.files);
    assert_true(after.threads <= before.threads);
    assert_true(after.files <= before.files);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    assert_true(after.memory < before.memory + (size_t)GROWTH_MIB * MIB);
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_grows, fixture_setup, fixture_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

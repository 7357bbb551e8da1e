/* test_engine.c: one engine under several handles (src/rap/engine.c, src/engine): threads with stores of their own
 * get what each gets alone, and a further handle costs no weights. With the embedded tiny models. */
#include "rap/fixture.h"

#include <malloc.h>
#include <pthread.h>

enum { STORES = 2, THREADS = 4, ROUNDS = 2, SCENES = 2 };

static const char *const scenes[SCENES] = { "000", "068" };

static const char *toy(const char *name)
{
    const char *root = getenv("RAP_SOURCE");

    return path_of("%s/examples/toy/%s", root && *root ? root : ".", name);
}

static const char *tiny(void)
{
    const char *root = getenv("RAP_SOURCE");

    return path_of("%s/models/tiny", root && *root ? root : ".");
}

static rap_engine *open_engine(const rap_engine_options *options)
{
    rap_engine_options o = RAP_ENGINE_OPTIONS_INIT;
    rap_engine *e = NULL;

    if (options)
        o = *options;
    o.profile = tiny();
    if (rap_engine_open(&e, &o) != RAP_OK)
        fail_msg("%s", rap_engine_error(e));
    return e;
}

/* A handle on the engine, or with NULL one with an engine of its own. */
static rap *open_on(const fixture *f, rap_engine *e, const char *store)
{
    rap_options o = RAP_OPTIONS_INIT;
    rap *r = NULL;

    o.engine = e;
    o.profile = e ? NULL : tiny();
    o.store = path_of("%s/%s", f->folder, store);
    if (rap_open(&r, &o) != RAP_OK)
        fail_msg("%s", rap_error(r));
    return r;
}

static void remember_toy(rap *r, const char *name, const char *category)
{
    rap_concept c = RAP_CONCEPT_INIT;

    c.name = name;
    c.category = category;
    c.info = path_of("<%s> is a %s.", name, category);
    c.image.path = toy(path_of("concepts/%s.jpg", name));
    if (rap_remember(NULL, r, &c) != RAP_OK)
        fail_msg("%s", rap_error(r));
}

/* The names and places of what is found, as one text. No cmocka call: threads use it. */
static void see_scene(char out[512], rap *r, const char *scene)
{
    rap_image photo = RAP_IMAGE_INIT;
    rap_matches *m = NULL;
    char path[512];
    size_t used = 0;

    snprintf(path, sizeof path, "%s/examples/toy/scenes/%s.jpg",
             getenv("RAP_SOURCE") ? getenv("RAP_SOURCE") : ".", scene);
    photo.path = path;
    snprintf(out, 512, "failed");
    if (rap_retrieve(&m, r, &photo, NULL, 0) != RAP_OK)
        return;
    used = (size_t)snprintf(out, 512, "%zu regions:", m->region_count);
    for (size_t i = 0; i < m->count && used < 400; i++)
        used += (size_t)snprintf(out + used, 512 - used, " %s %.2f at %.0f,%.0f", m->match[i].name,
                                 (double)m->match[i].distance, (double)m->match[i].box.x,
                                 (double)m->match[i].box.y);
    rap_matches_free(m);
}

/* ---- threads ---- */

typedef struct looker {
    rap *r;
    int number;
    char seen[ROUNDS][SCENES][512];
} looker;

static void *look(void *payload)
{
    looker *l = payload;

    for (int i = 0; i < ROUNDS; i++)
        for (int k = 0; k < SCENES; k++) {
            int scene = (k + l->number) % SCENES; /* not all threads the same at a time */

            see_scene(l->seen[i][scene], l->r, scenes[scene]);
        }
    return NULL;
}

static void threads_with_stores_of_their_own_see_what_each_sees_alone(void **state)
{
    static looker all[THREADS];
    static const char *const store[STORES] = { "a.db", "b.db" };
    fixture *f = *state;
    char alone[STORES][SCENES][512];
    pthread_t thread[THREADS];
    rap_engine *e = open_engine(NULL);

    for (int s = 0; s < STORES; s++) {
        rap *r = open_on(f, NULL, store[s]);

        remember_toy(r, s ? "bropslel4" : "mei", s ? "bus" : "bee"); /* other vocabularies */
        for (int k = 0; k < SCENES; k++)
            see_scene(alone[s][k], r, scenes[k]);
        rap_close(r);
    }
    assert_non_null(strstr(alone[0][0], "mei"));
    assert_non_null(strstr(alone[1][0], "bropslel4"));
    for (int i = 0; i < THREADS; i++) {
        all[i].number = i;
        all[i].r = open_on(f, e, store[i % STORES]);
    }
    for (int i = 0; i < THREADS; i++) /* no model is open yet: the threads open them */
        assert_int_equal(pthread_create(&thread[i], NULL, look, &all[i]), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    for (int i = 0; i < THREADS; i++) {
        for (int n = 0; n < ROUNDS; n++)
            for (int k = 0; k < SCENES; k++)
                assert_string_equal(all[i].seen[n][k], alone[i % STORES][k]);
        rap_close(all[i].r);
    }
    rap_engine_close(e);
}

/* ---- conversations ---- */

typedef struct talker {
    rap *r;
    const char *photo; /* NULL: text only */
    char said[2][256];
} talker;

/* The photo's chat has a second turn. */
static void *talk(void *payload)
{
    static const char *const question[] = { "What is <mei>?", "Who gave <mei> to me?" };
    talker *t = payload;
    rap_image photo = RAP_IMAGE_INIT;
    rap_chat *chat = NULL;

    photo.path = t->photo;
    if (rap_chat_open(&chat, t->r, t->photo ? &photo : NULL) != RAP_OK)
        return NULL;
    for (int i = 0; i < 2; i++) {
        rap_query q = RAP_QUERY_INIT;
        rap_answer *a = NULL;

        q.question = question[i];
        q.max_tokens = 4;
        if (rap_chat_ask(&a, chat, &q, NULL, NULL) == RAP_OK)
            snprintf(t->said[i], sizeof t->said[i], "%s", a->text);
        else
            snprintf(t->said[i], sizeof t->said[i], "failed: %.200s", rap_error(t->r));
        rap_answer_free(a);
    }
    rap_chat_close(chat);
    return NULL;
}

static void chats_of_several_threads_run_on_one_engine(void **state)
{
    fixture *f = *state;
    rap_engine *e = open_engine(NULL);
    rap *r = open_on(f, e, "chat.db");
    char photo[512];
    talker alone[2] = { { .r = r, .photo = photo }, { .r = r } }, both[THREADS];
    pthread_t thread[THREADS];

    snprintf(photo, sizeof photo, "%s", toy("scenes/000.jpg"));
    remember_toy(r, "mei", "bee");
    for (int i = 0; i < 2; i++)
        talk(&alone[i]);
    assert_string_not_equal(alone[0].said[0], "");
    assert_null(strstr(alone[0].said[0], "failed"));
    for (int i = 0; i < THREADS; i++)
        both[i] = (talker){ .r = open_on(f, e, "chat.db"), .photo = i % 2 ? NULL : photo };
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, talk, &both[i]), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    for (int i = 0; i < THREADS; i++) {
        assert_string_equal(both[i].said[0], alone[i % 2].said[0]);
        assert_string_equal(both[i].said[1], alone[i % 2].said[1]);
        rap_close(both[i].r);
    }
    rap_close(r);
    rap_engine_close(e);
}

/* ---- memory ---- */

/* Bytes of this process that are its own. */
static long private_memory(void)
{
    long pages = 0, resident = 0, shared_pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");

    malloc_trim(0);
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%ld %ld %ld", &pages, &resident, &shared_pages), 3);
    fclose(file);
    return (resident - shared_pages) * sysconf(_SC_PAGESIZE);
}

static void a_further_handle_costs_no_weights(void **state)
{
    enum { MORE = 2 };
    fixture *f = *state;
    rap_engine *e = open_engine(&(rap_engine_options){ .load = 1 });
    rap *r[MORE], *own[MORE], *first = open_on(f, e, "m.db");
    char seen[512];
    long before, shared_cost, own_cost;

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
    rap_close(first);
    rap_engine_close(e);
    print_message("skipped: a sanitizer's memory is not the program's\n");
    skip();
#endif
    remember_toy(first, "mei", "bee");
    see_scene(seen, first, "000");
    before = private_memory();
    for (int i = 0; i < MORE; i++) {
        r[i] = open_on(f, e, "m.db");
        see_scene(seen, r[i], "000");
    }
    shared_cost = (private_memory() - before) / MORE;
    before = private_memory();
    for (int i = 0; i < MORE; i++) {
        own[i] = open_on(f, NULL, "m.db");
        see_scene(seen, own[i], "000");
    }
    own_cost = (private_memory() - before) / MORE;
    print_message("a handle on an engine costs %ld KiB, one with its own %ld KiB\n",
                  shared_cost >> 10, own_cost >> 10);
    for (int i = 0; i < MORE; i++) {
        rap_close(r[i]);
        rap_close(own[i]);
    }
    rap_close(first);
    rap_engine_close(e);
    assert_true(own_cost > 4 << 20); /* the measure sees weights */
    assert_true(shared_cost < own_cost / 4);
}

/* ---- lifetime and refusals ---- */

static int count_steps(const char *what, uint64_t done, uint64_t total, void *payload)
{
    assert_string_equal(what, "loading models");
    assert_true(done <= total);
    ++*(int *)payload;
    return *(int *)payload < 0;
}

static void handles_keep_a_closed_engine(void **state)
{
    fixture *f = *state;
    int steps = 0;
    rap_engine *e = open_engine(&(rap_engine_options){
        .load = 1, .profile_layers = 1, .on_progress = count_steps, .payload = &steps });
    rap *r = open_on(f, e, "kept.db"), *other = open_on(f, e, "other.db");
    char seen[512], *text = NULL;

    assert_int_equal(steps, 3);
    rap_engine_close(e);
    rap_engine_close(NULL);
    remember_toy(r, "mei", "bee");
    rap_close(r);
    see_scene(seen, other, "000");
    assert_non_null(strstr(seen, "regions:"));
    assert_null(strstr(seen, "mei"));
    assert_int_equal(rap_layers(&text, other), RAP_OK);
    assert_non_null(strstr(text, "detector"));
    rap_free(text);
    rap_close(other);
}

static void what_cannot_be_opened_says_why(void **state)
{
    fixture *f = *state;
    rap_engine_options o = RAP_ENGINE_OPTIONS_INIT;
    rap_options h = RAP_OPTIONS_INIT;
    rap_engine *e = NULL;
    rap_image photo = RAP_IMAGE_INIT;
    rap_embedding *embedding = NULL;
    int steps = -10;
    rap *r = NULL;

    assert_int_equal(rap_engine_open(NULL, NULL), RAP_E_ARGUMENT);
    o.profile = "/nowhere";
    assert_int_equal(rap_engine_open(&e, &o), RAP_E_NOT_FOUND);
    assert_non_null(strstr(rap_engine_error(e), "/nowhere"));
    h.engine = e;
    h.store = path_of("%s/h.db", f->folder);
    assert_int_equal(rap_open(&r, &h), RAP_E_NOT_FOUND);
    assert_non_null(strstr(rap_error(r), "/nowhere"));
    rap_close(r);
    rap_engine_close(e);

    o.profile = tiny();
    o.precision = "fp16";
    assert_int_equal(rap_engine_open(&e, &o), RAP_E_ARGUMENT);
    assert_non_null(strstr(rap_engine_error(e), "fp16"));
    rap_engine_close(e);
    o.precision = NULL;
    o.load = 1;
    o.on_progress = count_steps;
    o.payload = &steps;
    assert_int_equal(rap_engine_open(&e, &o), RAP_E_CANCELLED);
    rap_engine_close(e);

    e = open_engine(NULL);
    assert_string_equal(rap_engine_error(e), "");
    h.engine = e;
    h.profile = tiny();
    assert_int_equal(rap_open(&r, &h), RAP_E_ARGUMENT);
    assert_non_null(strstr(rap_error(r), "profile"));
    rap_close(r);
    h.profile = NULL;
    assert_int_equal(rap_open(&r, &h), RAP_OK);
    setenv("RAP_PRECISION", "INT8", 1);
    photo.path = toy("scenes/000.jpg");
    assert_int_equal(rap_embed(&embedding, r, &photo, NULL), RAP_E_ARGUMENT);
    assert_non_null(strstr(rap_error(r), "RAP_PRECISION is 'INT8'"));
    unsetenv("RAP_PRECISION");
    assert_int_equal(rap_embed(&embedding, r, &photo, NULL), RAP_OK);
    rap_embedding_free(embedding);
    rap_close(r);
    rap_engine_close(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(threads_with_stores_of_their_own_see_what_each_sees_alone,
                                        fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(chats_of_several_threads_run_on_one_engine, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(a_further_handle_costs_no_weights, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(handles_keep_a_closed_engine, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(what_cannot_be_opened_says_why, fixture_setup,
                                        fixture_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

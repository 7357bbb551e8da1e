/* test_retriever.c: regions, their neighbours and the vocabulary (src/retrieve/retriever.c, detect.c,
 * embed.c) with the embedded tiny models on pictures of the toy world. */
#include "base/file.h"
#include "remember/inside.h"
#include "retrieve/retriever.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

typedef struct fixture {
    char folder[64], path[96];
    store *s;
    encoder *e;
    yolo_world *y;
    retriever *r;
    image scene;
    judge_settings judge;
    int embedded; /* pictures, by what on_progress heard */
    int growing;  /* so many times it adds another view */
    char *bytes;  /* of the scene */
    size_t size;
} fixture;

static const char *extra[] = { "object", NULL, NULL };
static char root[512];

static const char *source(const char *name)
{
    static char paths[8][1024];
    static int next;
    char *path = paths[next++ % 8];

    snprintf(path, sizeof paths[0], "%s/%s", root, name);
    return path;
}

static int have_models(void)
{
    const char *given = getenv("RAP_SOURCE");

    snprintf(root, sizeof root, "%s", given && *given ? given : ".");
    if (file_exists(source("models/tiny/detector.gguf")) &&
        file_exists(source("models/tiny/clip.gguf")) && file_exists(source("examples/toy/scenes")))
        return 1;
    print_message("skipped: the tiny models are not there\n");
    return 0;
}

/* Adds a view of the bytes that no encoder has seen to a concept, or a refusal. */
static void add_unseen(fixture *f, const char *name, const void *bytes, size_t size, int refusal)
{
    store_view view = { bytes, size, 0, 0, { 0, 0, 0, 0 } };

    assert_int_equal(refusal ? store_add_refusal(f->s, name, &view, NULL, NULL)
                             : store_add_view(f->s, name, &view, NULL, NULL),
                     RAP_OK);
}

static int count_pictures(const char *what, uint64_t done, uint64_t total, void *payload)
{
    fixture *f = payload;

    if (strstr(what, "embedding"))
        f->embedded++;
    assert_true(done <= total);
    if (f->growing > 0) {
        f->growing--;
        add_unseen(f, "grows", f->bytes, f->size, 0);
    }
    return 0;
}

static void open_retriever(fixture *f, int detector, int read_only)
{
    retriever_options o = { .maker = encoder_fingerprint(f->e),
                            .judge = f->judge,
                            .store = f->s,
                            .encoder = f->e,
                            .texts = f->e,
                            .detector = detector ? f->y : NULL,
                            .crop = { .square = 1 },
                            .detect = { .confidence = 0.1f,
                                        .iou = 0.5f,
                                        .max_regions = 10,
                                        .extra = extra,
                                        .read_only = read_only },
                            .read_only = read_only,
                            .on_progress = count_pictures,
                            .payload = f,
                            .threads = 1 };

    retriever_free(f->r);
    f->r = NULL;
    assert_int_equal(retriever_new(&f->r, &o, NULL), RAP_OK);
}

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);

    *state = f;
    if (!f || !have_models())
        return !f;
    snprintf(f->folder, sizeof f->folder, "/tmp/rap-retriever-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->path, sizeof f->path, "%s/store.db", f->folder);
    assert_int_equal(store_open(&f->s, f->path, 0, NULL), RAP_OK);
    assert_int_equal(encoder_open(&f->e, source("models/tiny/clip.gguf"), 1, PRECISION_AUTO, NULL),
                     RAP_OK);
    assert_int_equal(
        yolo_world_open(&f->y, source("models/tiny/detector.gguf"), 1, PRECISION_AUTO, NULL),
        RAP_OK);
    assert_int_equal(image_load(&f->scene, source("examples/toy/scenes/130.jpg"), NULL), RAP_OK);
    assert_int_equal(
        file_read(&f->bytes, &f->size, source("examples/toy/scenes/130.jpg"), 1 << 24, NULL),
        RAP_OK);
    f->judge.threshold = 2;
    open_retriever(f, 1, 0);
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    char command[96];
    int failed = 0;

    retriever_free(f->r);
    yolo_world_close(f->y);
    encoder_close(f->e);
    store_close(f->s);
    image_release(&f->scene);
    free(f->bytes);
    snprintf(command, sizeof command, "rm -rf '%s'", f->folder);
    if (*f->folder)
        failed = system(command);
    free(f);
    return failed;
}

/* Remembers a part of the scene as a concept. */
static int64_t add(fixture *f, const char *name, const char *category, rap_box box)
{
    int64_t id = 0;
    float *feature = calloc((size_t)encoder_dim(f->e), sizeof *feature);
    embed_crop crop = { .square = 1 };
    store_concept c = { name, category, "", NULL, 0 };
    store_vector vector = { encoder_fingerprint(f->e), encoder_dim(f->e), feature };
    store_view view = { f->bytes, f->size, f->scene.width, f->scene.height, box };

    assert_int_equal(embed_boxes(feature, f->e, &f->scene, &box, 1, &crop, NULL), RAP_OK);
    assert_int_equal(store_add(f->s, &id, &c, &view, &vector, NULL), RAP_OK);
    free(feature);
    return id;
}

static int has_label(const sighting *s, const char *label)
{
    for (int i = 0; i < s->count; i++)
        if (strcmp(s->region[i].label, label) == 0)
            return 1;
    return 0;
}

static void an_empty_store_gives_regions_of_nobody(void **state)
{
    fixture *f = *state;
    sighting s;

    if (!f->r)
        skip();
    assert_int_equal(retriever_look(f->r, &f->scene, RAP_POLICY_DEFAULT, &s, NULL), RAP_OK);
    assert_true(s.count >= 2); /* things that answer to "object": the whole photo is not needed */
    assert_int_equal(s.whole, -1);
    assert_true(has_label(&s, "object"));
    for (int i = 0; i < s.count * RANK_HITS; i++)
        assert_int_equal(s.hit[i].id, -1);
    sighting_release(&s);
    assert_int_equal(retriever_look(f->r, &f->scene, RAP_POLICY_PAPER, &s, NULL), RAP_OK);
    assert_int_equal(s.whole, -1);
    sighting_release(&s);
}

static void a_region_finds_what_was_cut_from_it(void **state)
{
    fixture *f = *state;
    sighting s;
    int64_t id;
    int best = 0;

    if (!f->r)
        skip();
    assert_int_equal(retriever_look(f->r, &f->scene, RAP_POLICY_PAPER, &s, NULL), RAP_OK);
    assert_true(s.count >= 1);
    add(f, "far", "", (rap_box){ 0, 250, 60, 60 });
    id = add(f, "near", "chick", s.region[0].box);
    sighting_release(&s);
    assert_int_equal(retriever_look(f->r, &f->scene, RAP_POLICY_PAPER, &s, NULL), RAP_OK);
    for (int i = 0; i < s.count; i++)
        if (s.hit[i * RANK_HITS].distance < s.hit[best * RANK_HITS].distance)
            best = i;
    assert_int_equal(s.hit[best * RANK_HITS].id, id);
    assert_true(s.hit[best * RANK_HITS].distance < 0.3f);
    assert_true(s.hit[best * RANK_HITS + 1].distance > s.hit[best * RANK_HITS].distance);
    sighting_release(&s);
}

static void the_vocabulary_follows_the_store(void **state)
{
    fixture *f = *state;
    const char *maker;
    float *vector = NULL;
    int dim = 0, found = 0;
    sighting s;

    if (!f->r)
        skip();
    maker = encoder_fingerprint(f->e);
    assert_int_equal(store_get_text_vector(f->s, "chick", maker, &vector, &dim, &found, NULL),
                     RAP_OK);
    assert_int_equal(found, 0);
    add(f, "je", "Chick", (rap_box){ 62, 147, 113, 139 });
    assert_int_equal(retriever_look(f->r, &f->scene, RAP_POLICY_DEFAULT, &s, NULL), RAP_OK);
    for (int i = 0; i < s.count; i++)
        assert_true(i == s.whole || strcmp(s.region[i].label, "object") == 0 ||
                    strcmp(s.region[i].label, "chick") == 0);
    sighting_release(&s);
    assert_int_equal(store_get_text_vector(f->s, "chick", maker, &vector, &dim, &found, NULL),
                     RAP_OK);
    assert_int_equal(found, 1); /* and stays encoded */
    assert_int_equal(dim, encoder_dim(f->e));
    free(vector);
    assert_int_equal(store_forget(f->s, "je", NULL), RAP_OK);
    assert_int_equal(retriever_look(f->r, &f->scene, RAP_POLICY_DEFAULT, &s, NULL), RAP_OK);
    assert_false(has_label(&s, "chick"));
    sighting_release(&s);
}

static void a_read_only_store_is_only_read(void **state)
{
    fixture *f = *state;
    const char *maker;
    float *vector = NULL;
    int dim = 0, found = 0;
    sighting s;

    if (!f->r)
        skip();
    add(f, "je", "chick", (rap_box){ 62, 147, 113, 139 });
    store_close(f->s);
    f->s = NULL;
    assert_int_equal(store_open(&f->s, f->path, 1, NULL), RAP_OK);
    open_retriever(f, 1, 1);
    assert_int_equal(retriever_look(f->r, &f->scene, RAP_POLICY_DEFAULT, &s, NULL), RAP_OK);
    assert_true(s.hit[0].id >= 0);
    sighting_release(&s);
    maker = encoder_fingerprint(f->e);
    assert_int_equal(store_get_text_vector(f->s, "chick", maker, &vector, &dim, &found, NULL),
                     RAP_OK);
    assert_int_equal(found, 0);
}

static void without_a_detector_the_photo_is_the_region(void **state)
{
    fixture *f = *state;
    sighting s;

    if (!f->r)
        skip();
    open_retriever(f, 0, 0);
    for (int policy = RAP_POLICY_DEFAULT; policy <= RAP_POLICY_PAPER; policy++) {
        assert_int_equal(retriever_look(f->r, &f->scene, policy, &s, NULL), RAP_OK);
        assert_int_equal(s.count, 1);
        assert_int_equal(s.whole, 0);
        sighting_release(&s);
    }
}

/* Looks, with a picture of `far` found and no word about those that cannot be read; how many were tried. */
static int look_and_count(fixture *f)
{
    rap_err err = { 0 };
    sighting s;

    f->embedded = 0;
    assert_int_equal(retriever_look(f->r, &f->scene, RAP_POLICY_PAPER, &s, &err), RAP_OK);
    assert_string_equal(err.text, "");
    assert_int_equal(s.hit[0].id, 1);
    assert_true(s.hit[0].distance < 0.01f);
    sighting_release(&s);
    return f->embedded;
}

static void assert_unreadable(fixture *f, const char *first, const char *second)
{
    char **name = NULL;
    size_t count = 0;

    assert_int_equal(store_unreadable(f->s, &name, &count, NULL), RAP_OK);
    assert_int_equal(count, !!first + !!second);
    assert_true(!first || strcmp(name[0], first) == 0);
    assert_true(!second || strcmp(name[1], second) == 0);
    store_strings_free(name, count);
}

static void open_again(fixture *f, int read_only)
{
    store_close(f->s);
    f->s = NULL;
    assert_int_equal(store_open(&f->s, f->path, read_only, NULL), RAP_OK);
    open_retriever(f, 0, read_only);
}

static void add_readable_and_others(fixture *f)
{
    open_retriever(f, 0, 0);
    add(f, "far", "", (rap_box){ 0, 250, 60, 60 });
    add(f, "odd", "", (rap_box){ 0, 200, 60, 60 });
    add_unseen(f, "odd", "no picture at all", 17, 0);
    add_unseen(f, "odd", "nor is this", 11, 1);
    add_unseen(f, "far", f->bytes, 100, 0); /* cut off */
    add_unseen(f, "far", f->bytes, f->size, 0);
    add_unseen(f, "odd", f->bytes, f->size, 1);
}

/* Such as a bundle may bring. The others are found, it is said whose it is, and it is tried once. */
static void a_picture_that_cannot_be_read_hides_no_other(void **state)
{
    fixture *f = *state;

    if (!f->r)
        skip();
    add_readable_and_others(f);
    assert_int_equal(look_and_count(f), 5);
    assert_unreadable(f, "far", "odd");
    assert_int_equal(look_and_count(f), 0);
    add_unseen(f, "far", f->bytes, f->size, 0);
    assert_int_equal(look_and_count(f), 1);
    for (int read_only = 0; read_only < 2; read_only++) {
        open_again(f, read_only);
        assert_unreadable(f, "far", "odd");
        assert_int_equal(look_and_count(f), 0);
    }
    open_again(f, 0);
    assert_int_equal(store_forget(f->s, "odd", NULL), RAP_OK);
    assert_unreadable(f, "far", NULL);
}

/* The mark of another decoder counts for nothing, and goes when the picture can be read. */
static void another_decoder_tries_again(void **state)
{
    fixture *f = *state;

    if (!f->r)
        skip();
    add_readable_and_others(f);
    assert_int_equal(look_and_count(f), 5);
    assert_int_equal(db_exec(store_db(f->s), "UPDATE unreadable SET reader = 'older'", NULL),
                     RAP_OK);
    assert_int_equal(db_exec(store_db(f->s),
                             "INSERT INTO unreadable (view_id, reader) SELECT id, 'older' FROM view"
                             " WHERE concept_id = 1 AND avatar = 1; DELETE FROM key WHERE view_id ="
                             " (SELECT id FROM view WHERE concept_id = 1 AND avatar = 1)",
                             NULL),
                     RAP_OK);
    open_again(f, 0);
    assert_int_equal(look_and_count(f), 3 + 1);
    assert_unreadable(f, "far", "odd");
    assert_int_equal(
        db_exec(store_db(f->s), "DELETE FROM unreadable WHERE reader <> 'older'", NULL), RAP_OK);
    assert_unreadable(f, NULL, NULL); /* the one that could be read has none */
}

/* What cannot be written is remembered as long as the handle. */
static void a_reader_tries_once_as_well(void **state)
{
    fixture *f = *state;
    store *other = NULL;

    if (!f->r)
        skip();
    add_readable_and_others(f);
    assert_int_equal(look_and_count(f), 5);
    assert_int_equal(db_exec(store_db(f->s), "DELETE FROM unreadable", NULL), RAP_OK);
    open_again(f, 1);
    assert_unreadable(f, NULL, NULL);
    assert_int_equal(look_and_count(f), 3);
    assert_unreadable(f, "odd", "far");
    assert_int_equal(store_open(&other, f->path, 0, NULL), RAP_OK);
    assert_int_equal(store_add_alias(other, "far", "farther", NULL), RAP_OK);
    store_close(other); /* so that the reader follows the store again */
    assert_int_equal(look_and_count(f), 0);
    assert_unreadable(f, "odd", "far");
}

static rap_status do_nothing(int64_t id, const store_picture *picture, void *payload, rap_err *err)
{
    return RAP_OK;
}

/* Four rounds do not catch up with it; the next look goes on where they ended. */
static void a_store_that_keeps_growing_is_caught_up_with(void **state)
{
    fixture *f = *state;
    int64_t waiting = -1;
    sighting s;

    if (!f->r)
        skip();
    open_retriever(f, 0, 0);
    add(f, "grows", "", (rap_box){ 0, 250, 60, 60 });
    add_unseen(f, "grows", f->bytes, f->size, 0);
    f->growing = 4;
    for (int look = 0; look < 2; look++) {
        assert_int_equal(retriever_look(f->r, &f->scene, RAP_POLICY_PAPER, &s, NULL), RAP_OK);
        sighting_release(&s);
    }
    assert_int_equal(f->growing, 0);
    assert_int_equal(
        store_each_unembedded(f->s, encoder_fingerprint(f->e), do_nothing, NULL, &waiting, NULL),
        RAP_OK);
    assert_int_equal(waiting, 0);
}

static int refuse_commit(void *payload)
{
    (void)payload;
    return 1;
}

static int64_t count_words(fixture *f)
{
    int64_t count = -1;

    assert_int_equal(
        db_int(&count, NULL, store_db(f->s), NULL, "SELECT count(*) FROM vocabulary", ""), RAP_OK);
    return count;
}

/* Neither a word that the text tower cannot take nor a cache that cannot be written is a failure, and none is
 * left to be read. */
static void odd_words_and_a_full_disk_hide_nothing(void **state)
{
    fixture *f = *state;
    rap_err err = { 0 };
    sighting s;

    if (!f->r)
        skip();
    extra[1] = "\xff";
    open_retriever(f, 1, 0);
    add(f, "je", "chick", (rap_box){ 62, 147, 113, 139 });
    sqlite3_commit_hook(store_db(f->s)->handle, refuse_commit, NULL);
    assert_int_equal(retriever_look(f->r, &f->scene, RAP_POLICY_DEFAULT, &s, &err), RAP_OK);
    assert_string_equal(err.text, "");
    assert_true(s.count > 0);
    assert_int_equal(count_words(f), 0);
    sighting_release(&s);
    extra[1] = NULL;
}

/* ---- a large store ---- */

/* Remembers a direction: that of the scene turned by so many degrees, so that neighbours are known. */
static void add_turned(fixture *f, const char *name, const float *scene, int degrees)
{
    int dim = encoder_dim(f->e);
    float *feature = calloc((size_t)dim, sizeof *feature);
    double length = 0, along = 0, rest = 0, angle = degrees * acos(-1) / 180;
    store_concept c = { name, "", "", NULL, 0 };
    store_vector vector = { encoder_fingerprint(f->e), dim, feature };
    store_view view = { "x", 1, 1, 1, { 0, 0, 0, 0 } };

    for (int d = 0; d < dim; d++) {
        length += (double)scene[d] * scene[d];
        along += d % 2 ? scene[d] : -scene[d];
    }
    length = sqrt(length);
    for (int d = 0; d < dim; d++) { /* ±1 without what it has of the scene */
        double across = (d % 2 ? 1 : -1) - along / length * scene[d] / length;

        rest += across * across;
    }
    for (int d = 0; d < dim; d++)
        feature[d] = (float)(cos(angle) * scene[d] / length +
                             sin(angle) * ((d % 2 ? 1 : -1) - along / length * scene[d] / length) /
                                 sqrt(rest));
    assert_int_equal(store_add(f->s, NULL, &c, &view, &vector, NULL), RAP_OK);
    free(feature);
}

/* The scene is none of this concept. */
static void refuse_scene(fixture *f, const char *name, const float *scene)
{
    store_vector vector = { encoder_fingerprint(f->e), encoder_dim(f->e), scene };
    store_view view = { f->bytes, f->size, f->scene.width, f->scene.height, { 0, 0, 0, 0 } };

    assert_int_equal(store_add_refusal(f->s, name, &view, &vector, NULL), RAP_OK);
}

static void expect_hits(fixture *f, rap_policy policy, int64_t first, int64_t second)
{
    sighting s;

    assert_int_equal(retriever_look(f->r, &f->scene, policy, &s, NULL), RAP_OK);
    assert_int_equal(s.count, 1);
    assert_int_equal(s.hit[0].id, first);
    assert_int_equal(s.hit[1].id, second);
    if (policy == RAP_POLICY_DEFAULT) {
        assert_int_equal(isfinite(s.score[0]) != 0, first >= 0);
        assert_int_equal(isfinite(s.score[1]) != 0, second >= 0);
    }
    sighting_release(&s);
}

/* Of six concepts, each farther from the scene than the one before, the nearest are refused one by one: those
 * behind them move up, however many. */
static void what_is_refused_makes_way_for_the_next(void **state)
{
    fixture *f = *state;
    float *scene;
    rap_box whole = { 0, 0, 0, 0 };
    embed_crop crop = { .square = 1 };
    char name[16];

    if (!f->r)
        skip();
    scene = calloc((size_t)encoder_dim(f->e), sizeof *scene);
    assert_int_equal(embed_boxes(scene, f->e, &f->scene, &whole, 1, &crop, NULL), RAP_OK);
    open_retriever(f, 0, 0);
    for (int i = 1; i <= 6; i++) {
        snprintf(name, sizeof name, "n%d", i);
        add_turned(f, name, scene, 12 * i);
    }
    for (int refused = 0; refused <= 6; refused++) {
        expect_hits(f, RAP_POLICY_DEFAULT, refused < 6 ? refused + 1 : -1,
                    refused < 5 ? refused + 2 : -1);
        expect_hits(f, RAP_POLICY_PAPER, 1, 2); /* knows no corrections */
        snprintf(name, sizeof name, "n%d", refused + 1);
        if (refused < 6)
            refuse_scene(f, name, scene);
    }
    free(scene);
}

/* Six concepts from the scene itself to far away, or the other way round, in a snapshot; crowding asks for
 * neighbours. */
static void open_crowded(fixture *f, int far_first, int read_only)
{
    float *scene = calloc((size_t)encoder_dim(f->e), sizeof *scene);
    rap_box whole = { 0, 0, 0, 0 };
    embed_crop crop = { .square = 1 };
    char name[16];
    sighting s;

    f->s->snapshot_min = 4;
    assert_int_equal(embed_boxes(scene, f->e, &f->scene, &whole, 1, &crop, NULL), RAP_OK);
    for (int i = 0; i < 6; i++) {
        int degrees = 30 * (far_first ? 5 - i : i);

        snprintf(name, sizeof name, "n%d", degrees);
        add_turned(f, name, scene, degrees);
    }
    free(scene);
    f->judge = (judge_settings){ .threshold = 2, .crowding = 0.1f };
    open_retriever(f, 0, 0);
    assert_int_equal(retriever_look(f->r, &f->scene, RAP_POLICY_DEFAULT, &s, NULL), RAP_OK);
    assert_int_equal(s.hit[0].id, far_first ? 6 : 1);
    sighting_release(&s);
    if (!read_only)
        return;
    store_close(f->s);
    f->s = NULL;
    assert_int_equal(store_open(&f->s, f->path, 1, NULL), RAP_OK);
    open_retriever(f, 0, 1);
    assert_int_equal(retriever_look(f->r, &f->scene, RAP_POLICY_DEFAULT, &s, NULL), RAP_OK);
    sighting_release(&s);
}

/* Turns a bit of the row's unit vector over in the file that is mapped. */
static void damage_row(const fixture *f, int row)
{
    size_t stride = (size_t)search_stride(encoder_dim(f->e)) * sizeof(float),
           part = (6 * stride + 4095) / 4096 * 4096;
    char path[128], byte;
    FILE *file;

    snprintf(path, sizeof path, "%s-vectors-1", f->path);
    assert_non_null(file = fopen(path, "r+b"));
    assert_int_equal(fseek(file, (long)(row * (long)stride) - (long)part, SEEK_END), 0);
    assert_int_equal(fread(&byte, 1, 1, file), 1);
    byte ^= 1;
    assert_int_equal(fseek(file, -1, SEEK_CUR), 0);
    assert_int_equal(fwrite(&byte, 1, 1, file), 1);
    assert_int_equal(fclose(file), 0);
}

/* Row 0 is met by the search itself, row 2 only by the search for the second hit's neighbours. */
static void damage_is_gone_around(void **state)
{
    fixture *f = *state;
    sighting s, again;
    rap_err err = { 0 };

    if (!f->r)
        skip();
    for (int read_only = 0; read_only < 2; read_only++)
        for (int row = 0; row < 3; row += 2) {
            teardown(state);
            assert_int_equal(setup(state), 0);
            f = *state;
            open_crowded(f, 0, read_only);
            assert_int_equal(retriever_look(f->r, &f->scene, RAP_POLICY_DEFAULT, &s, &err), RAP_OK);
            damage_row(f, row);
            assert_int_equal(retriever_look(f->r, &f->scene, RAP_POLICY_DEFAULT, &again, &err),
                             RAP_OK);
            assert_string_equal(err.text, "");
            for (int i = 0; i < RANK_HITS; i++) {
                assert_int_equal(again.hit[i].id, i + 1);
                assert_float_equal(again.hit[i].distance, s.hit[i].distance, 1e-6);
                assert_float_equal(again.score[i], s.score[i], 1e-6);
                assert_true(again.score[i] > again.hit[i].distance); /* it has a neighbour */
            }
            sighting_release(&again);
            sighting_release(&s);
        }
}

/* Its row is zero by then, for this handle and every other; the store still has it. */
static void what_could_not_be_forgotten_is_still_found(void **state)
{
    fixture *f = *state;
    store *other = NULL;
    sighting s;

    if (!f->r)
        skip();
    open_crowded(f, 1, 0);
    assert_int_equal(store_open(&other, f->path, 0, NULL), RAP_OK);
    for (int own = 0; own < 2; own++) {
        store *who = own ? f->s : other;

        sqlite3_commit_hook(store_db(who)->handle, refuse_commit, NULL);
        assert_true(store_forget(who, own ? "n30" : "n0", NULL) != RAP_OK);
        sqlite3_commit_hook(store_db(who)->handle, NULL, NULL);
        assert_int_equal(retriever_look(f->r, &f->scene, RAP_POLICY_DEFAULT, &s, NULL), RAP_OK);
        assert_int_equal(s.hit[0].id, 6);
        assert_int_equal(s.hit[1].id, 5);
        sighting_release(&s);
    }
    store_close(other);
}

static void crops_are_square_where_asked(void **state)
{
    fixture *f = *state;
    embed_crop square = { .square = 1 }, plain = { 0 }, wide = { .margin = 0.5f };
    image cut = { 0 };

    if (!f->r)
        skip();
    assert_int_equal(embed_crop_box(&cut, &f->scene, (rap_box){ 100, 100, 40, 60 }, &square, NULL),
                     RAP_OK);
    assert_int_equal(cut.width, cut.height);
    image_release(&cut);
    assert_int_equal(embed_crop_box(&cut, &f->scene, (rap_box){ 100, 100, 40, 60 }, &plain, NULL),
                     RAP_OK);
    assert_int_equal(cut.width, 40);
    assert_int_equal(cut.height, 60);
    image_release(&cut);
    assert_int_equal(embed_crop_box(&cut, &f->scene, (rap_box){ 100, 100, 40, 60 }, &wide, NULL),
                     RAP_OK);
    assert_int_equal(cut.width, 80);
    assert_int_equal(cut.height, 120);
    image_release(&cut);
    assert_int_equal(embed_crop_box(&cut, &f->scene, (rap_box){ 0, 0, 0, 0 }, &square, NULL),
                     RAP_OK);
    assert_int_equal(cut.width, f->scene.width);
    image_release(&cut);
}

static void a_maker_says_how_was_cut(void **state)
{
    static const struct {
        embed_crop crop;
        const char *adds;
    } cases[] = {
        { { 0, 1, 0, 0 }, "" },
        { { 0, 1, 0.05f, 1 }, " inner 0.050" },
        { { 0, 1, 0.05f, 3 }, " inner 0.050 x3" },
        { { 0, 1, 0.0504f, 3 }, " inner 0.0504 x3" },
        { { 0.1f, 1, 0, 0 }, " margin 0.100" },
        { { 0, 0, 0, 0 }, " not square" },
        { { 0.1f, 0, 0.05f, 2 }, " inner 0.050 x2 margin 0.100 not square" },
    };
    fixture *f = *state;
    char maker[EMBED_MAKER];

    if (!f->r)
        skip();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t len = strlen(encoder_fingerprint(f->e));

        embed_maker(maker, f->e, &cases[i].crop);
        assert_memory_equal(maker, encoder_fingerprint(f->e), len);
        assert_string_equal(maker + len, cases[i].adds);
    }
}

static void many_boxes_equal_one_by_one(void **state)
{
    enum { COUNT = 21 }; /* more than a batch */
    fixture *f = *state;
    embed_crop crop = { .square = 1 };
    rap_box box[COUNT];
    float *all, *one;
    int dim;

    if (!f->r)
        skip();
    dim = encoder_dim(f->e);
    all = calloc((size_t)COUNT * (size_t)dim, sizeof *all);
    one = calloc((size_t)dim, sizeof *one);
    for (int i = 0; i < COUNT; i++)
        box[i] = (rap_box){ (float)(i * 10), (float)(i * 7), 60, (float)(40 + i) };
    box[3] = (rap_box){ 0, 0, 0, 0 };
    assert_int_equal(embed_boxes(all, f->e, &f->scene, box, COUNT, &crop, NULL), RAP_OK);
    for (int i = 0; i < COUNT; i++) {
        double dot = 0, aa = 0, bb = 0;

        assert_int_equal(embed_boxes(one, f->e, &f->scene, &box[i], 1, &crop, NULL), RAP_OK);
        for (int d = 0; d < dim; d++) {
            double a = all[i * dim + d], b = one[d];

            dot += a * b;
            aa += a * a;
            bb += b * b;
        }
        assert_true(dot / sqrt(aa * bb) > 0.999);
    }
    free(all);
    free(one);
}

int main(void)
{
#define WORK(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        WORK(an_empty_store_gives_regions_of_nobody),
        WORK(what_is_refused_makes_way_for_the_next),
        WORK(a_region_finds_what_was_cut_from_it),
        WORK(the_vocabulary_follows_the_store),
        WORK(a_read_only_store_is_only_read),
        WORK(without_a_detector_the_photo_is_the_region),
        WORK(a_picture_that_cannot_be_read_hides_no_other),
        WORK(another_decoder_tries_again),
        WORK(a_reader_tries_once_as_well),
        WORK(a_store_that_keeps_growing_is_caught_up_with),
        WORK(odd_words_and_a_full_disk_hide_nothing),
        WORK(damage_is_gone_around),
        WORK(what_could_not_be_forgotten_is_still_found),
        WORK(crops_are_square_where_asked),
        WORK(a_maker_says_how_was_cut),
        WORK(many_boxes_equal_one_by_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

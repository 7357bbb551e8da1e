/* test_rap.c: remember and retrieve through the public API (src/rap*.c) with published encoders: a real
 * ViT on photos of real things, and a CLIP with random weights as "another encoder". */
#include "rap/fixture.h"

#include "formats/json.h"
#include "image/made.h"

#include <math.h>

static void nearest_photo_is_right(void **state)
{
    fixture *f = *state;
    rap_import_report report;
    json_t *queries = NULL, *names;
    const char *key;
    int asked = 0, right = 0;
    rap *r;

    if (!have(VIT) || !have("photos/dreambooth/queries.json"))
        skip();
    r = open_rap(f, make_profile(f, "vit", VIT, NULL), "store.db", NULL);
    if (rap_import(&report, r, shared("photos/dreambooth/database.json"), 0) != RAP_OK)
        fail_msg("%s", rap_error(r));
    assert_int_equal(report.added, 15);
    assert_int_equal(json_read(&queries, shared("photos/dreambooth/queries.json"), 1 << 20, NULL),
                     RAP_OK);
    json_object_foreach(queries, key, names)
    {
        rap_matches *m = see(r, shared(path_of("photos/dreambooth/%s", key)), NULL);
        const char *want = json_string_value(json_array_get(names, 0));

        /* No detector: one region, and a region names one, or two that cannot be told apart. */
        assert_int_equal(m->count, m->match[0].ambiguous ? 2 : 1);
        assert_int_equal(m->region_count, 1);
        assert_int_equal(m->match[0].reason, RAP_REASON_WHOLE);
        right += strcmp(m->match[0].name, want) == 0;
        asked++;
        rap_matches_free(m);
    }
    json_decref(queries);
    print_message("top-1 on photos: %d of %d\n", right, asked);
    assert_true(asked > 50);
    assert_true(right >= 0.97 * asked);
}

/* 12000 × 9000 pixels are shrunk while they are decoded; boxes are still those of the file. */
static void boxes_of_a_large_photo_are_its_own(void **state)
{
    fixture *f = *state;
    rap_concept c = RAP_CONCEPT_INIT;
    const char *path = path_of("%s/large.png", f->folder), *drawn = path_of("%s/d.png", f->folder);
    uint8_t *samples = malloc(1500 * 9000);
    buf file = BUF_INIT;
    image im;
    rap_matches *m;
    rap *r;

    if (!have(VIT)) {
        free(samples);
        skip();
    }
    assert_non_null(samples);
    for (int i = 0; i < 1500 * 9000; i++) /* stripes below, a dark square at the right */
        samples[i] = i % 1500 >= 1000 && i % 1500 < 1200 && i / 1500 >= 6000 && i / 1500 < 7600 ? 0
                     : i / 1500 / 500 % 2 ? 0xF0
                                          : 255;
    made_head(&file, 12000, 9000, 1, 0, 0);
    made_pixels(&file, samples, 9000, 1500);
    free(samples);
    assert_int_equal(file_write(path, file.data, file.len, NULL), RAP_OK);
    buf_release(&file);

    r = open_rap(f, make_profile(f, "vit", VIT, NULL), "store.db", NULL);
    c.name = "dark";
    c.image.path = path;
    c.box = (rap_box){ 11990, 10, 100, 100 };
    assert_int_equal(rap_remember(NULL, r, &c), RAP_OK);
    c.name = "outside";
    c.box = (rap_box){ 12010, 10, 100, 100 };
    assert_int_equal(rap_remember(NULL, r, &c), RAP_E_ARGUMENT);
    assert_non_null(strstr(rap_error(r), "12000×9000"));
    assert_int_equal(remember(r, "all", path), RAP_OK);

    m = see(r, path, NULL);
    assert_int_equal(m->width, 12000);
    assert_int_equal(m->height, 9000);
    assert_true(m->count > 0 && m->match[0].distance < 0.02f);
    assert_float_equal(m->match[0].box.w, 12000, 0);
    m->match[0].box = (rap_box){ 8000, 6000, 1600, 1600 };
    assert_int_equal(rap_draw(r, &(rap_image){ path, NULL, 0 }, m, drawn), RAP_OK);
    rap_matches_free(m);
    assert_int_equal(image_load(&im, drawn, NULL), RAP_OK);
    assert_int_equal(im.width, 6000);
    assert_int_equal(im.rgb[((size_t)3400 * 6000 + 4002) * 3], 0xE6); /* the box's left side */
    assert_int_equal(im.rgb[((size_t)3400 * 6000 + 4400) * 3], 0);    /* inside of it */
    image_release(&im);
}

static void what_was_shown_is_found_again(void **state)
{
    fixture *f = *state;
    rap_concept c = RAP_CONCEPT_INIT;
    rap_matches *m;
    rap *r;
    int64_t id = 0;

    if (!have(VIT))
        skip();
    r = open_rap(f, make_profile(f, "vit", VIT, NULL), "store.db", NULL);
    m = see(r, make_picture(f, "a.png", 64, 64, 1), "is bo here?");
    assert_int_equal(m->count, 0); /* an empty store knows nothing */
    assert_int_equal(m->width, 64);
    rap_matches_free(m);

    c.name = "bo";
    c.info = "bo is striped";
    c.image.path = path_of("%s/a.png", f->folder);
    assert_int_equal(rap_remember(&id, r, &c), RAP_OK);
    assert_int_equal(remember(r, "mug", make_picture(f, "b.png", 64, 64, 7)), RAP_OK);
    assert_int_equal(rap_add_alias(r, "bo", "Sir Bo"), RAP_OK);

    m = see(r, path_of("%s/a.png", f->folder), NULL);
    assert_int_equal(m->count, 1);
    assert_int_equal(m->match[0].id, id);
    assert_string_equal(m->match[0].info, "bo is striped");
    assert_string_equal(m->match[0].category, "");
    assert_true(m->match[0].distance < 0.02f);
    assert_float_equal(m->match[0].score, 1 - m->match[0].distance / 2, 1e-6);
    assert_float_equal(m->match[0].box.w, 64, 0);
    assert_int_equal(rap_draw(r, &(rap_image){ path_of("%s/a.png", f->folder), NULL, 0 }, m,
                              path_of("%s/drawn.png", f->folder)),
                     RAP_OK);
    assert_true(file_exists(path_of("%s/drawn.png", f->folder)));
    rap_matches_free(m);

    m = see(r, NULL, "Have SIR BO and the mug met?");
    assert_int_equal(m->count, 2);
    assert_string_equal(m->match[0].name, "bo");
    assert_true(isnan(m->match[0].distance));
    assert_float_equal(m->match[0].score, 1, 0);
    assert_float_equal(m->match[0].box.w, 0, 0);
    assert_int_equal(m->match[0].reason, RAP_REASON_NAME);
    assert_string_equal(m->match[1].name, "mug");
    rap_matches_free(m);

    m = see(r, path_of("%s/a.png", f->folder), "Where is <Bo>?"); /* named and seen */
    assert_int_equal(m->count, 1);
    assert_int_equal(m->match[0].reason, RAP_REASON_NAME);
    assert_true(m->match[0].distance < 0.02f);
    rap_matches_free(m);
}

static void the_paper_policy_takes_two_of_a_region(void **state)
{
    fixture *f = *state;
    rap_options o = RAP_OPTIONS_INIT;
    rap_matches *m;
    const char *third;
    rap *r;

    if (!have(VIT))
        skip();
    o.policy = RAP_POLICY_PAPER;
    r = open_rap(f, make_profile(f, "vit", VIT, NULL), "store.db", &o);
    assert_int_equal(remember(r, "bo", make_picture(f, "a.png", 64, 64, 1)), RAP_OK);
    assert_int_equal(remember(r, "mug", make_picture(f, "b.png", 64, 64, 7)), RAP_OK);
    assert_int_equal(remember(r, "cup", make_picture(f, "c.png", 64, 64, 9)), RAP_OK);
    m = see(r, path_of("%s/a.png", f->folder), NULL);
    assert_int_equal(m->count, 2); /* K is 3, but the one region gives its two nearest */
    assert_string_equal(m->match[0].name, "bo");
    third = strcmp(m->match[1].name, "mug") == 0 ? "cup" : "mug";
    rap_matches_free(m);
    m = see(r, path_of("%s/a.png", f->folder), path_of("<%s>", third));
    assert_int_equal(m->count, 3); /* the name, then both neighbours */
    assert_string_equal(m->match[0].name, third);
    rap_matches_free(m);
}

static void a_box_is_what_is_remembered(void **state)
{
    fixture *f = *state;
    rap_concept c = RAP_CONCEPT_INIT;
    image whole = { 0 }, part = { 0 };
    rap_matches *m;
    rap *r;

    if (!have(VIT))
        skip();
    r = open_rap(f, make_profile(f, "vit", VIT, NULL), "store.db", NULL);
    assert_int_equal(image_load(&whole, make_picture(f, "a.png", 128, 128, 3), NULL), RAP_OK);
    assert_int_equal(image_crop(&part, &whole, (rap_box){ 32, 16, 64, 64 }, NULL), RAP_OK);
    assert_int_equal(image_save_png(&part, path_of("%s/part.png", f->folder), NULL), RAP_OK);
    image_release(&whole);
    image_release(&part);

    c.name = "part";
    c.image.path = path_of("%s/a.png", f->folder);
    c.box = (rap_box){ 500, 500, 10, 10 };
    assert_int_equal(rap_remember(NULL, r, &c), RAP_E_ARGUMENT);
    c.box = (rap_box){ 1, 1, NAN, 10 };
    assert_int_equal(rap_remember(NULL, r, &c), RAP_E_ARGUMENT);
    c.box = (rap_box){ 1, 1, -5, 10 };
    assert_int_equal(rap_remember(NULL, r, &c), RAP_E_ARGUMENT);
    assert_int_equal(count_concepts(r), 0);
    c.box = (rap_box){ 32, 16, 64, 64 };
    assert_int_equal(rap_remember(NULL, r, &c), RAP_OK);
    m = see(r, path_of("%s/part.png", f->folder), NULL);
    assert_int_equal(m->count, 1);
    assert_true(m->match[0].distance < 0.02f);
    rap_matches_free(m);
}

static void bad_input_changes_nothing(void **state)
{
    fixture *f = *state;
    rap_image source = RAP_IMAGE_INIT;
    rap_matches *m = NULL;
    rap_embedding *e = NULL;
    const char *good;
    rap *r;

    if (!have(VIT))
        skip();
    r = open_rap(f, make_profile(f, "vit", VIT, NULL), "store.db", NULL);
    good = make_picture(f, "good.png", 32, 32, 1);
    assert_int_equal(remember(r, "bo", good), RAP_OK);
    write_text(path_of("%s/garbage.jpg", f->folder), "this is no picture at all");
    assert_int_equal(remember(r, "x", path_of("%s/garbage.jpg", f->folder)), RAP_E_FORMAT);
    assert_non_null(strstr(rap_error(r), "garbage.jpg"));
    assert_int_equal(remember(r, "x", path_of("%s/none.jpg", f->folder)), RAP_E_NOT_FOUND);
    assert_int_not_equal(remember(r, "x", f->folder), RAP_OK);
    assert_int_equal(remember(r, "x", make_picture(f, "dot.png", 1, 1, 0)), RAP_E_LIMIT);
    assert_non_null(strstr(rap_error(r), "dot.png"));
    assert_int_equal(remember(r, "BO", good), RAP_E_EXISTS);
    assert_int_equal(remember(r, "", good), RAP_E_ARGUMENT);
    assert_int_equal(remember(r, "two\nlines", good), RAP_E_ARGUMENT);
    assert_int_equal(remember(r, NULL, good), RAP_E_ARGUMENT);
    assert_int_equal(remember(r, "x", NULL), RAP_E_ARGUMENT);
    assert_int_equal(count_concepts(r), 1);

    source.path = path_of("%s/dot.png", f->folder);
    assert_int_equal(rap_retrieve(&m, r, &source, NULL, 0), RAP_E_LIMIT);
    source.path = good;
    assert_int_equal(rap_retrieve(&m, r, &source, NULL, -1), RAP_E_LIMIT);
    assert_null(m);
    assert_int_equal(rap_embed(&e, r, NULL, NULL), RAP_E_ARGUMENT);
    assert_int_equal(rap_embed(&e, r, &source, "both"), RAP_E_ARGUMENT);
    assert_int_equal(rap_embed(&e, r, NULL, "a text"), RAP_E_UNSUPPORTED); /* a ViT reads none */
    assert_null(e);
    assert_int_equal(rap_embed(&e, r, &source, NULL), RAP_OK);
    assert_int_equal(e->dim, 192);
    rap_embedding_free(e);
    assert_int_equal(remember(r, "<image>", good), RAP_OK); /* markup is a name like any other */
}

static int count_progress(const char *what, uint64_t done, uint64_t total, void *payload)
{
    int *seen = payload;

    assert_true(done <= total);
    return ++*seen == 2; /* cancels at the second */
}

static void another_encoder_embeds_again(void **state)
{
    fixture *f = *state;
    rap_options o = RAP_OPTIONS_INIT;
    rap_image source = RAP_IMAGE_INIT;
    rap_matches *m = NULL;
    int steps = 0;
    const char *clip;
    rap *r;

    if (!have(VIT) || !have(CLIP))
        skip();
    r = open_rap(f, make_profile(f, "vit", VIT, NULL), "store.db", NULL);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(
            remember(r, path_of("thing %u", i), make_picture(f, path_of("%u.png", i), 64, 64, i)),
            RAP_OK);
    rap_close(r);

    clip = make_profile(f, "clip", CLIP, CLIP_VOCAB);
    source.path = path_of("%s/2.png", f->folder);
    o.store_use = RAP_STORE_READ;
    r = open_rap(f, clip, "store.db", &o);
    assert_int_equal(rap_retrieve(&m, r, &source, NULL, 0), RAP_E_UNSUPPORTED);
    assert_non_null(strstr(rap_error(r), "read-only"));
    rap_close(r);

    o.store_use = RAP_STORE_CHANGE;
    o.on_progress = count_progress;
    o.payload = &steps;
    r = open_rap(f, clip, "store.db", &o);
    assert_int_equal(rap_retrieve(&m, r, &source, NULL, 0), RAP_E_CANCELLED);
    assert_int_equal(steps, 2);
    m = see(r, source.path, NULL); /* goes on where it stopped */
    assert_int_equal(steps, 4);
    assert_int_equal(m->count, 1);
    assert_string_equal(m->match[0].name, "thing 2");
    assert_true(m->match[0].distance < 0.02f);
    rap_matches_free(m);
    m = see(r, source.path, NULL);
    assert_int_equal(steps, 4);
    rap_matches_free(m);
}

static void changes_by_others_are_seen(void **state)
{
    fixture *f = *state;
    rap *mine, *other;
    rap_matches *m;
    const char *profile_folder;

    if (!have(VIT))
        skip();
    profile_folder = make_profile(f, "vit", VIT, NULL);
    mine = open_rap(f, profile_folder, "store.db", NULL);
    assert_int_equal(remember(mine, "one", make_picture(f, "1.png", 64, 64, 1)), RAP_OK);
    m = see(mine, path_of("%s/1.png", f->folder), "two?");
    assert_int_equal(m->count, 1);
    rap_matches_free(m);

    other = open_rap(f, profile_folder, "store.db", NULL);
    f->r = mine;
    assert_int_equal(remember(other, "two", make_picture(f, "2.png", 64, 64, 9)), RAP_OK);
    m = see(mine, path_of("%s/2.png", f->folder), "one?");
    assert_int_equal(m->count, 2);
    assert_string_equal(m->match[0].name, "one");
    assert_string_equal(m->match[1].name, "two");
    rap_matches_free(m);
    assert_int_equal(rap_forget(other, "two"), RAP_OK);
    m = see(mine, path_of("%s/2.png", f->folder), "two");
    assert_int_equal(m->count, 1);
    assert_string_equal(m->match[0].name, "one");
    rap_matches_free(m);
    rap_close(other);
}

static void describing_names_what_is_used(void **state)
{
    fixture *f = *state;
    char *text = NULL;
    json_t *document = NULL;
    rap *r;

    if (!have(VIT))
        skip();
    r = open_rap(f, make_profile(f, "vit", VIT, NULL), "store.db", NULL);
    assert_int_equal(rap_describe(&text, r), RAP_OK);
    assert_int_equal(json_parse(&document, text, strlen(text), "describe", NULL), RAP_OK);
    assert_string_equal(json_string_value(json_at(document, "profile.name")), "test");
    assert_non_null(json_at(document, "profile.files.encoder.size"));
    assert_int_equal(json_integer_value(json_at(document, "store.concepts")), 0);
    assert_string_equal(json_string_value(json_at(document, "versions.rap")), RAP_VERSION);
    json_decref(document);
    rap_free(text);
}

int main(void)
{
#define WORK(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        WORK(nearest_photo_is_right),        WORK(boxes_of_a_large_photo_are_its_own),
        WORK(what_was_shown_is_found_again), WORK(the_paper_policy_takes_two_of_a_region),
        WORK(a_box_is_what_is_remembered),   WORK(bad_input_changes_nothing),
        WORK(another_encoder_embeds_again),  WORK(changes_by_others_are_seen),
        WORK(describing_names_what_is_used),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

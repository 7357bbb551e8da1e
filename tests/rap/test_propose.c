/* test_propose.c: what the models say of a picture (src/rap/propose.c), and that it is kept only when it is given back. */
#include "rap/tiny.h"

#define TIM "examples/toy/concepts/tim.jpg"

static const rap_box whole = { 0, 0, 0, 0 };

static rap_image picture(const char *path)
{
    return (rap_image){ .path = source_file(path) };
}

static void a_picture_is_described(void **state)
{
    fixture *f = *state;
    rap *r = open_rap(f, source_file("models/tiny"), "store.db", NULL);
    rap_image tim = picture(TIM);
    char *info = NULL, *word = NULL;

    if (rap_propose_info(&info, r, "<tim>", NULL, &tim, whole) != RAP_OK)
        fail_msg("%s", rap_error(r));
    assert_string_equal(info, "<tim> is a green goat.");
    rap_free(info);
    assert_int_equal(rap_propose_info(&info, r, "Rex", "sheep", &tim, whole), RAP_OK);
    assert_string_equal(info, "<Rex> is a green sheep."); /* the kind that is known */
    rap_free(info);
    assert_int_equal(rap_propose_category(&word, r, "tim", &tim, whole), RAP_OK);
    assert_string_equal(word, "goat");
    rap_free(word);
    assert_int_equal(count_concepts(r), 0);
}

static void a_concept_is_described_by_its_picture(void **state)
{
    fixture *f = *state;
    rap *r = open_rap(f, source_file("models/tiny"), "store.db", NULL);
    rap_concept c = RAP_CONCEPT_INIT;
    rap_change change = RAP_CHANGE_INIT;
    rap_record *record = NULL;
    rap_image none = RAP_IMAGE_INIT;
    char *info = NULL;

    c.name = "tim";
    c.image = picture(TIM);
    assert_int_equal(rap_remember(NULL, r, &c), RAP_OK);
    assert_int_equal(rap_propose_info(&info, r, "TIM", NULL, NULL, whole), RAP_OK);
    assert_string_equal(info, "<TIM> is a green goat.");
    change.info = info;
    change.automatic = RAP_AUTOMATIC_INFO;
    assert_int_equal(rap_update(r, "tim", &change), RAP_OK);
    assert_int_equal(rap_find(&record, r, "tim"), RAP_OK);
    assert_int_equal(record->automatic, RAP_AUTOMATIC_INFO);
    rap_record_free(record);
    rap_free(info);
    assert_int_equal(rap_propose_info(&info, r, "nobody", NULL, &none, whole), RAP_E_NOT_FOUND);
    assert_null(info);
    assert_int_equal(
        rap_propose_info(&info, r, "tim", NULL, &(rap_image){ .path = "/nowhere.png" }, whole),
        RAP_E_NOT_FOUND);
    assert_int_equal(rap_propose_info(&info, r, "tim", NULL, NULL, whole), RAP_OK); /* goes on */
    rap_free(info);
}

/* A word of the store's is among those to choose from, and so are the profile's. */
static void the_stores_words_count(void **state)
{
    fixture *f = *state;
    rap *r = open_rap(f, source_file("models/tiny"), "store.db", NULL);
    rap_concept c = RAP_CONCEPT_INIT;
    rap_image tim = picture(TIM);
    char *word = NULL;

    c.name = "gus";
    c.category = "Green Goat With Grey Checks And A Brown Bow";
    c.image = picture("examples/toy/concepts/gus.jpg");
    assert_int_equal(rap_remember(NULL, r, &c), RAP_OK);
    assert_int_equal(rap_propose_category(&word, r, "tim", &tim, whole), RAP_OK);
    assert_string_equal(word, "green goat with grey checks and a brown bow");
    rap_free(word);
}

/* ---- profiles that cannot ---- */

static void models_that_cannot_say_so(void **state)
{
    fixture *f = *state;
    rap_image tim = picture(TIM);
    char *out = NULL;
    rap *r;

    if (!have(VIT))
        skip();
    r = open_rap(f, make_profile(f, "vit", VIT, NULL), "store.db", NULL);
    assert_int_equal(rap_propose_category(&out, r, "tim", &tim, whole), RAP_E_UNSUPPORTED);
    assert_non_null(strstr(rap_error(r), "knows no words"));
    assert_int_equal(rap_propose_info(&out, r, "tim", "goat", &tim, whole), RAP_E_UNSUPPORTED);
    assert_non_null(strstr(rap_error(r), "no language model"));
    assert_null(out);
}

/* An encoder without words: the detector's best region names the kind. */
static void a_detector_names_the_kind(void **state)
{
    fixture *f = *state;
    rap_image tim = picture(TIM);
    const char *folder;
    char *word = NULL, *tiny = realpath(source_file("models/tiny"), NULL);
    rap *r;

    if (!have(VIT))
        skip();
    folder = make_profile(f, "vit", VIT, NULL);
    write_text(path_of("%s/profile.json", folder),
               path_of("{\"files\": {\"encoder\": {\"path\": \"encoder.gguf\"},"
                       "\"text_encoder\": {\"path\": \"%s/clip.gguf\"},"
                       "\"detector\": {\"path\": \"%s/detector.gguf\"}}}",
                       tiny, tiny));
    free(tiny);
    r = open_rap(f, folder, "store.db", NULL);
    if (rap_propose_category(&word, r, "tim", &tim, whole) != RAP_OK)
        fail_msg("%s", rap_error(r));
    assert_true(word && *word && strcmp(word, "object") != 0);
    rap_free(word);
}

static void a_model_that_says_nothing_useful_is_an_error(void **state)
{
    fixture *f = *state;
    const char *folder = tiny_with(f, "p", "<name> is a {What color is <name>?} {category}.",
                                   "Is <name> in this image?");
    rap *r = open_rap(f, folder, "store.db", NULL);
    rap_image tim = picture(TIM);
    char *info = NULL;

    assert_int_equal(rap_propose_info(&info, r, "tim", NULL, &tim, whole), RAP_E_MODEL);
    assert_null(info);
    assert_non_null(strstr(rap_error(r), "does not describe it"));
}

/* ---- several pictures at once ---- */

static void a_concept_with_views_is_remembered_whole(void **state)
{
    fixture *f = *state;
    rap *r = open_rap(f, source_file("models/tiny"), "store.db", NULL);
    rap_concept c = RAP_CONCEPT_INIT;
    rap_image view[2] = { picture("examples/toy/concepts/gus.jpg"), { .path = "/nowhere.png" } };
    rap_record *record = NULL;

    c.name = "tim";
    c.image = picture(TIM);
    c.views = view;
    c.view_count = 2;
    assert_int_equal(rap_remember(NULL, r, &c), RAP_E_NOT_FOUND);
    assert_non_null(strstr(rap_error(r), "/nowhere.png"));
    assert_int_equal(count_concepts(r), 0);
    c.view_count = 64;
    assert_int_equal(rap_remember(NULL, r, &c), RAP_E_LIMIT);
    c.view_count = -1;
    assert_int_equal(rap_remember(NULL, r, &c), RAP_E_ARGUMENT);
    c.view_count = 1;
    assert_int_equal(rap_remember(NULL, r, &c), RAP_OK);
    assert_int_equal(rap_find(&record, r, "tim"), RAP_OK);
    assert_int_equal(record->views, 2);
    rap_record_free(record);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        CASE(a_picture_is_described),
        CASE(a_concept_is_described_by_its_picture),
        CASE(the_stores_words_count),
        CASE(models_that_cannot_say_so),
        CASE(a_detector_names_the_kind),
        CASE(a_model_that_says_nothing_useful_is_an_error),
        CASE(a_concept_with_views_is_remembered_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

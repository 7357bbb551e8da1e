/* test_correct.c: corrections without a box (src/rap/correct.c): what was named in a photo is not named in it again.
 * With the embedded CLIP and no detector, so that the whole photo is the one region. */
#include "rap/fixture.h"

static rap *open_clip(fixture *f)
{
    const char *given = getenv("RAP_SOURCE"), *folder = path_of("%s/clip", f->folder);
    char *root = realpath(given && *given ? given : ".", NULL);

    write_text(path_of("%s/profile.json", folder),
               path_of("{\"name\":\"clip\",\"files\":{\"encoder\":{\"path\":"
                       "\"%s/models/tiny/clip.gguf\"}}}",
                       root));
    free(root);
    return open_rap(f, folder, "s.db", NULL);
}

static rap_status refuse(rap *r, const char *name, const char *picture)
{
    rap_image source = RAP_IMAGE_INIT;

    source.path = picture;
    return rap_correct(r, name, &source, (rap_box){ 0, 0, 0, 0 }, 0);
}

/* The names found, in order, each with a space behind it. */
static const char *seen_in(rap *r, const char *picture)
{
    rap_matches *m = see(r, picture, NULL);
    const char *names = "";

    for (size_t i = 0; i < m->count; i++)
        names = path_of("%s%s ", names, m->match[i].name);
    rap_matches_free(m);
    return names;
}

static void a_photo_does_not_name_again_what_was_refused(void **state)
{
    fixture *f = *state;
    rap *r = open_clip(f);
    const char *own = make_picture(f, "bo.png", 96, 96, 1);
    const char *photo = make_picture(f, "photo.png", 96, 80, 2);

    assert_int_equal(remember(r, "bo", own), RAP_OK);
    assert_string_equal(seen_in(r, photo), "bo "); /* there is no threshold */
    assert_int_equal(refuse(r, "Bo", photo), RAP_OK);
    assert_string_equal(seen_in(r, photo), "");
    assert_string_equal(seen_in(r, own), "bo ");
    assert_int_equal(refuse(r, "bo", photo), RAP_E_NOT_FOUND);
    assert_non_null(strstr(rap_error(r), "photo.png: bo is not found in it"));
}

/* Both of two that cannot be told apart are named, so that each can be refused; a third comes to light. */
static void each_of_several_can_be_refused(void **state)
{
    static const char *const names[] = { "ada", "bo", "cy" };
    fixture *f = *state;
    rap *r = open_clip(f);
    const char *photo = make_picture(f, "photo.png", 96, 96, 2);

    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(remember(r, names[i], make_picture(f, "x.png", 90 - (int)i, 96, 3 + i)),
                         RAP_OK);
    for (int left = 3; left > 0; left--) {
        rap_matches *m = see(r, photo, NULL);

        assert_true(m->count >= 1);
        assert_int_equal(refuse(r, m->match[0].name, photo), RAP_OK);
        rap_matches_free(m);
    }
    assert_string_equal(seen_in(r, photo), "");
}

static void what_was_not_named_is_said(void **state)
{
    fixture *f = *state;
    rap *r = open_clip(f);
    const char *own = make_picture(f, "bo.png", 96, 96, 1);

    assert_int_equal(remember(r, "bo", own), RAP_OK);
    assert_int_equal(refuse(r, "nobody", own), RAP_E_NOT_FOUND);
    assert_non_null(strstr(rap_error(r), "nobody"));
    assert_int_equal(refuse(r, "bo", own), RAP_E_ARGUMENT);
    assert_non_null(strstr(rap_error(r), "own pictures"));
    assert_string_equal(seen_in(r, own), "bo ");
    assert_int_equal(refuse(r, "bo", NULL), RAP_E_ARGUMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_photo_does_not_name_again_what_was_refused, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(each_of_several_can_be_refused, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(what_was_not_named_is_said, fixture_setup,
                                        fixture_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

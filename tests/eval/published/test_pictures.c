/* Where the pictures of a list lie: what is missing is left out and counted, what leads out is refused. */
#include "base/temp.h"
#include "eval/published/made.h"
#include "eval/published/pictures.h"

#include <unistd.h>

typedef struct fixture {
    temp folder;
    char *list, *picture, *link;
} fixture;

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);

    assert_int_equal(temp_folder_anywhere(&f->folder, "rap-test", NULL), RAP_OK);
    f->list = path_join(f->folder.path, "list.json");
    f->picture = path_join(f->folder.path, "a.png");
    f->link = path_join(f->folder.path, "link.png");
    assert_int_equal(file_write(f->picture, "x", 1, NULL), RAP_OK);
    assert_int_equal(symlink("/etc/passwd", f->link), 0);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;

    unlink(f->link);
    temp_remove(&f->folder);
    free(f->list);
    free(f->picture);
    free(f->link);
    free(f);
    return 0;
}

static void missing_pictures_are_left_out_and_counted(void **state)
{
    fixture *f = *state;
    list l =
        made_list("{\"gone.png\": [\"bo\"], \"./a.png\": [\"bo\"], \"x/../a.png\": [\"bo\"]}", "m");
    pictures_missing missing;

    assert_int_equal(pictures_find(&missing, &l, f->list, NULL, NULL), RAP_OK);
    assert_int_equal(missing.count, 2); /* there is no x */
    assert_string_equal(missing.first, "gone.png");
    assert_int_equal(list_count(&l), 1);
    assert_string_equal(path_base(list_text(list_item(&l, 0), "path")), "a.png");
    list_release(&l);
}

static void assert_refused(const fixture *f, const char *text, const char *images, const char *line)
{
    list l = made_list(text, "m");
    pictures_missing missing;
    rap_err err = { 0 };

    assert_int_not_equal(pictures_find(&missing, &l, f->list, images, &err), RAP_OK);
    if (!strstr(err.text, line))
        fail_msg("\"%s\" is not in \"%s\"", line, err.text);
    list_release(&l);
}

static void what_leads_out_of_the_folder_is_refused(void **state)
{
    fixture *f = *state;

    assert_refused(f, "{\"a.png\": [\"b\"], \"../a.png\": [\"b\"]}", NULL,
                   "\"../a.png\": the picture '../a.png' leads out of its folder");
    assert_refused(f, "{\"x/../../a.png\": [\"b\"]}", NULL, "leads out of its folder");
    assert_refused(f, "{\"/etc/passwd\": [\"b\"]}", NULL, "leads out of its folder");
    assert_refused(f, "{\"link.png\": [\"b\"]}", NULL, "is a link that leads out");
    assert_refused(f, "{\"gone.png\": [\"b\"]}", NULL, "none of its 1 pictures is in");
    assert_refused(f, "{\"a.png\": [\"b\"]}", "/nowhere", "/nowhere: no such folder");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(missing_pictures_are_left_out_and_counted, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_leads_out_of_the_folder_is_refused, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

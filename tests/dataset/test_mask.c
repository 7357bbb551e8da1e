/* test_mask.c: polygons and runs become pixels (src/dataset/mask.c). */
#include "dataset/mask.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { WIDTH = 8, HEIGHT = 6 };

/* The mask as rows of '#' and '.'; "none": it cannot be used. */
static const char *filled(const char *json)
{
    static char rows[HEIGHT * (WIDTH + 1) + 1];
    uint8_t cover[HEIGHT * WIDTH * 3] = { 0 };
    json_t *value = json_loads(json, 0, NULL);
    dataset_mask *m = mask_parse(value, WIDTH, HEIGHT);
    char *to = rows;

    json_decref(value);
    if (!m)
        return "none";
    mask_fill(cover, m);
    mask_free(m);
    for (int y = 0; y < HEIGHT; y++, *to++ = '\n')
        for (int x = 0; x < WIDTH; x++)
            *to++ = cover[(y * WIDTH + x) * 3] ? '#' : '.';
    *to = '\0';
    return rows;
}

static void polygons_hold_the_centres_of_their_pixels(void **state)
{
    assert_string_equal(filled("[[1, 1, 5, 1, 5, 4, 1, 4]]"),
                        "........\n.####...\n.####...\n.####...\n........\n........\n");
    /* Two of them; one leaves the picture. */
    assert_string_equal(filled("[[0, 0, 2, 0, 2, 1, 0, 1], [6, 4, 90, 4, 90, 90, 6, 90]]"),
                        "##......\n........\n........\n........\n......##\n......##\n");
    assert_string_equal(filled("[[0, 0, 8, 0, 0, 6]]"),
                        "#######.\n######..\n#####...\n###.....\n##......\n#.......\n");
}

static void runs_go_down_the_columns(void **state)
{
    assert_string_equal(filled("{\"size\": [6, 8], \"counts\": [7, 2, 4, 3, 32]}"),
                        "........\n.##.....\n.##.....\n..#.....\n........\n........\n");
    /* The same as a text: 7, 2, 4, then the differences 3 - 2 and 32 - 4. */
    assert_string_equal(filled("{\"size\": [6, 8], \"counts\": \"7241l0\"}"),
                        "........\n.##.....\n.##.....\n..#.....\n........\n........\n");
}

static void what_is_no_mask_of_the_picture_is_none(void **state)
{
    static const char *const bad[] = {
        "[]",
        "[[1, 1, 2]]",
        "[[1, 1, 2, 2, 3, \"x\"]]",
        "[[1, 1, 2, 2, 3, 1e9]]",
        "{\"size\": [8, 6], \"counts\": [48]}",
        "{\"size\": [6, 8], \"counts\": [47]}",
        "{\"size\": [6, 8], \"counts\": [-1, 49]}",
        "{\"size\": [6, 8], \"counts\": [7, 2, 4, 3, 9999999999]}",
        "{\"size\": [6, 8], \"counts\": \"7241l\"}",
        "{\"size\": [6, 8], \"counts\": \"oooooooooooooo0\"}",
        "{\"size\": [6, 8]}",
    };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_string_equal(filled(bad[i]), "none");
    assert_null(mask_parse(NULL, WIDTH, HEIGHT));
    assert_null(mask_parse(NULL, 0, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(polygons_hold_the_centres_of_their_pixels),
        cmocka_unit_test(runs_go_down_the_columns),
        cmocka_unit_test(what_is_no_mask_of_the_picture_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

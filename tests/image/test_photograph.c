/* test_photograph.c: drawings are not taken for photographs, most photographs are found (src/image/photograph.c). */
#include "image/photograph.h"

#include "base/buf.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Of the pictures in a folder: how many there are, and how many look like photographs. */
static void count(const char *folder, int *all, int *photographs)
{
    DIR *d = opendir(folder);
    const struct dirent *entry;

    while (d && (entry = readdir(d)) != NULL) {
        buf path = BUF_INIT;
        image im = { 0 };

        buf_printf(&path, "%s/%s", folder, entry->d_name);
        if (*entry->d_name != '.' && image_load(&im, buf_text(&path), NULL) == RAP_OK) {
            ++*all;
            *photographs += image_is_photograph(&im);
        }
        image_release(&im);
        buf_release(&path);
    }
    if (d)
        closedir(d);
}

static void the_toy_world_is_drawn(void **state)
{
    const char *source = getenv("RAP_SOURCE");
    int all = 0, photographs = 0;

    for (int i = 0; i < 2; i++) {
        char folder[1000];

        snprintf(folder, sizeof folder, "%s/examples/toy/%s", source ? source : ".",
                 i ? "scenes" : "concepts");
        count(folder, &all, &photographs);
    }
    assert_int_equal(all, 700);
    assert_int_equal(photographs, 0);
}

static void photographs_are_found(void **state)
{
    static const char *const objects[] = { "backpack",      "bear_plushie", "can",
                                           "cat",           "clock",        "dog",
                                           "dog3",          "dog6",         "dog8",
                                           "fancy_boot",    "monster_toy",  "poop_emoji",
                                           "shiny_sneaker", "vase" };
    const char *shared = getenv("RAP_SHARED");
    int all = 0, photographs = 0, drawn = 0, as_photographs = 0;
    char folder[1000];

    for (size_t i = 0; i < sizeof objects / sizeof *objects; i++) {
        snprintf(folder, sizeof folder, "%s/photos/dreambooth/%s", shared ? shared : "../shared",
                 objects[i]);
        count(folder, &all, &photographs);
    }
    if (all == 0) {
        print_message("skipped: %s is not there\n", folder);
        skip();
    }
    print_message("%d of %d photographs\n", photographs, all);
    assert_true(photographs > 0.6 * all);
    snprintf(folder, sizeof folder, "%s/photos/dreambooth/red_cartoon",
             shared ? shared : "../shared");
    count(folder, &drawn, &as_photographs);
    assert_true(drawn > 0);
    assert_int_equal(as_photographs, 0);
}

static void small_and_plain_pictures_are_none(void **state)
{
    image im = { 0 };

    assert_int_equal(image_new(&im, 79, 500, NULL), RAP_OK);
    for (size_t i = 0; i < 79 * 500 * 3; i++)
        im.rgb[i] = (uint8_t)(i * 2654435761u >> 13); /* noise */
    assert_false(image_is_photograph(&im));
    image_release(&im);
    assert_int_equal(image_new(&im, 200, 200, NULL), RAP_OK);
    assert_false(image_is_photograph(&im));
    image_release(&im);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_toy_world_is_drawn),
        cmocka_unit_test(photographs_are_found),
        cmocka_unit_test(small_and_plain_pictures_are_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

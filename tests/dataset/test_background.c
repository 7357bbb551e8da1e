/* test_background.c: an object keeps its pixels before another background (src/dataset/background.c, crop.c). */
#include "dataset/background.h"
#include "dataset/crop.h"
#include "dataset/layouts.h"

enum { OBJECT = 0xC02020, BEHIND = 0x808080 ^ (OBJECT >> 1) };

static const char config[] =
    "{\"sources\": [{\"type\": \"folders\", \"name\": \"s\", \"images\": \"s\"}], \"square\": "
    "false, "
    "\"margin\": 0.25, \"augment\": {\"flip\": 0, \"rotate\": 0, \"scale\": 0, \"shift\": 0, "
    "\"color\": 0, \"blur\": 0, \"jpeg\": 95, \"background\": %s}}";

typedef struct fixture {
    dataset_plan *plan;
    dataset_item *item;
} fixture;

static void open_fixture(fixture *f, const char *share)
{
    char text[1024];
    rap_err err = { 0 };

    snprintf(text, sizeof text, config, share);
    write_text("config.json", text);
    write_picture("s/0.png", OBJECT);
    assert_int_equal(plan_read(&f->plan, in("config.json"), &err), RAP_OK);
    f->item = dataset_item_new("s", "0", "0");
    assert_true(dataset_item_place(&f->item->concept, "s", "0.png", (rap_box){ 40, 30, 80, 80 }));
}

static void close_fixture(fixture *f)
{
    plan_free(f->plan);
    dataset_item_free(f->item);
}

static json_t *square(void)
{
    return json_pack("[[i,i,i,i,i,i,i,i]]", 40, 30, 120, 30, 120, 110, 40, 110);
}

static int differs(const image *im, int x, int y, int color)
{
    const uint8_t *p = im->rgb + ((size_t)y * (size_t)im->width + (size_t)x) * 3;

    return abs(p[0] - (color >> 16)) + abs(p[1] - (color >> 8 & 255)) + abs(p[2] - (color & 255)) >
           40;
}

/* Makes the crop of 120 × 120 pixels, in whose middle the object is. */
static void make_crop(image *out, const fixture *f, const char *folder)
{
    char name[CROP_NAME], path[400], below[340];
    drop_reason reason;
    rap_err err = { 0 };

    snprintf(below, sizeof below, "%s/crops", in(folder));
    assert_int_equal(file_make_folders(below, NULL), RAP_OK);
    assert_int_equal(crop_make(&reason, f->plan, in(folder), f->item, 0, &err), RAP_OK);
    crop_name(name, f->item, 0);
    snprintf(path, sizeof path, "%s/%s", in(folder), name);
    assert_int_equal(image_load(out, path, &err), RAP_OK);
    assert_int_equal(out->width, 120);
}

static void check(const fixture *f, int replaced)
{
    image a = { 0 }, b = { 0 };

    make_crop(&a, f, "one");
    make_crop(&b, f, "two");
    assert_memory_equal(a.rgb, b.rgb, 120 * 120 * 3);
    assert_false(differs(&a, 60, 60, OBJECT));
    assert_false(differs(&a, 26, 60, OBJECT)); /* up to its edge */
    assert_int_equal(differs(&a, 4, 4, BEHIND) || differs(&a, 114, 114, BEHIND), replaced);
    image_release(&a);
    image_release(&b);
}

static void the_object_stays_and_the_rest_is_drawn(void **state)
{
    fixture f;
    json_t *polygon = square();

    open_fixture(&f, "1");
    f.item->mask = mask_parse(polygon, 200, 160);
    assert_non_null(f.item->mask);
    check(&f, 1);
    close_fixture(&f);
    json_decref(polygon);
}

static void a_mask_may_be_a_picture(void **state)
{
    fixture f;
    image im = { 0 };

    open_fixture(&f, "1");
    assert_int_equal(page_new(&im, 200, 160, 0, NULL), RAP_OK);
    page_fill(&im, 40, 30, 80, 80, 0xFFFFFF);
    assert_int_equal(image_save_png(&im, in("s/0_mask.png"), NULL), RAP_OK);
    image_release(&im);
    assert_true(dataset_item_mask_picture(f.item, "s", "0_mask.png"));
    check(&f, 1);
    close_fixture(&f);
}

/* Not asked for; none; of another picture; not there. */
static void without_a_mask_nothing_changes(void **state)
{
    fixture f;
    json_t *polygon = square();
    char command[800];

    open_fixture(&f, "0");
    f.item->mask = mask_parse(polygon, 200, 160);
    check(&f, 0);
    close_fixture(&f);
    open_fixture(&f, "1");
    check(&f, 0);
    f.item->mask = mask_parse(polygon, 100, 160);
    snprintf(command, sizeof command, "rm -r '%s' '%s'", in("one"), in("two"));
    assert_int_equal(system(command), 0);
    check(&f, 0);
    assert_true(dataset_item_mask_picture(f.item, "s", "gone.png"));
    close_fixture(&f);
    json_decref(polygon);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_work, remove_work)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_object_stays_and_the_rest_is_drawn),
        TEST(a_mask_may_be_a_picture),
        TEST(without_a_mask_nothing_changes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

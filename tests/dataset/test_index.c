/* test_index.c: the split, and who is no negative of whom (src/dataset/index.c). */
#include "dataset/index.h"
#include "dataset/layouts.h"

static void offer(dataset_pool *p, const char *id, const char *picture, const char *scene)
{
    const rap_box box = { 0, 0, 50, 50 };
    dataset_item *item = dataset_item_new("s", id, id);

    assert_true(dataset_item_place(&item->concept, "s", picture, box));
    assert_true(dataset_item_place(&item->query, "s", picture, box));
    assert_true(dataset_item_text(&item->category, "dog"));
    assert_true(!scene || dataset_item_scene(item, "s", scene));
    assert_int_equal(dataset_pool_offer(p, item, NULL), RAP_OK);
    dataset_item_free(item);
}

/* `count` items, `share` of a picture each. */
static void fill(dataset_pool *p, int count, int share, const char *scene)
{
    const uint64_t wanted[KIND_COUNT] = { 1000, 1000 };
    dataset_report report = { 0 };

    dataset_pool_init(p, 1, wanted);
    for (int i = 0; i < count; i++) {
        char id[32], picture[32];

        snprintf(id, sizeof id, "%04d", i);
        snprintf(picture, sizeof picture, "%d.jpg", i / share);
        offer(p, id, picture, scene);
    }
    assert_int_equal(dataset_pool_close(p, &report, NULL), RAP_OK);
    assert_int_equal(report.dropped[DROP_TWICE], 0);
}

static size_t held(int count, int share, const char *scene, double validation)
{
    dataset_pool p;
    dataset_index x;
    size_t found = 0;

    fill(&p, count, share, scene);
    assert_int_equal(index_open(&x, &p, 7, validation, NULL), RAP_OK);
    assert_int_equal(x.count, count);
    for (size_t i = 0; i < x.count; i++)
        found += x.entry[i].side == SIDE_VALIDATION;
    for (size_t i = 0; i < x.count; i++) /* a picture is on one side */
        for (size_t j = 0; j < i; j++)
            assert_true(strcmp(x.entry[i].item->query.picture, x.entry[j].item->query.picture) ||
                        x.entry[i].side == x.entry[j].side);
    index_release(&x);
    dataset_pool_release(&p);
    return found;
}

static void the_share_is_held_out_whatever_the_groups(void **state)
{
    assert_int_equal(held(200, 1, NULL, 0.1), 20);
    assert_int_equal(held(200, 4, NULL, 0.1), 20);
    assert_int_equal(held(10, 1, NULL, 0.02), 0);
    assert_int_equal(held(10, 5, NULL, 0.5), 5);
    assert_int_equal(held(10, 5, NULL, 0), 0);
    assert_int_equal(held(10, 10, NULL, 0.9),
                     0); /* one group: something must be left to train on */
    assert_int_equal(held(10, 1, "video", 0.5), 0); /* one video is one group */
    assert_int_equal(held(10, 1, NULL, 1), 10);
    assert_int_equal(held(0, 1, NULL, 0.5), 0);
}

static void nobody_of_the_same_video_is_a_negative(void **state)
{
    dataset_pool p;
    dataset_index x;
    draw d = draw_for(1, "x", "y");

    fill(&p, 10, 1, "video");
    assert_int_equal(index_open(&x, &p, 7, 0, NULL), RAP_OK);
    for (int i = 0; i < 20; i++)
        assert_null(index_other(&x, x.entry[0].item, -1, &d));
    index_release(&x);
    dataset_pool_release(&p);
    fill(&p, 10, 1, NULL);
    assert_int_equal(index_open(&x, &p, 7, 0, NULL), RAP_OK);
    assert_non_null(index_other(&x, x.entry[0].item, 1, &d));
    index_release(&x);
    dataset_pool_release(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_share_is_held_out_whatever_the_groups),
        cmocka_unit_test(nobody_of_the_same_video_is_a_negative),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_source.c: each source's documented layout becomes items (src/dataset/source_*.c). */
#include "dataset/layouts.h"
#include "dataset/source.h"

/* Reads one source and gives the kept items in order of their keys. */
typedef struct reading {
    dataset_plan plan;
    plan_source source;
    dataset_pool pool;
    dataset_report report;
    const dataset_item *item[16];
    int count;
    rap_status status;
    rap_err err;
} reading;

static int by_key(const void *a, const void *b)
{
    return strcmp((*(const dataset_item *const *)a)->key, (*(const dataset_item *const *)b)->key);
}

static void collect(reading *r)
{
    for (int k = 0; k < KIND_COUNT; k++)
        for (size_t i = 0; i < r->pool.kind[k].count; i++) {
            const dataset_item *item = r->pool.kind[k].choice[i].item;
            int known = 0;

            for (int j = 0; j < r->count; j++)
                known |= r->item[j] == item;
            if (!known && r->count < 16)
                r->item[r->count++] = item;
        }
    qsort(r->item, (size_t)r->count, sizeof *r->item, by_key);
}

static double background; /* of the plan */

static void read_source(reading *r, plan_source source)
{
    const uint64_t wanted[KIND_COUNT] = { 100, 100, 100, 100, 100, 100 };
    source_sink sink = {
        .plan = &r->plan, .source = &r->source, .pool = &r->pool, .report = &r->report
    };

    memset(r, 0, sizeof *r);
    r->plan.file = "config.json";
    r->plan.least_side = 32;
    r->plan.augment.background = background;
    r->source = source;
    if (!r->source.split)
        r->source.split = "";
    if (!r->source.per_object)
        r->source.per_object = 4;
    dataset_pool_init(&r->pool, 1, wanted);
    r->status = source_read(&sink, &r->err);
    assert_int_equal(dataset_pool_close(&r->pool, &r->report, NULL), RAP_OK);
    collect(r);
}

static void release(reading *r)
{
    dataset_pool_release(&r->pool);
}

static void coco_gives_usable_boxes_and_counts_the_rest(void **state)
{
    reading r;

    make_coco();
    read_source(&r, (plan_source){ .type = "coco",
                                   .name = "coco",
                                   .annotations = (char *)in("coco/instances.json"),
                                   .captions = (char *)in("coco/captions.json"),
                                   .images = (char *)in("coco/images") });
    assert_int_equal(r.status, RAP_OK);
    assert_int_equal(r.count,
                     5); /* 1, 2, 4, 10, and 11 whose picture is missing, which nobody opened yet */
    assert_string_equal(r.item[0]->key, "coco/1");
    assert_string_equal(r.item[0]->category, "dog");
    assert_string_equal(r.item[0]->query.picture, "coco/one.jpg");
    assert_float_equal(r.item[0]->query.box.w, 80, 0);
    assert_int_equal(r.report.read, 12);
    assert_int_equal(r.report.dropped[DROP_SMALL], 1);
    assert_int_equal(r.report.dropped[DROP_OUTSIDE], 3);
    assert_int_equal(r.report.dropped[DROP_CROWD], 1);
    assert_int_equal(r.report.dropped[DROP_REFERENCE], 1);
    assert_int_equal(r.report.dropped[DROP_PATH], 1);
    assert_string_equal(r.report.first[DROP_PATH], "../../../etc/passwd");
    release(&r);
}

static void captions_name_what_is_alone_of_its_kind(void **state)
{
    reading r;

    make_coco();
    read_source(&r, (plan_source){ .type = "coco",
                                   .name = "coco",
                                   .annotations = (char *)in("coco/instances.json"),
                                   .captions = (char *)in("coco/captions.json"),
                                   .images = (char *)in("coco/images") });
    /* Picture 1: one dog, two cups of which one is tiny. Picture 2: three dogs by their annotations. */
    assert_int_equal(r.item[0]->captions, 1);
    assert_string_equal(r.item[0]->caption[0], "{name} next to two cups.");
    assert_string_equal(r.item[3]->key, "coco/2");
    assert_int_equal(r.item[3]->captions, 0);
    assert_string_equal(r.item[4]->key, "coco/4");
    assert_int_equal(r.item[4]->captions, 0);
    assert_string_equal(r.item[1]->key, "coco/10");
    assert_string_equal(r.item[1]->caption[0], "{name} on a table.");
    release(&r);
}

static void refcoco_reads_pickles_of_every_protocol(void **state)
{
    const char *tests = getenv("RAP_TESTS");

    make_coco();
    for (int protocol = 0; protocol < 5; protocol++) {
        char refs[512];
        reading r;

        snprintf(refs, sizeof refs, "%s/data/dataset/refs_p%d.p", tests ? tests : "tests",
                 protocol);
        read_source(&r, (plan_source){ .type = "refcoco",
                                       .name = "ref",
                                       .annotations = (char *)in("coco/instances.json"),
                                       .refs = refs,
                                       .images = (char *)in("coco/images") });
        assert_int_equal(r.status, RAP_OK);
        assert_int_equal(r.count, 2); /* those of the split "train" */
        assert_string_equal(r.item[0]->info, "{name} is a dog: spotted dog with a collar.");
        assert_string_equal(r.item[1]->info, ""); /* "dog in back" is true in one picture only */
        release(&r);
    }
}

static void a_pickle_that_would_run_a_command_does_not(void **state)
{
    const char *tests = getenv("RAP_TESTS");
    char refs[512];
    reading r;

    make_coco();
    snprintf(refs, sizeof refs, "%s/data/dataset/refs_command.p", tests ? tests : "tests");
    read_source(&r, (plan_source){ .type = "refcoco",
                                   .name = "ref",
                                   .annotations = (char *)in("coco/instances.json"),
                                   .refs = refs,
                                   .images = (char *)in("coco/images") });
    assert_int_equal(r.status, RAP_E_FORMAT);
    assert_non_null(strstr(r.err.text, "refs_command.p"));
    assert_false(file_exists("refs-was-run"));
    release(&r);
}

static void tao_pairs_the_ends_of_a_track(void **state)
{
    plan_source source = { .type = "tao", .name = "tao", .gap = 60 };
    reading r;

    make_tao();
    source.annotations = (char *)in("tao/train.json");
    source.images = (char *)in("tao/frames");
    read_source(&r, source);
    assert_int_equal(r.status, RAP_OK);
    assert_int_equal(r.count, 1);
    assert_string_equal(r.item[0]->concept.picture, "tao/v/f1.jpg");
    assert_string_equal(r.item[0]->query.picture, "tao/v/f3.jpg");
    assert_float_equal(r.item[0]->query.box.x, 42, 0);
    assert_int_equal(r.report.dropped[DROP_NO_PAIR], 1);
    release(&r);
    source.gap = 61;
    read_source(&r, source);
    assert_int_equal(r.count, 0);
    release(&r);
}

static void what_is_given_twice_counts_once(void **state)
{
    reading r;

    make_coco();
    write_text("coco/twice.json",
               "{\"categories\": [{\"id\": 1, \"name\": \"dog\"}], \"images\": [\n"
               "{\"id\": 1, \"file_name\": \"one.jpg\", \"width\": 200, \"height\": 160},\n"
               "{\"id\": 1, \"file_name\": \"two.jpg\", \"width\": 200, \"height\": 160},\n"
               "{\"id\": 2, \"file_name\": \"one.jpg\", \"width\": 200, \"height\": 160}],\n"
               "\"annotations\": [{\"id\": 1, \"image_id\": 2, \"category_id\": 1, \"bbox\": [40, "
               "30, 80, 80]},\n"
               "{\"id\": 1, \"image_id\": 1, \"category_id\": 1, \"bbox\": [0, 0, 90, 90]},\n"
               "{\"id\": 2, \"image_id\": 1, \"category_id\": 1, \"bbox\": [0, 0, 90, 90]}]}");
    write_text("coco/captions.json",
               "{\"annotations\": [{\"image_id\": 2, \"caption\": \"A dog.\"}], \"images\": []}");
    read_source(&r, (plan_source){ .type = "coco",
                                   .name = "coco",
                                   .annotations = (char *)in("coco/twice.json"),
                                   .captions = (char *)in("coco/captions.json"),
                                   .images = (char *)in("coco/images") });
    assert_int_equal(r.status, RAP_OK);
    assert_int_equal(r.count, 2);
    assert_float_equal(r.item[0]->query.box.w, 80, 0); /* the first of the two stays */
    assert_string_equal(r.item[0]->query.picture, "coco/one.jpg");
    assert_int_equal(r.item[0]->captions, 0); /* one.jpg holds several dogs, under two ids */
    assert_int_equal(r.report.dropped[DROP_TWICE], 2);
    assert_string_equal(r.report.first[DROP_TWICE], "image 1");
    release(&r);
}

static void tao_knows_who_else_is_in_the_frame(void **state)
{
    plan_source source = { .type = "tao", .name = "tao", .gap = 1 };
    reading r;

    make_tao();
    write_text("tao/two.json",
               "{\"images\": [{\"id\": 1, \"video_id\": 5, \"file_name\": \"v/f1.jpg\", \"width\": "
               "200, \"height\": 160},\n"
               "{\"id\": 2, \"video_id\": 5, \"file_name\": \"v/f2.jpg\", \"width\": 200, "
               "\"height\": 160},\n"
               "{\"id\": 3, \"video_id\": 5, \"file_name\": \"v/f3.jpg\", \"width\": 200, "
               "\"height\": 160}],\n"
               "\"categories\": [{\"id\": 1, \"name\": \"dog\"}], \"annotations\": [\n"
               "{\"id\": 1, \"image_id\": 1, \"track_id\": 7, \"category_id\": 1, \"bbox\": [40, "
               "30, 80, 80]},\n"
               "{\"id\": 2, \"image_id\": 2, \"track_id\": 7, \"category_id\": 1, \"bbox\": [40, "
               "30, 80, 80]},\n"
               "{\"id\": 3, \"image_id\": 1, \"track_id\": 8, \"category_id\": 1, \"bbox\": [90, "
               "30, 80, 80]},\n"
               "{\"id\": 4, \"image_id\": 2, \"track_id\": 8, \"category_id\": 1, \"bbox\": [90, "
               "30, 9, 9]},\n"
               "{\"id\": 5, \"image_id\": 3, \"track_id\": 8, \"category_id\": 1, \"bbox\": [90, "
               "30, 80, 80]}]}");
    source.annotations = (char *)in("tao/two.json");
    source.images = (char *)in("tao/frames");
    read_source(&r, source);
    assert_int_equal(r.status, RAP_OK);
    assert_int_equal(r.count, 2);
    assert_int_equal(r.item[0]->companions, 1); /* also where its box is too small to be used */
    assert_string_equal(r.item[0]->company[0], r.item[1]->identity);
    assert_int_equal(r.item[1]->companions, 0);
    assert_string_equal(r.item[0]->scene, "tao/video5");
    release(&r);
}

static void vid_survives_absurd_numbers(void **state)
{
    static const char *const sizes[] = { "1e300", "-5", "nan", "0", "70000" };

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char xml[1024];
        reading r;

        make_vid();
        snprintf(xml, sizeof xml,
                 "<annotation><size><width>%s</width><height>160</height></size><object><trackid>0"
                 "</trackid><name>n02084071</name><bndbox><xmax>120</xmax><xmin>1e300</xmin><ymax>"
                 "110</ymax><ymin>30</ymin></bndbox></object></annotation>",
                 sizes[i]);
        write_text("vid/annotations/train/s1/000060.xml", xml);
        read_source(&r, (plan_source){ .type = "vid",
                                       .name = "vid",
                                       .gap = 10,
                                       .annotations = (char *)in("vid/annotations"),
                                       .images = (char *)in("vid/data") });
        assert_true(r.status == RAP_E_FORMAT || r.report.dropped[DROP_OUTSIDE] == 1);
        release(&r);
    }
}

static void vid_reads_a_frame_a_file(void **state)
{
    reading r;

    make_vid();
    read_source(&r, (plan_source){ .type = "vid",
                                   .name = "vid",
                                   .gap = 10,
                                   .annotations = (char *)in("vid/annotations"),
                                   .images = (char *)in("vid/data") });
    assert_int_equal(r.status, RAP_OK);
    assert_int_equal(r.count, 1);
    assert_string_equal(r.item[0]->category, "dog");
    assert_string_equal(r.item[0]->concept.picture, "vid/train/s1/000000.JPEG");
    assert_string_equal(r.item[0]->query.picture, "vid/train/s1/000040.JPEG");
    assert_float_equal(r.item[0]->query.box.w, 82, 0);
    release(&r);
}

static void folders_take_classes_from_the_list_or_the_name(void **state)
{
    reading r;

    make_folders();
    read_source(&r,
                (plan_source){ .type = "folders", .name = "db", .images = (char *)in("objects") });
    assert_int_equal(r.status, RAP_OK);
    assert_int_equal(r.count, 3);
    assert_string_equal(r.item[0]->category, "bear plushie");
    assert_string_equal(r.item[1]->key, "db/dog6/10.jpg");
    assert_string_equal(r.item[1]->category, "dog");
    assert_string_equal(r.item[1]->concept.picture, "db/dog6/00.jpg");
    assert_int_equal(r.report.dropped[DROP_NO_PAIR], 1);
    release(&r);
}

static void custom101_finds_its_folders(void **state)
{
    reading r;

    make_custom101();
    read_source(&r, (plan_source){ .type = "custom101",
                                   .name = "c101",
                                   .annotations = (char *)in("c101/dataset.json"),
                                   .images = (char *)in("c101") });
    assert_int_equal(r.status, RAP_OK);
    assert_int_equal(r.count, 1);
    assert_string_equal(r.item[0]->category, "barn");
    assert_int_equal(r.report.dropped[DROP_PATH], 1);
    assert_int_equal(r.report.dropped[DROP_REFERENCE], 1);
    release(&r);
}

static void myvlm_texts_name_the_concept(void **state)
{
    reading r;

    make_myvlm();
    read_source(&r,
                (plan_source){ .type = "myvlm", .name = "myvlm", .images = (char *)in("myvlm") });
    assert_int_equal(r.status, RAP_OK);
    assert_int_equal(r.count, 1);
    assert_int_equal(r.item[0]->captions, 1);
    assert_string_equal(r.item[0]->caption[0], "{name} on a shelf.");
    assert_int_equal(r.item[0]->turns, 1);
    assert_string_equal(r.item[0]->turn[0].question, "What color is {name}?");
    assert_int_equal(r.report.dropped[DROP_TEXT], 2);
    release(&r);
}

static void yollava_leaves_negatives_out(void **state)
{
    reading r;

    make_yollava();
    read_source(&r, (plan_source){ .type = "yollava",
                                   .name = "yo",
                                   .annotations = (char *)in("yollava/database.json"),
                                   .questions = (char *)in("yollava/conversations.json"),
                                   .images = (char *)in("yollava") });
    assert_int_equal(r.status, RAP_OK);
    assert_int_equal(r.count, 1);
    assert_string_equal(r.item[0]->query.picture, "yo/train/bo/1.png");
    assert_string_equal(r.item[0]->info, "{name} is a Shiba Inu.");
    assert_string_equal(r.item[0]->turn[0].question, "What is {name} doing?");
    assert_string_equal(r.item[0]->turn[0].answer, "{name} sits.");
    release(&r);
}

static void mcllava_pairs_train_with_test_and_multi(void **state)
{
    reading r;
    plan_source source = { .type = "mcllava", .name = "mc", .split = "test" };

    make_mcllava();
    source.images = (char *)in("mc");
    source.annotations = (char *)in("mc/database.json");
    write_text(
        "mc/database.json",
        "{\"concept_dict\": {\"A\": {\"category\": \"man\"}, \"B\": {\"category\": \"woman\"}}}");
    read_source(&r, source);
    assert_int_equal(r.status, RAP_OK);
    assert_int_equal(r.count, 4); /* A and B, each alone and together */
    assert_string_equal(r.item[0]->concept.picture, "mc/two_concept/concept/train/A/0.png");
    assert_string_equal(r.item[0]->category, "man");
    assert_string_equal(r.item[0]->key, "mc/A/two_concept/concept/test/A/0.png");
    assert_int_equal(r.item[0]->companions, 0);
    assert_string_equal(r.item[1]->key, "mc/A/two_concept/multi/A_B/0.png");
    assert_int_equal(r.item[1]->companions, 1);
    assert_string_equal(r.item[1]->company[0], "mc/B"); /* B is in that picture: no negative */
    assert_int_equal(r.report.dropped[DROP_PATH], 1);
    assert_null(r.item[0]->mask_picture); /* the plan replaces no background */
    release(&r);
    assert_int_equal(remove(in("mc/concept_type.json")), 0); /* published without it */
    background = 0.5;
    read_source(&r, source);
    background = 0;
    assert_int_equal(r.status, RAP_OK);
    assert_int_equal(r.count, 4);
    assert_string_equal(r.item[1]->key, "mc/A/two_concept/multi/A_B/0.png");
    assert_string_equal(r.item[1]->company[0], "mc/B");
    assert_string_equal(r.item[0]->mask_picture, "mc/two_concept/concept/train/A/0_mask.png");
    release(&r);
    source.images = (char *)in("nowhere");
    assert_int_equal(file_make_folders(in("nowhere"), NULL), RAP_OK);
    read_source(&r, source);
    assert_int_equal(r.status, RAP_E_NOT_FOUND);
    release(&r);
}

/* Polygons and runs; one that is no mask is none, and its object stays. */
static void coco_keeps_masks_where_they_are_wanted(void **state)
{
    reading r;
    plan_source source = { .type = "coco", .name = "c" };

    write_text(
        "i.json",
        "{\"images\": [{\"id\": 1, \"file_name\": \"a\\\\b.jpg\", \"width\": 64, \"height\": 48}], "
        "\"categories\": [{\"id\": 1, \"name\": \"cup\"}], \"annotations\": ["
        "{\"id\": 1, \"image_id\": 1, \"category_id\": 1, \"bbox\": [0, 0, 40, 40], "
        "\"segmentation\": "
        "[[0, 0, 40, 0, 40, 40]]}, {\"id\": 2, \"image_id\": 1, \"category_id\": 1, \"bbox\": [0, "
        "0, 40, "
        "40], \"segmentation\": {\"size\": [48, 64], \"counts\": [0, 3072]}}, {\"id\": 3, "
        "\"image_id\": 1, "
        "\"category_id\": 1, \"bbox\": [0, 0, 40, 40], \"segmentation\": [[1, 2]]}]}");
    source.annotations = (char *)in("i.json");
    source.images = (char *)in("");
    background = 0.5;
    read_source(&r, source);
    background = 0;
    assert_int_equal(r.count, 3);
    assert_int_equal(r.item[0]->mask->points, 3);
    assert_int_equal(r.item[1]->mask->runs, 2);
    assert_null(r.item[2]->mask);
    assert_int_equal(r.report.dropped[DROP_PATH], 0); /* folders may be parted by backslashes */
    release(&r);
}

static void llava_takes_pairs_of_turns(void **state)
{
    reading r;

    make_llava();
    read_source(&r, (plan_source){ .type = "llava",
                                   .name = "llava",
                                   .annotations = (char *)in("llava/instruct.json"),
                                   .images = (char *)in("llava/images") });
    assert_int_equal(r.status, RAP_OK);
    assert_int_equal(r.count, 2);
    assert_string_equal(r.item[0]->query.picture, "llava/a.jpg");
    assert_null(r.item[1]->query.picture);
    assert_int_equal(r.report.dropped[DROP_TEXT], 1);
    assert_int_equal(r.report.dropped[DROP_PATH], 1);
    release(&r);
}

static void faults_name_file_and_place(void **state)
{
    reading r;

    make_coco();
    write_text("coco/broken.json",
               "{\"images\": [{\"id\": 1, \"file_name\": \"a\", \"width\": 1, \"height\": 1}],\n"
               "\"annotations\": [{\"id\": 1},\n{\"id\": }]}");
    read_source(&r, (plan_source){ .type = "coco",
                                   .name = "coco",
                                   .annotations = (char *)in("coco/broken.json"),
                                   .images = (char *)in("coco/images") });
    assert_int_equal(r.status, RAP_E_FORMAT);
    assert_non_null(strstr(r.err.text, "coco/broken.json:3: "));
    release(&r);
    read_source(&r, (plan_source){ .type = "coco", .name = "coco" });
    assert_int_equal(r.status, RAP_E_FORMAT);
    assert_string_equal(r.err.text,
                        "config.json: the source \"coco\" (coco) needs \"annotations\"");
    release(&r);
    read_source(&r, (plan_source){ .type = "store",
                                   .name = "s",
                                   .annotations = (char *)in("coco/instances.json"),
                                   .images = (char *)in("coco/images") });
    assert_string_equal(r.err.text,
                        "config.json: the source \"s\" (store) has no use for \"images\"");
    release(&r);
    read_source(&r, (plan_source){ .type = "imagenet", .name = "x" });
    assert_non_null(strstr(r.err.text, "no type of source is called \"imagenet\""));
    release(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(coco_gives_usable_boxes_and_counts_the_rest, make_work,
                                        remove_work),
        cmocka_unit_test_setup_teardown(captions_name_what_is_alone_of_its_kind, make_work,
                                        remove_work),
        cmocka_unit_test_setup_teardown(refcoco_reads_pickles_of_every_protocol, make_work,
                                        remove_work),
        cmocka_unit_test_setup_teardown(a_pickle_that_would_run_a_command_does_not, make_work,
                                        remove_work),
        cmocka_unit_test_setup_teardown(tao_pairs_the_ends_of_a_track, make_work, remove_work),
        cmocka_unit_test_setup_teardown(what_is_given_twice_counts_once, make_work, remove_work),
        cmocka_unit_test_setup_teardown(tao_knows_who_else_is_in_the_frame, make_work, remove_work),
        cmocka_unit_test_setup_teardown(vid_survives_absurd_numbers, make_work, remove_work),
        cmocka_unit_test_setup_teardown(vid_reads_a_frame_a_file, make_work, remove_work),
        cmocka_unit_test_setup_teardown(folders_take_classes_from_the_list_or_the_name, make_work,
                                        remove_work),
        cmocka_unit_test_setup_teardown(custom101_finds_its_folders, make_work, remove_work),
        cmocka_unit_test_setup_teardown(myvlm_texts_name_the_concept, make_work, remove_work),
        cmocka_unit_test_setup_teardown(yollava_leaves_negatives_out, make_work, remove_work),
        cmocka_unit_test_setup_teardown(coco_keeps_masks_where_they_are_wanted, make_work,
                                        remove_work),
        cmocka_unit_test_setup_teardown(mcllava_pairs_train_with_test_and_multi, make_work,
                                        remove_work),
        cmocka_unit_test_setup_teardown(llava_takes_pairs_of_turns, make_work, remove_work),
        cmocka_unit_test_setup_teardown(faults_name_file_and_place, make_work, remove_work),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_photos.c: real photos (DreamBooth, 15 concepts, with an ImageNet ViT-Tiny): what is calibrated without a
 * concept holds for the photos of that concept. Needs $RAP_SHARED. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "made.h"

#include <unistd.h>

static char folder[64];

typedef struct sums {
    double known, found, photos, invented;
} sums;

static const char *shared(const char *name)
{
    static char path[2][512];
    static int next;
    const char *root = getenv("RAP_SHARED");

    next = !next;
    snprintf(path[next], sizeof path[0], "%s/%s", root && *root ? root : "../shared", name);
    return path[next];
}

/* image_size: of the pictures that the encoder sees. */
static int make_profile(int image_size)
{
    const char *from = shared("fixtures/vit/vit_tiny_patch16_224.pt");
    const char *text = "{\"files\": {\"encoder\": {\"path\": \"vit.gguf\"}}}";
    const rap_convert_options how = { .image_size = image_size };
    char path[96], error[256] = "";

    if (!file_exists(from) || !file_exists(shared("photos/dreambooth"))) {
        print_message("skipped: %s is not there\n", from);
        return 0;
    }
    snprintf(folder, sizeof folder, "/tmp/rap-photos-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/profile.json", folder);
    assert_int_equal(file_write(path, text, strlen(text), NULL), RAP_OK);
    snprintf(path, sizeof path, "%s/vit.gguf", folder);
    if (rap_convert(from, path, &how, error, sizeof error) != RAP_OK)
        fail_msg("%s", error);
    return 1;
}

/* The set as it is without concept `out` (only: the photos of that concept alone, everything remembered). */
static void part_of(made *part, const made *all, int out, int only)
{
    size_t each = (size_t)all->seen.crops * (size_t)all->seen.dim;
    int concepts = 0;

    memset(part, 0, sizeof *part);
    part->seen = all->seen;
    part->set.folder = all->set.folder;
    part->set.concept = calloc((size_t)all->set.concepts, sizeof *part->set.concept);
    part->set.photo = calloc((size_t)all->set.photos, sizeof *part->set.photo);
    part->seen.concept = calloc((size_t)all->set.concepts * each, sizeof(float));
    part->seen.region = calloc((size_t)all->seen.regions * each, sizeof(float));
    part->seen.first = calloc((size_t)all->set.photos + 1, sizeof(int));
    for (int t = 0; t < all->set.concepts; t++)
        if (only || t != out)
            memcpy(part->seen.concept + (size_t)concepts++ * each,
                   all->seen.concept + (size_t)t * each, each * sizeof(float));
    for (int i = 0; i < all->set.photos; i++) {
        int t = all->set.photo[i].object->concept, n = part->set.photos;

        if ((t == out) != only)
            continue;
        part->set.photo[n].object = calloc(1, sizeof(calibrate_object));
        part->set.photo[n].object->concept = !only && t > out ? t - 1 : t;
        part->set.photo[n].objects = 1;
        memcpy(part->seen.region + (size_t)n * each, all->seen.region + (size_t)i * each,
               each * sizeof(float));
        part->seen.first[n + 1] = n + 1;
        part->set.photos++;
    }
    part->set.concepts = part->seen.concepts = concepts;
    part->seen.photos = part->seen.regions = part->set.photos;
}

static void part_close(made *part)
{
    for (int i = 0; i < part->set.photos; i++)
        free(part->set.photo[i].object);
    free(part->set.concept);
    free(part->set.photo);
    free(part->seen.concept);
    free(part->seen.region);
    free(part->seen.first);
}

/* What an encoder for pictures of this size sees of the set; 0: there is no set. */
static int look(made *all, int image_size)
{
    const calibrate_models models = { .profile = folder, .threads = 2, .crops = 3 };

    if (!make_profile(image_size))
        return 0;
    memset(all, 0, sizeof *all);
    assert_int_equal(calibrate_set_read(&all->set, shared("photos/dreambooth"), NULL), RAP_OK);
    assert_int_equal(all->set.concepts, 15);
    assert_int_equal(all->set.photos, 66);
    assert_int_equal(calibrate_look(&all->seen, &all->set, &models, NULL), RAP_OK);
    return 1;
}

/* For each concept: settings from the photos of the others, numbers from its own. */
static sums leave_one_out(const made *all, const calibrate_fit *keep)
{
    sums s = { 0 };

    for (int t = 0; t < all->set.concepts; t++) {
        made others, its;
        calibrate_fit fit = { 0 };

        part_of(&others, all, t, 0);
        part_of(&its, all, t, 1);
        assert_int_equal(calibrate_fit_find(&fit, &others.set, &others.seen, 3, 3, keep, NULL),
                         RAP_OK);
        assert_int_equal(calibrate_fit_check(&fit, &its.set, &its.seen, 3, NULL), RAP_OK);
        s.known += fit.open;
        s.found += fit.recall * fit.open;
        s.photos += fit.photos;
        s.invented += fit.false_positives * fit.photos;
        calibrate_fit_release(&fit);
        part_close(&others);
        part_close(&its);
    }
    return s;
}

/* Threshold and center never saw the concept that they are reported on. Which crop and crowding to use was chosen
 * on all photos: chosen anew without each concept they do worse, since the two dogs of one breed, the only
 * confusable pair, are then not both there to learn from. Both are held here. */
static void what_was_calibrated_without_a_thing_holds_for_it(void **state)
{
    made all;
    float any[1] = { 0 };
    calibrate_fit plain = { .crops = 1 };
    calibrate_fit chosen = { .crops = 3, .crowding = 1, .center = any, .dim = 1 };
    sums before, after, anew;

    if (!look(&all, 0))
        skip();
    before = leave_one_out(&all, &plain);
    after = leave_one_out(&all, &chosen);
    anew = leave_one_out(&all, NULL);
    print_message("threshold alone: recall %.3f, false positives %.3f\n",
                  before.found / before.known, before.invented / before.photos);
    print_message("with center, two inner crops, crowding: recall %.3f, false positives %.3f\n",
                  after.found / after.known, after.invented / after.photos);
    print_message("with everything chosen without the concept: recall %.3f, false positives %.3f\n",
                  anew.found / anew.known, anew.invented / anew.photos);
    assert_true(after.found / after.known >= 0.92);
    assert_true(after.invented / after.photos <= 0.05);
    assert_true(before.invented / before.photos > 0.10);
    assert_true(anew.found / anew.known >= 0.90);
    assert_true(anew.invented / anew.photos <= 0.20);
    made_close(&all);
}

/* More pixels of the same photos, all else as above: at most 5 % false positives at 95 % recall. The size was chosen in
 * view of these photos, too; docs/performance.md says what its neighbours give. */
static void larger_pictures_tell_more(void **state)
{
    made all;
    float any[1] = { 0 };
    calibrate_fit chosen = { .crops = 3, .crowding = 1, .center = any, .dim = 1 };
    sums s;

    if (!look(&all, 256))
        skip();
    s = leave_one_out(&all, &chosen);
    print_message(
        "256 pixels, center, two inner crops, crowding: recall %.3f, false positives %.3f\n",
        s.found / s.known, s.invented / s.photos);
    assert_true(s.found / s.known >= 0.95);
    assert_true(s.invented / s.photos <= 0.05);
    made_close(&all);
}

static int teardown(void **state)
{
    char command[96];

    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return *folder ? system(command) : 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(what_was_calibrated_without_a_thing_holds_for_it, teardown),
        cmocka_unit_test_teardown(larger_pictures_tell_more, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* growth.c: the same photos with ever larger stores. */
#include "base/mem.h"
#include "eval/calibrate/calibrate_inside.h"

#include <stdlib.h>
#include <string.h>

static rap_status measure_both(calibrate_scores *standard, calibrate_scores *paper,
                               const calibrate_gallery *v, const calibrate_fit *f, int k,
                               rap_err *err)
{
    calibrate_settings settings = { .judge = calibrate_fit_judge(f),
                                    .policy = RAP_POLICY_DEFAULT,
                                    .ambiguity = f->ambiguity,
                                    .limit = k };
    rap_status status = calibrate_measure(standard, v, &settings, err);

    settings.policy = RAP_POLICY_PAPER;
    return status == RAP_OK ? calibrate_measure(paper, v, &settings, err) : status;
}

/* A store of `size` concepts: some of the set's, evenly spaced, or all of them and distractors. */
static rap_status measure_size(calibrate_step *out, const calibrate_set *set,
                               const calibrate_features *seen, const calibrate_fit *f, int k,
                               const calibrate_vectors *more, int size, rap_err *err)
{
    int mine = size < set->concepts ? size : set->concepts;
    char *stored = mem_array((size_t)set->concepts + 1, 1);
    calibrate_gallery v = { 0 };
    rap_status status = stored ? RAP_OK : err_memory(err, "measuring retrieval");

    for (int i = 0; stored && i < mine; i++)
        stored[(size_t)i * (size_t)set->concepts / (size_t)mine] = 1;
    if (status == RAP_OK)
        status = calibrate_gallery_open(&v, set, seen, f->crops, stored, more, size - mine, err);
    if (status == RAP_OK)
        status = measure_both(&out->standard, &out->paper, &v, f, k, err);
    out->concepts = size;
    calibrate_gallery_close(&v);
    free(stored);
    return status;
}

rap_status calibrate_grow(calibrate_report *out, const calibrate_set *set,
                          const calibrate_features *seen, const calibrate_fit *settings, int k,
                          const calibrate_vectors *more, int growth, rap_err *err)
{
    static const int sizes[CALIBRATE_STEPS] = { 10, 100, 1000, 10000 };
    calibrate_step whole = { 0 };
    rap_status status = calibrate_fit_fits(settings, seen, err);

    memset(out, 0, sizeof *out);
    if (status != RAP_OK)
        return status;
    if (more && more->count > 0 && more->dim != seen->dim)
        return err_set(err, RAP_E_FORMAT,
                       "the distractors have %d numbers each, but the encoder makes %d", more->dim,
                       seen->dim);
    status = measure_size(&whole, set, seen, settings, k, NULL, set->concepts, err);
    out->concepts = set->concepts;
    out->standard = whole.standard;
    out->paper = whole.paper;
    for (int i = 0; status == RAP_OK && growth && i < CALIBRATE_STEPS; i++) {
        if (sizes[i] > set->concepts + (more ? more->count : 0))
            break;
        status = measure_size(&out->step[out->steps], set, seen, settings, k, more, sizes[i], err);
        out->steps += status == RAP_OK;
    }
    return status;
}

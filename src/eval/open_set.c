/* open_set.c: the open-set task: recall and false positives of both policies, also with larger stores. */
#include "base/file.h"
#include "eval/calibrate/calibrate.h"
#include "eval/eval.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Keeps about `sample` photos, evenly spaced. */
static void thin_out(calibrate_set *set, int sample)
{
    int kept = 0, all = set->photos;

    if (sample <= 0 || sample >= all)
        return;
    for (int i = 0; i < all; i++) {
        if ((int64_t)i * sample / all != (int64_t)(i + 1) * sample / all) {
            set->photo[kept++] = set->photo[i];
        } else {
            free(set->photo[i].picture);
            free(set->photo[i].object);
        }
    }
    set->photos = kept;
}

/* Opens the distractors that were named, else those of the set if they fit the models in use. None is not a failure. */
static rap_status open_distractors(calibrate_vectors *out, eval_report *report,
                                   const eval_options *o, const calibrate_features *seen,
                                   const calibrate_models *models, rap_err *err)
{
    char *own = path_join(o->folder, "distractors.gguf");
    const char *path = o->distractors ? o->distractors : own;
    rap_status status = own ? RAP_OK : err_memory(err, "measuring retrieval");

    if (status == RAP_OK && !o->distractors && !file_exists(own))
        snprintf(report->note, sizeof report->note,
                 "No distractors: give a folder of pictures with --distractors.");
    else if (status == RAP_OK)
        status = calibrate_vectors_open(out, path, models, err);
    if (status == RAP_OK && out->count > 0 && strcmp(out->maker, seen->maker) != 0) {
        if (o->distractors)
            status =
                err_set(err, RAP_E_FORMAT,
                        "%s: its vectors were made by another encoder or with other crops; give "
                        "the folder of pictures",
                        path);
        else
            snprintf(
                report->note, sizeof report->note,
                "The set's distractors were made by another encoder or with other crops: give a "
                "folder of pictures with --distractors.");
        calibrate_vectors_release(out);
    }
    free(own);
    return status;
}

rap_status eval_open_set(eval_report *out, eval_run_state *run, rap_err *err)
{
    const eval_options *o = run->options;
    calibrate_models models = { .engine = run->engine,
                                .profile = o->profile,
                                .on_progress = o->on_progress,
                                .payload = o->payload };
    calibrate_set set;
    calibrate_features seen = { 0 };
    calibrate_fit settings = { 0 };
    calibrate_vectors more = { 0 };
    char *file = NULL;
    int k = 0;
    rap_status status = calibrate_set_read(&set, o->folder, err);

    if (status == RAP_OK)
        thin_out(&set, o->sample);
    if (status == RAP_OK)
        status = calibrate_profile_read(&settings, &file, &k, &models, err);
    models.judge = &settings;
    if (status == RAP_OK)
        status = calibrate_look(&seen, &set, &models, err);
    if (status == RAP_OK && o->growth)
        status = open_distractors(&more, out, o, &seen, &models, err);
    if (status == RAP_OK && o->save_distractors && more.count > 0)
        status = calibrate_vectors_save(&more, o->save_distractors, err);
    if (status == RAP_OK)
        status = calibrate_grow(&out->open_set, &set, &seen, &settings, k, &more, o->growth, err);
    calibrate_set_release(&set);
    calibrate_features_release(&seen);
    calibrate_fit_release(&settings);
    calibrate_vectors_release(&more);
    free(file);
    return status;
}

/* cmd_calibrate.c: rap calibrate FOLDER: retrieval settings for the encoder in use, from pictures. */
#include "base/file.h"
#include "cli/cli.h"
#include "eval/calibrate/calibrate.h"
#include "wire/measure.h"

#include <stdio.h>
#include <stdlib.h>

static int run(cli *c, int argc, char **argv);

const cli_command cmd_calibrate = {
    "calibrate",
    "FOLDER",
    "Calibrate the retrieval threshold for this profile's encoder",
    "FOLDER holds pictures of concepts in one of three layouts:\n"
    "  - one folder per concept with two or more pictures: the first is remembered, the others\n"
    "    are photos of it;\n"
    "  - an official database.json, each concept's picture in a folder of its own with more\n"
    "    pictures;\n"
    "  - database.json and a list of photos: retrieval.json ([{image, box, name}], name \"\" for\n"
    "    an object that is no concept) or queries.json ({image: [names]}).\n"
    "\n"
    "Each photo is tested twice: with all concepts in the store, and without those it shows. The\n"
    "threshold is chosen so that misses and false positives both stay within 5 %, or are equal\n"
    "where they cannot. Use at least ten concepts with three photos each. Do not report accuracy\n"
    "on the same pictures; it would be too good.\n"
    "\n"
    "--verify also measures how well the language model verifies matches (`rap see --verify`), "
    "and\n"
    "finds the threshold for it. Switch it on with \"verify\": true under \"retrieval\" if it "
    "gains more\n"
    "than it costs.\n"
    "\n"
    "Nothing is written without --apply or --out, and your store is not touched. If the crops of\n"
    "a region change, the next command that uses the store embeds its pictures again.",
    run,
    CLI_NO_STORE,
};

typedef struct calibration {
    calibrate_set set;
    calibrate_features seen;
    calibrate_fit before, after;
    calibrate_verified verified; /* with --verify */
    char *file;                  /* profile.json */
    const char *out;             /* --out */
    const char *written;
    int k, crops; /* crops: the most that are tried */
    bool keep, verify;
} calibration;

static void calibration_release(calibration *a)
{
    calibrate_set_release(&a->set);
    calibrate_features_release(&a->seen);
    calibrate_fit_release(&a->before);
    calibrate_fit_release(&a->after);
    free(a->file);
}

/* Before anything is measured: --out is neither a file of the set nor one of the profile. */
static rap_status check_output(const calibration *a, const char *folder,
                               const calibrate_models *models, rap_err *err)
{
    rap_status status = file_spare(a->out, folder, NULL, err);

    return status == RAP_OK ? calibrate_spare(a->out, models->profile, err) : status;
}

static rap_status measure(calibration *a, const char *folder, calibrate_models *models,
                          rap_err *err)
{
    rap_status status = calibrate_set_read(&a->set, folder, err);

    if (status == RAP_OK)
        status = calibrate_profile_read(&a->before, &a->file, &a->k, models, err);
    if (status == RAP_OK)
        status = check_output(a, folder, models, err);
    if (status == RAP_OK) {
        if (a->keep)
            a->crops = a->before.crops;
        models->crops = a->crops > a->before.crops ? a->crops : a->before.crops;
        status = calibrate_look(&a->seen, &a->set, models, err);
    }
    if (status == RAP_OK && a->before.dim != a->seen.dim) { /* another encoder's */
        free(a->before.center);
        free(a->before.scatter);
        a->before.center = a->before.scatter = NULL;
        a->before.axes = 0;
    }
    if (status == RAP_OK)
        status = calibrate_fit_check(&a->before, &a->set, &a->seen, a->k, err);
    if (status == RAP_OK)
        status = calibrate_fit_find(&a->after, &a->set, &a->seen, a->k, a->crops,
                                    a->keep ? &a->before : NULL, err);
    if (status == RAP_OK && a->verify)
        status = calibrate_verify(&a->verified, &a->set, &a->seen, &a->after, a->k, models, err);
    return status;
}

static int print_json(const calibration *a)
{
    return cli_print_json(wire_calibration(&a->set, &a->before, &a->after,
                                           a->verify ? &a->verified : NULL, a->written));
}

static void print_row(const char *what, const calibrate_fit *f)
{
    printf("%-11s %9.3f %9.1f %% %14.1f %%    ", what, (double)f->threshold, 100 * f->recall,
           100 * f->false_positives);
    if (f->crops > 1)
        printf("inner_crop %.2f x %d, ", (double)f->inner, f->crops - 1);
    printf("crowding %.2f%s%s\n", (double)f->crowding, f->center ? ", center" : "",
           f->scatter ? ", scatter" : "");
}

static void print_effect(const char *what, const calibrate_effect *before,
                         const calibrate_effect *after)
{
    printf("%-22s %9.1f %% %9.1f %% %12.1f %% %9.1f %%\n", what, 100 * before->recall,
           100 * after->recall, 100 * before->false_positives, 100 * after->false_positives);
}

static void print_verified(const calibrate_verified *v)
{
    printf("\nverify: %d right and %d wrong candidates judged, %.0f ms each; a right one is found "
           "likelier than a wrong one in %.1f %% (chance: 50 %%)\n",
           v->right, v->wrong, v->milliseconds, 100 * v->area);
    printf("verify_threshold %.4f keeps %.1f %% of the right and %.1f %% of the wrong ones\n\n",
           (double)v->threshold, 100 * v->kept, 100 * v->passed);
    printf("%-22s %11s %11s %14s %11s\n", "", "recall", "verified", "false pos.", "verified");
    print_effect("with the threshold", &v->before, &v->after);
    print_effect("without a threshold", &v->open_before, &v->open_after);
}

static int print_table(const cli *c, const calibration *a)
{
    const calibrate_fit *f = &a->after;

    printf("%d concepts, %d photos: known concepts appear %d times, %d of them found by plain "
           "features "
           "without a threshold; %d photos tested without their concepts\n\n",
           a->set.concepts, a->set.photos, f->objects, f->open, f->photos);
    printf("%-11s %9s %11s %16s    %s\n", "", "threshold", "recall", "false positives", "settings");
    print_row("before", &a->before);
    print_row("calibrated", f);
    printf("\nambiguity %.3f: %.1f %% are misnamed; in %.0f %% of those cases the right concept is "
           "reported as a second candidate\n",
           (double)f->ambiguity, 100 * f->misnamed, 100 * f->caught);
    if (a->verify)
        print_verified(&a->verified);
    if (a->written)
        cli_line("wrote %s", a->written);
    else if (!c->quiet)
        cli_say("nothing was written; use --apply to write the settings into %s", a->file);
    return cli_flush();
}

static int run(cli *c, int argc, char **argv)
{
    bool apply = false, keep = false;
    const char *to = NULL;
    long crops = 2;
    calibration a = { .k = 1 };
    const cli_option flags[] = {
        { "--apply", CLI_FLAG, &apply, NULL, "write the settings into the profile in use" },
        { "--out", CLI_TEXT, &to, "FILE", "write a profile.json with the settings to FILE" },
        { "--keep", CLI_FLAG, &keep, NULL,
          "fit only threshold, center and scatter; keep the other settings" },
        { "--crops", CLI_NUMBER, &crops, "N",
          "try up to N inner crops of a region, 0 to 3 (default 2); each is one more encoding" },
        { "--verify", CLI_FLAG, &a.verify, NULL,
          "find retrieval.verify_threshold too: the language model judges every candidate" },
        CLI_LORA(c),
        { NULL, CLI_FLAG, NULL, NULL, NULL },
    };
    calibrate_models models = { .payload = c, .on_progress = cli_progress };
    rap_err err = { RAP_OK, "" };
    rap_status status;
    int code = cli_parse(c, &cmd_calibrate, flags, &argc, argv, 1, 1);
    if (code != CLI_CONTINUE)
        return code;
    if (crops > CALIBRATE_CROPS - 1 || (apply && to)) {
        cli_say(apply && to ? "calibrate: give --apply or --out, not both"
                            : "calibrate: --crops must be 0 to 3");
        return CLI_USAGE;
    }
    models.profile = c->profile;
    models.lora = cli_lora(c);
    models.threads = (int)c->threads;
    a.crops = (int)crops + 1;
    a.keep = keep;
    a.out = to;
    status = measure(&a, argv[0], &models, &err);
    if (status == RAP_OK && (apply || to)) {
        a.written = apply ? a.file : to;
        status = calibrate_profile_write(&a.after, a.verify ? &a.verified : NULL, a.file, a.written,
                                         &err);
    }
    if (status == RAP_OK) {
        code = c->json ? print_json(&a) : print_table(c, &a);
    } else {
        cli_say("%s", *err.text ? err.text : rap_status_text(status));
        code = rap_status_exit_code(status);
    }
    calibration_release(&a);
    return code;
}

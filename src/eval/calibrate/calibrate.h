/* calibrate.h: open-set accuracy of retrieval, measured from a folder of pictures, and the settings that make it good:
 * what `rap calibrate` and the open-set task of `rap eval` are made of.
 *
 * A *set* is concepts that are remembered and photos with the objects in them. The models look at every picture once
 * (features.c); everything after that is arithmetic on features, with the search, the score and the ranking that
 * `rap see` uses. Each photo is judged twice: with all concepts in the gallery (is the right one found?), and
 * without those that are in the photo (is another one given all the same?).
 *
 * Reading order: set.c (three layouts of a folder), features.c, measure.c (one photo, one setting), scatter.c
 * (within-class scatter), fit.c (which settings), growth.c (larger galleries), distractors.c, settings.c
 * (profile.json). */
#ifndef RAP_EVAL_CALIBRATE_CALIBRATE_H
#define RAP_EVAL_CALIBRATE_CALIBRATE_H

#include "base/err.h"
#include "retrieve/embed.h"
#include "retrieve/judge.h"
#include "retrieve/rank.h"
#include "retrieve/search.h"
#include "eval/calibrate/report.h"

#include <stdio.h>

/* ---- set.c ---- */

typedef struct calibrate_concept {
    char *name, *picture; /* picture: what is remembered of it; NULL: as database.json says */
} calibrate_concept;

typedef struct calibrate_object { /* something in a photo */
    rap_box box;             /* w == 0: anywhere */
    int concept;               /* −1: a concept that nobody remembered */
} calibrate_object;

typedef struct calibrate_photo {
    char *picture;
    calibrate_object *object; /* [objects]; none: there is nothing known in it */
    int objects;
} calibrate_photo;

typedef struct calibrate_set {
    char *folder;
    char *database; /* its database.json; NULL: a plain folder */
    calibrate_concept *concept;
    calibrate_photo *photo;
    int concepts, photos;
} calibrate_set;

/* Reads one of: an evaluation set (database.json with retrieval.json, detection.json or queries.json beside it); an
 * official database.json whose concepts have a folder each, with further pictures in it; a folder of folders,
 * one a concept, whose first picture is remembered and whose others are the photos. */
rap_status calibrate_set_read(calibrate_set *out, const char *folder, rap_err *err);
void calibrate_set_release(calibrate_set *set); /* NULL-safe, also after a failed read */

/* Is it a picture by its name? And the pictures in a folder, sorted: out [*out_count], names only. */
int calibrate_is_picture(const char *path); /* by its name, or by its content */
rap_status calibrate_list(char ***out, int *out_count, const char *folder, int folders, rap_err *err);
void calibrate_list_free(char **list, int count);

/* ---- features.c ---- */

enum { CALIBRATE_CROPS = EMBED_CROPS + 1 };

typedef struct calibrate_features { /* every feature has the length 1 */
    int dim, crops;          /* crops: how many were taken of each object */
    int concepts, regions, photos;
    float *concept;  /* [concepts, crops, dim]  */
    float *region; /* [regions, crops, dim] */
    rap_box *box;  /* [regions] */
    int *whole;    /* [regions] the whole photo */
    int *first;    /* [photos + 1] a photo's regions are first[i] .. first[i + 1] − 1 */
    float inner;   /* the step between two crops */
    char maker[EMBED_MAKER]; /* of the features with all crops that the profile wants */
} calibrate_features;

typedef struct calibrate_fit calibrate_fit;

typedef struct calibrate_models { /* which models look */
    rap_engine *engine;       /* NULL: one of its own, for the next two */
    const char *profile;      /* NULL: as rap_open */
    int threads;              /* 0: all */
    int crops;                 /* 1 to CALIBRATE_CROPS; 0: what the profile says */
    const calibrate_fit *judge;   /* NULL; else settings that are refused at once when another encoder's */
    rap_on_progress *on_progress;
    void *payload;
} calibrate_models;

/* Remembers the set's concepts in a store of its own, finds the regions of its photos, embeds all of it. A center in the
 * profile is no part of it, and may be another encoder's. */
rap_status calibrate_look(calibrate_features *out, calibrate_set *set, const calibrate_models *models, rap_err *err);
void calibrate_features_release(calibrate_features *seen);

/* ---- distractors.c ---- */

typedef struct calibrate_vectors { /* concepts that are in no photo of a set */
    int count, dim;
    float *data; /* [count, dim], length 1 */
    char maker[EMBED_MAKER];
} calibrate_vectors;

/* `path`: a folder of pictures, which are embedded as the profile says; or a file of calibrate_vectors_save(). */
rap_status calibrate_vectors_open(calibrate_vectors *out, const char *path, const calibrate_models *models,
                              rap_err *err);
rap_status calibrate_vectors_save(const calibrate_vectors *v, const char *path, rap_err *err);
void calibrate_vectors_release(calibrate_vectors *v);

/* ---- measure.c ---- */

typedef struct calibrate_gallery { /* features as they are with so many crops, and what is remembered */
    const calibrate_set *set;
    const calibrate_features *seen;
    const calibrate_vectors *more; /* NULL; else distractors */
    int more_count;            /* how many of them are remembered */
    int dim;
    float *concept;  /* [concepts, dim] */
    float *region; /* [regions, dim] */
    char *stored;  /* [concepts] it is remembered */
    search_index *index;
} calibrate_gallery;

/* stored: [concepts] or NULL for all. */
rap_status calibrate_gallery_open(calibrate_gallery *out, const calibrate_set *set, const calibrate_features *seen, int crops,
                           const char *stored, const calibrate_vectors *more, int more_count,
                           rap_err *err);
void calibrate_gallery_close(calibrate_gallery *v);

typedef struct calibrate_folds calibrate_folds;

typedef struct calibrate_settings { /* how hits become matches */
    judge_settings judge;
    const calibrate_folds *folds; /* NULL; else they give judge.scatter for each pair */
    rap_policy policy;
    float ambiguity;
    int limit;
} calibrate_settings;

typedef struct calibrate_match {
    int id;      /* of a concept; from `concepts` on a distractor */
    float score; /* what the threshold is compared with; the paper's policy: the distance */
    int region, ambiguous;
} calibrate_match;

enum { CALIBRATE_MATCHES = 64 };

/* What is found in a photo, best first; left_out: as if nothing that is in it had ever been remembered. */
rap_status calibrate_matches(calibrate_match *out, int *out_count, const calibrate_gallery *v, int photo,
                         const calibrate_settings *settings, int left_out, rap_err *err);

/* Is the region at the object? Where one of both is the whole photo, it is. */
int calibrate_is_at(const calibrate_gallery *v, int photo, int region, const calibrate_object *object);

/* Over all photos; settings->limit is K. */
rap_status calibrate_measure(calibrate_scores *out, const calibrate_gallery *v, const calibrate_settings *settings, rap_err *err);

/* ---- scatter.c ---- */

enum {
    CALIBRATE_AXES = 16, /* directions */
    CALIBRATE_FOLDS = 5     /* parts of a set's concepts */
};

/* In which directions pictures of one concept differ, from the concepts that have several here; what is left over where
 * there are fewer is zero. The concepts of folds a and b are left out; −1: nothing is. out [CALIBRATE_AXES, dim]. */
rap_status calibrate_scatter(float *out, const calibrate_gallery *v, int a, int b, rap_err *err);

/* One such scatter for each pair of folds, made without both, so that neither what is seen nor what it is compared with
 * had a part in it. */
rap_status calibrate_folds_open(calibrate_folds **out, const calibrate_gallery *v, rap_err *err);
const float *calibrate_folds_between(const calibrate_folds *f, int region, int concept);
void calibrate_folds_close(calibrate_folds *f); /* NULL-safe */

/* ---- fit.c ---- */

struct calibrate_fit {
    int crops;                            /* of a object: 1 is no inner crop */
    float inner;                         /* the step between crops; 0 with one */
    float threshold, crowding;           /* profile.json's fields */
    float ambiguity;
    float *center; /* [dim] or NULL */
    float *scatter; /* [axes, dim] or NULL */
    int axes, dim;
    double recall;          /* concepts given, of those `open`                                   */
    double false_positives; /* photos given something, of those judged as without              */
    double misnamed, caught; /* of objects given something, those whose first match is wrong; of these
                              * those whose second is right and within `ambiguity` */
    int tried, objects, photos; /* objects: known concepts in photos                                   */
    int open;                  /* of them what plain features (one crop, no center, …) give with
                                * nothing rejected: the same for all settings                      */
};

/* Settings in which as few known concepts are missed, and as few photos without are given something, as
 * possible, both weighed alike. Of settings that are not measurably worse than the best the more careful ones
 * are taken: they depend less on what happens to be in the set. crops: of a object, the most that are tried. keep:
 * NULL; else its settings stay, and only the threshold and, where it has them, center and scatter are made anew. */
rap_status calibrate_fit_find(calibrate_fit *out, const calibrate_set *set, const calibrate_features *seen, int k,
                          int crops, const calibrate_fit *keep, rap_err *err);
/* The same numbers for settings that are given, such as those in use; their center must be the encoder's. */
rap_status calibrate_fit_check(calibrate_fit *fit, const calibrate_set *set, const calibrate_features *seen, int k,
                           rap_err *err);
void calibrate_fit_release(calibrate_fit *fit);

/* ---- settings.c ---- */

/* Where the profile in use lies, its K and its retrieval settings as a fit. */
rap_status calibrate_profile_read(calibrate_fit *out, char **out_path, int *out_k,
                               const calibrate_models *models, rap_err *err);
/* RAP_OK when `out` is none of the files of the profile; `profile` as in calibrate_models. NULL: no output. */
rap_status calibrate_spare(const char *out, const char *profile, rap_err *err);
/* Writes profile.json anew at `to` with the fit in it and everything else as it is in `from`; whole or not at
 * all. */
rap_status calibrate_profile_write(const calibrate_fit *fit, const char *from, const char *to,
                                rap_err *err);

/* ---- growth.c ---- */

/* more: NULL without growth beyond the set itself. */
rap_status calibrate_grow(calibrate_report *out, const calibrate_set *set, const calibrate_features *seen,
                      const calibrate_fit *settings, int k, const calibrate_vectors *more, int growth,
                      rap_err *err);

#endif

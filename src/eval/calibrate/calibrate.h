/* calibrate.h: open-set accuracy of retrieval, measured on a folder of pictures, and the best retrieval settings for it:
 * the work of `rap calibrate` and of the open-set task of `rap eval`.
 *
 * A *set* consists of concepts, and photos with the objects in them. Every picture is encoded once (features.c);
 * everything after that is arithmetic on features, with the search, the score and the ranking of `rap see`. Each photo
 * is tested twice: with all concepts in the gallery (is the right one found?), and without those in the photo (is
 * another one found instead?).
 *
 * Reading order: set.c (three layouts of a folder), features.c, measure.c (one photo, one setting), scatter.c
 * (within-class scatter), fit.c (the search for settings), verify.c (the language model's verdict), growth.c (larger galleries), distractors.c, settings.c
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
    char *name, *picture; /* picture: the one that is remembered; NULL: that of database.json */
} calibrate_concept;

typedef struct calibrate_object { /* in a photo */
    rap_box box;             /* w == 0: anywhere */
    int concept;               /* −1: not a concept of the set */
} calibrate_object;

typedef struct calibrate_photo {
    char *picture;
    calibrate_object *object; /* [objects]; empty: no known concept is in it */
    int objects;
} calibrate_photo;

typedef struct calibrate_set {
    char *folder;
    char *database; /* its database.json; NULL: a plain folder */
    calibrate_concept *concept;
    calibrate_photo *photo;
    int concepts, photos;
} calibrate_set;

/* Reads one of: an evaluation set (database.json with retrieval.json, detection.json or queries.json); an official
 * database.json whose concepts each have a folder with further pictures; a folder of folders, one per concept, whose
 * first picture is remembered and whose others are the photos. */
rap_status calibrate_set_read(calibrate_set *out, const char *folder, rap_err *err);
void calibrate_set_release(calibrate_set *set); /* NULL-safe, also after a failed read */

int calibrate_is_picture(const char *path); /* by its name, or by its content */
/* The pictures (or, with `folders`, the folders) in a folder, sorted: out [*out_count], names only. */
rap_status calibrate_list(char ***out, int *out_count, const char *folder, int folders, rap_err *err);
void calibrate_list_free(char **list, int count);

/* ---- features.c ---- */

enum { CALIBRATE_CROPS = EMBED_CROPS + 1 };

typedef struct calibrate_features { /* all features are normalised */
    int dim, crops;          /* crops: per concept and region */
    int concepts, regions, photos;
    float *concept;  /* [concepts, crops, dim]  */
    float *region; /* [regions, crops, dim] */
    rap_box *box;  /* [regions] */
    int *whole;    /* [regions] the whole photo */
    int *first;    /* [photos + 1] a photo's regions are first[i] .. first[i + 1] − 1 */
    float inner;   /* the step between two crops */
    char maker[EMBED_MAKER]; /* of the features with the profile's crops */
} calibrate_features;

typedef struct calibrate_fit calibrate_fit;

typedef struct calibrate_models { /* the models to use */
    rap_engine *engine;       /* NULL: opens one from the next three */
    const char *profile;      /* NULL: as rap_open */
    const char *const *lora;  /* as in rap_engine_options */
    int threads;              /* 0: all */
    int crops;                 /* 1 to CALIBRATE_CROPS; 0: those of the profile */
    const calibrate_fit *judge;   /* NULL; else settings to check against the encoder first */
    rap_on_progress *on_progress;
    void *payload;
} calibrate_models;

/* Remembers the set's concepts in a temporary store, finds the regions of its photos, and embeds both. The profile's
 * center is not used, and may be another encoder's. */
rap_status calibrate_look(calibrate_features *out, calibrate_set *set, const calibrate_models *models, rap_err *err);
void calibrate_features_release(calibrate_features *seen);

/* ---- distractors.c ---- */

typedef struct calibrate_vectors { /* concepts that are not in any photo of a set */
    int count, dim;
    float *data; /* [count, dim], length 1 */
    char maker[EMBED_MAKER];
} calibrate_vectors;

/* `path`: a folder of pictures, which are embedded with the profile's crops; or a file of calibrate_vectors_save(). */
rap_status calibrate_vectors_open(calibrate_vectors *out, const char *path, const calibrate_models *models,
                              rap_err *err);
rap_status calibrate_vectors_save(const calibrate_vectors *v, const char *path, rap_err *err);
void calibrate_vectors_release(calibrate_vectors *v);

/* ---- measure.c ---- */

typedef struct calibrate_gallery { /* features with a given number of crops, and the concepts that are stored */
    const calibrate_set *set;
    const calibrate_features *seen;
    const calibrate_vectors *more; /* NULL; else distractors */
    int more_count;            /* how many of them are stored */
    int dim;
    float *concept;  /* [concepts, dim] */
    float *region; /* [regions, dim] */
    char *stored;  /* [concepts] 1: in the gallery */
    search_index *index;
} calibrate_gallery;

/* stored: [concepts] or NULL for all. */
rap_status calibrate_gallery_open(calibrate_gallery *out, const calibrate_set *set, const calibrate_features *seen, int crops,
                           const char *stored, const calibrate_vectors *more, int more_count,
                           rap_err *err);
void calibrate_gallery_close(calibrate_gallery *v);

typedef struct calibrate_folds calibrate_folds;

typedef struct calibrate_settings { /* scoring and ranking */
    judge_settings judge;
    const calibrate_folds *folds; /* NULL; else they give judge.scatter for each pair */
    rap_policy policy;
    float ambiguity;
    int limit;
} calibrate_settings;

typedef struct calibrate_match {
    int id;      /* of a concept; `concepts` and above: a distractor */
    float score; /* compared with the threshold; under the paper's policy the distance */
    int region, ambiguous;
} calibrate_match;

enum { CALIBRATE_MATCHES = 64 };

/* The matches in a photo, best first; left_out: without the concepts that are in it. */
rap_status calibrate_matches(calibrate_match *out, int *out_count, const calibrate_gallery *v, int photo,
                         const calibrate_settings *settings, int left_out, rap_err *err);

/* Does the region match the object's box? Always if one of them is the whole photo. */
int calibrate_is_at(const calibrate_gallery *v, int photo, int region, const calibrate_object *object);

/* Over all photos; settings->limit is K. */
rap_status calibrate_measure(calibrate_scores *out, const calibrate_gallery *v, const calibrate_settings *settings, rap_err *err);

/* ---- scatter.c ---- */

enum {
    CALIBRATE_AXES = 16, /* directions */
    CALIBRATE_FOLDS = 5     /* parts of a set's concepts */
};

/* The directions in which pictures of one concept differ, computed from the concepts with several pictures; unused rows
 * are zero. The concepts of folds a and b are left out; −1: none. out [CALIBRATE_AXES, dim]. */
rap_status calibrate_scatter(float *out, const calibrate_gallery *v, int a, int b, rap_err *err);

/* One such scatter for each pair of folds, computed without both, so that neither side of a comparison contributed to
 * it. */
rap_status calibrate_folds_open(calibrate_folds **out, const calibrate_gallery *v, rap_err *err);
const float *calibrate_folds_between(const calibrate_folds *f, int region, int concept);
void calibrate_folds_close(calibrate_folds *f); /* NULL-safe */

/* ---- fit.c ---- */

struct calibrate_fit {
    int crops;                            /* per region; 1: no inner crop */
    float inner;                         /* the step between crops; 0 with one */
    float threshold, crowding;           /* fields of profile.json */
    float ambiguity;
    float *center; /* [dim] or NULL */
    float *scatter; /* [axes, dim] or NULL */
    int axes, dim;
    double recall;          /* share of the `open` concepts that are found                       */
    double false_positives; /* share of `photos` in which a concept is found                   */
    double misnamed, caught; /* of the objects with a match, the share whose first match is wrong; of
                              * these, the share whose second is right and within `ambiguity` */
    int tried, objects, photos; /* objects: known concepts in photos; photos: tested without theirs    */
    int open;                  /* of the objects those that plain features (one crop, no center, …) find
                                * without a threshold: the same for all settings                   */
};

/* Finds the settings with the lowest equal error rate: the share of known concepts missed where it equals the share of
 * false positives. Among settings within one standard error of the best, simpler ones are preferred, because they
 * depend less on the set. crops: the most to try per region. keep: NULL; else its settings are kept, and only the
 * threshold and, if it has them, center and scatter are fitted anew. */
rap_status calibrate_fit_find(calibrate_fit *out, const calibrate_set *set, const calibrate_features *seen, int k,
                          int crops, const calibrate_fit *keep, rap_err *err);
/* The same measures for given settings, such as those in use; their center must be this encoder's. */
rap_status calibrate_fit_check(calibrate_fit *fit, const calibrate_set *set, const calibrate_features *seen, int k,
                           rap_err *err);
void calibrate_fit_release(calibrate_fit *fit);

/* ---- verify.c ---- */

typedef struct calibrate_effect { /* of settings on the whole of retrieval */
    double recall, false_positives; /* as in calibrate_scores */
} calibrate_effect;

typedef struct calibrate_verified {
    int right, wrong; /* candidates that were judged */
    double area;      /* how often a right one is found likelier than a wrong one: 0.5 is chance */
    float threshold;  /* retrieval.verify_threshold */
    double kept, passed; /* shares of the right and of the wrong ones that it accepts */
    double milliseconds; /* of one judgement */
    calibrate_effect before, after;           /* with the threshold of distances */
    calibrate_effect open_before, open_after; /* without it */
} calibrate_verified;

/* Judges the candidates of retrieval with the profile's language model and finds the threshold. fit: the settings of
 * retrieval; k: matches a photo at most. */
rap_status calibrate_verify(calibrate_verified *out, const calibrate_set *set,
                            const calibrate_features *seen, const calibrate_fit *fit, int k,
                            const calibrate_models *models, rap_err *err);

/* ---- settings.c ---- */

/* The path of the profile.json in use, its K, and its retrieval settings as a fit. */
rap_status calibrate_profile_read(calibrate_fit *out, char **out_path, int *out_k,
                               const calibrate_models *models, rap_err *err);
/* RAP_OK when `out` is none of the files of the profile; `profile` as in calibrate_models. NULL: no output. */
rap_status calibrate_spare(const char *out, const char *profile, rap_err *err);
/* Writes profile.json anew at `to` with the fit and, unless it is NULL, the verify threshold in it, and everything else as
 * it is in `from`; whole or not at all. */
rap_status calibrate_profile_write(const calibrate_fit *fit, const calibrate_verified *verified,
                                   const char *from, const char *to, rap_err *err);

/* ---- growth.c ---- */

/* more: NULL: no stores larger than the set. */
rap_status calibrate_grow(calibrate_report *out, const calibrate_set *set, const calibrate_features *seen,
                      const calibrate_fit *settings, int k, const calibrate_vectors *more, int growth,
                      rap_err *err);

#endif

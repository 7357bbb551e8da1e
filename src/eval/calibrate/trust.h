/* trust.h: how far retrieval can be believed, measured from a folder of pictures, and the settings that make it
 * believable: what `rap calibrate` and the trust part of `rap eval` are made of.
 *
 * A *set* is things that are remembered and photos with what is in them. The models look at every picture once
 * (look.c); everything after that is arithmetic on features, with the search, the judge and the ranking that
 * `rap see` uses. Each photo is judged twice: with everything remembered (is the thing found?) and as if
 * nobody had ever shown what is in it (is anything invented?).
 *
 * Reading order: set.c (three layouts of a folder), look.c (features), measure.c (one photo, one setting),
 * spread.c (what says little about a thing), fit.c (which settings), growth.c (larger stores), distractors.c, settings.c (profile.json). */
#ifndef RAP_EVAL_CALIBRATE_TRUST_H
#define RAP_EVAL_CALIBRATE_TRUST_H

#include "base/err.h"
#include "retrieve/embed.h"
#include "retrieve/judge.h"
#include "retrieve/rank.h"
#include "retrieve/search.h"
#include "eval/calibrate/report.h"

#include <stdio.h>

/* ---- set.c ---- */

typedef struct trust_thing {
    char *name, *picture; /* picture: what is remembered of it; NULL: as database.json says */
    int64_t id;           /* in the store that look.c fills */
} trust_thing;

typedef struct trust_place { /* something in a photo */
    rap_box box;             /* w == 0: anywhere */
    int thing;               /* −1: a thing that nobody remembered */
} trust_place;

typedef struct trust_photo {
    char *picture;
    trust_place *place; /* [places]; none: there is nothing known in it */
    int places;
} trust_photo;

typedef struct trust_set {
    char *folder;
    char *database; /* its database.json; NULL: a plain folder */
    trust_thing *thing;
    trust_photo *photo;
    int things, photos;
} trust_set;

/* Reads one of: an evaluation set (database.json with retrieval.json, detection.json or queries.json beside it); an
 * official database.json whose things have a folder each, with further pictures in it; a folder of folders,
 * one a thing, whose first picture is remembered and whose others are the photos. */
rap_status trust_set_read(trust_set *out, const char *folder, rap_err *err);
void trust_set_release(trust_set *set); /* NULL-safe, also after a failed read */

/* Is it a picture by its name? And the pictures in a folder, sorted: out [*out_count], names only. */
int trust_is_picture(const char *path); /* by its name, or by its content */
rap_status trust_list(char ***out, int *out_count, const char *folder, int folders, rap_err *err);
void trust_list_free(char **list, int count);

/* ---- look.c ---- */

enum { TRUST_CUTS = EMBED_CUTS + 1 };

typedef struct trust_seen { /* every feature has the length 1 */
    int dim, cuts;          /* cuts: how many were taken of each place */
    int things, regions, photos;
    float *thing;  /* [things, cuts, dim]  */
    float *region; /* [regions, cuts, dim] */
    rap_box *box;  /* [regions] */
    int *whole;    /* [regions] the whole photo */
    int *first;    /* [photos + 1] a photo's regions are first[i] .. first[i + 1] − 1 */
    float inner;   /* the step between two cuts */
    char maker[EMBED_MAKER]; /* of the features with all cuts that the profile wants */
} trust_seen;

typedef struct trust_fit trust_fit;

typedef struct trust_models { /* which models look */
    const char *profile;      /* NULL: as rap_open */
    int threads;              /* 0: all */
    int cuts;                 /* 1 to TRUST_CUTS; 0: what the profile says */
    const trust_fit *judge;   /* NULL; else settings that are refused at once when another encoder's */
    rap_on_progress *on_progress;
    void *payload;
} trust_models;

/* Remembers the set's things in a store of its own, finds the regions of its photos, embeds all of it. A center in the
 * profile is no part of it, and may be another encoder's. */
rap_status trust_look(trust_seen *out, trust_set *set, const trust_models *models, rap_err *err);
void trust_seen_release(trust_seen *seen);

/* ---- distractors.c ---- */

typedef struct trust_vectors { /* things that are in no photo of a set */
    int count, dim;
    float *data; /* [count, dim], length 1 */
    char maker[EMBED_MAKER];
} trust_vectors;

/* `path`: a folder of pictures, which are embedded as the profile says; or a file of trust_vectors_save(). */
rap_status trust_vectors_open(trust_vectors *out, const char *path, const trust_models *models,
                              rap_err *err);
rap_status trust_vectors_save(const trust_vectors *v, const char *path, rap_err *err);
void trust_vectors_release(trust_vectors *v);

/* ---- measure.c ---- */

typedef struct trust_view { /* features as they are with so many cuts, and what is remembered */
    const trust_set *set;
    const trust_seen *seen;
    const trust_vectors *more; /* NULL; else distractors */
    int more_count;            /* how many of them are remembered */
    int dim;
    float *thing;  /* [things, dim] */
    float *region; /* [regions, dim] */
    char *stored;  /* [things] it is remembered */
    search_index *index;
} trust_view;

/* stored: [things] or NULL for all. */
rap_status trust_view_open(trust_view *out, const trust_set *set, const trust_seen *seen, int cuts,
                           const char *stored, const trust_vectors *more, int more_count,
                           rap_err *err);
void trust_view_close(trust_view *v);

typedef struct trust_folds trust_folds;

typedef struct trust_way { /* how hits become matches */
    judge_settings judge;
    const trust_folds *folds; /* NULL; else they give judge.spread for each pair */
    rap_policy policy;
    float ambiguity;
    int limit;
} trust_way;

typedef struct trust_match {
    int id;      /* of a thing; from `things` on a distractor */
    float score; /* what the threshold is compared with; the paper's policy: the distance */
    int region, ambiguous;
} trust_match;

enum { TRUST_MATCHES = 64 };

/* What is found in a photo, best first; left_out: as if nothing that is in it had ever been remembered. */
rap_status trust_matches(trust_match *out, int *out_count, const trust_view *v, int photo,
                         const trust_way *way, int left_out, rap_err *err);

/* Is the region at the place? Where one of both is the whole photo, it is. */
int trust_is_at(const trust_view *v, int photo, int region, const trust_place *place);

/* Over all photos; way->limit is K. */
rap_status trust_measure(trust_scores *out, const trust_view *v, const trust_way *way, rap_err *err);

/* ---- spread.c ---- */

enum {
    TRUST_SPREADS = 16, /* directions */
    TRUST_FOLDS = 5     /* parts of a set's things */
};

/* In which directions pictures of one thing differ, from the things that have several here; what is left over where
 * there are fewer is zero. The things of folds a and b are left out; −1: nothing is. out [TRUST_SPREADS, dim]. */
rap_status trust_spread(float *out, const trust_view *v, int a, int b, rap_err *err);

/* One such spread for each pair of folds, made without both, so that neither what is seen nor what it is compared with
 * had a part in it. */
rap_status trust_folds_open(trust_folds **out, const trust_view *v, rap_err *err);
const float *trust_folds_between(const trust_folds *f, int region, int thing);
void trust_folds_close(trust_folds *f); /* NULL-safe */

/* ---- fit.c ---- */

struct trust_fit {
    int cuts;                            /* of a place: 1 is no inner crop */
    float inner;                         /* the step between cuts; 0 with one */
    float threshold, crowding;           /* profile.json's fields */
    float ambiguity;
    float *center; /* [dim] or NULL */
    float *spread; /* [spreads, dim] or NULL */
    int spreads, dim;
    double recall;          /* things given, of those `open`                                   */
    double false_positives; /* photos given something, of those judged as without              */
    double misnamed, caught; /* of places given something, those whose first match is wrong; of these
                              * those whose second is right and within `ambiguity` */
    int tried, places, photos; /* places: known things in photos                                   */
    int open;                  /* of them what plain features (one cut, no center, …) give with
                                * nothing rejected: the same for all settings                      */
};

/* Settings in which as few known things are missed, and as few photos without are given something, as
 * possible, both weighed alike. Of settings that are not measurably worse than the best the more careful ones
 * are taken: they depend less on what happens to be in the set. cuts: of a place, the most that are tried. keep:
 * NULL; else its settings stay, and only the threshold and, where it has them, center and spread are made anew. */
rap_status trust_fit_find(trust_fit *out, const trust_set *set, const trust_seen *seen, int k,
                          int cuts, const trust_fit *keep, rap_err *err);
/* The same numbers for settings that are given, such as those in use; their center must be the encoder's. */
rap_status trust_fit_check(trust_fit *fit, const trust_set *set, const trust_seen *seen, int k,
                           rap_err *err);
void trust_fit_release(trust_fit *fit);

/* ---- settings.c ---- */

/* Where the profile in use lies, its K and its retrieval settings as a fit. */
rap_status trust_settings_read(trust_fit *out, char **out_path, int *out_k,
                               const trust_models *models, rap_err *err);
/* Writes profile.json anew at `to` with the fit in it and everything else as it is in `from`; whole or not at
 * all. */
rap_status trust_settings_write(const trust_fit *fit, const char *from, const char *to,
                                rap_err *err);

/* ---- growth.c ---- */

/* more: NULL without growth beyond the set itself. */
rap_status trust_grow(trust_report *out, const trust_set *set, const trust_seen *seen,
                      const trust_fit *settings, int k, const trust_vectors *more, int growth,
                      rap_err *err);

#endif

/* plan.h: the configuration of a data set, as a person writes it (docs/dataset.md documents the fields). */
#ifndef RAP_DATASET_PLAN_H
#define RAP_DATASET_PLAN_H

#include "dataset/item.h"

#include <stdbool.h>

typedef struct plan_source { /* paths are absolute or relative to the configuration's folder */
    const char *type;        /* "coco", "refcoco", "tao", "vid", "custom101", "folders" … */
    const char *name;        /* pictures go under images/NAME */
    char *annotations, *refs, *captions, *questions, *images; /* NULL: not given */
    const char *split;       /* "" or the part of the source that is taken */
    int gap;                 /* least distance of two frames of a track */
    int per_object;          /* at most so many items of one object */
} plan_source;

typedef struct plan_negatives {
    double share;     /* of the samples with concepts that get noise */
    int least, most;  /* noise concepts of such a sample */
    double hard;      /* of them nearest to the concept instead of any other */
    const char *by;   /* "category": hard is another of the same category; "encoder": nearest by the profile */
} plan_negatives;

typedef struct plan_augment { /* of the concept's crop; each is the largest change */
    double flip;    /* share of crops mirrored */
    double rotate;  /* degrees */
    double scale;   /* 0.2: the crop's side times 0.8 to 1.2 */
    double shift;   /* share of the side */
    double color;   /* brightness, contrast, saturation */
    double blur;    /* pixels (sigma) */
    double background; /* share of the crops with a mask that get another background */
    int jpeg_least; /* JPEG quality drawn from here to 95 */
} plan_augment;

typedef struct plan_novel { /* new views of the concepts when the set is built (novel.h); 0 and NULL: its defaults */
    bool wanted;
    const char *endpoint; /* NULL: none is asked */
    const char *prompt, *negative;
    double strength, threshold;
    int steps, views, side;
} plan_novel;

typedef struct dataset_plan {
    char *file, *folder; /* the configuration and where it lies */
    json_t *json;        /* owns the texts */
    uint64_t seed;
    plan_source *source; /* [sources] */
    int sources;
    uint64_t wanted[KIND_COUNT];
    bool jsonl, copy; /* one sample a line; pictures copied instead of linked */
    double validation;    /* share of the objects that are held out */
    double negative;      /* share of recognition samples whose answer is no */
    double text_only;     /* share of question answering without a picture */
    plan_negatives noise;
    plan_augment augment;
    plan_novel novel;
    char *templates;      /* NULL: the built-in ones */
    const char *boxes;    /* "llava", "pixels", "thousand" (0 to 1000) */
    const char *profile;  /* for "encoder"; NULL: the default one */
    int least_side;       /* pixels of a box */
    int max_concepts;
    double margin;        /* around a crop, in sides */
    bool square;
} dataset_plan;

/* Unknown fields are errors: a misspelt one would be a silent default. */
rap_status plan_read(dataset_plan **out, const char *path, rap_err *err);
/* Where the picture "SOURCE/path" is: in the source's own folder, or below `images` when that has none; by another
 * spelling of its name (path_find.h) where there is none by the given one. free(); NULL: memory ran out. */
char *plan_picture(const dataset_plan *p, const char *images, const char *picture);
/* "SOURCE/path" as the file is spelled. free(); NULL: memory ran out. */
char *plan_spelling(const dataset_plan *p, const char *images, const char *picture);
void plan_free(dataset_plan *p); /* NULL-safe */

#endif

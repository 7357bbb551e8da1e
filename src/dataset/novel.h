/* novel.h: more views of each concept, made by a diffusion model behind an image-to-image service, and kept only where the
 * profile's encoder still sees the concept in them.
 *
 *     a concept's picture ──► service ──► images/novel/KEY.jpg ──► cosine to the original ──► novel/train.json
 *
 * Which views are asked for, and with which seeds, depends on the seed and the pictures alone. Every view is kept with its
 * prompt, seed and cosine in FOLDER/novel.jsonl, so that another threshold needs no new views. */
#ifndef RAP_DATASET_NOVEL_H
#define RAP_DATASET_NOVEL_H

#include "base/err.h"

#include <stdbool.h>

typedef struct novel_options {
    const char *folder;   /* of a built data set */
    const char *endpoint; /* NULL: the views that are there are used */
    const char *prompt;   /* NULL: NOVEL_PROMPT; may hold {name}, {category} and {info} */
    const char *negative; /* NULL: none: what must not be in the view */
    double strength;      /* 0: 0.5 */
    uint64_t seed;
    int steps;            /* 0: 20 */
    int views;            /* of each concept's picture; 0: 1 */
    int side;             /* 0: 512: pixels of a view's longer side */
    double threshold;     /* 0: 0.75: the least cosine to the original */
    const char *profile;  /* of the encoder; NULL: the default one */
    int threads;
    int attempts;         /* as in annotate_options.h */
    long first_pause_ms, silence_seconds;
    rap_on_progress *on_progress;
    void *payload;
} novel_options;

#define NOVEL_PROMPT "a photo of the same {category} from another angle, in another place"

#define NOVEL_THRESHOLD 0.75

typedef struct novel_result {
    uint64_t pictures; /* of concepts, in the training set */
    uint64_t views;    /* wanted */
    uint64_t known, made, failed; /* there already; made now; not answered or no picture */
    uint64_t kept, dropped;       /* views at the threshold and above, below */
    double least, mean;           /* cosines of all views */
    uint64_t samples, added;      /* samples of the new set, of them with a view */
    char why[1024];    /* "": all was asked; else why nothing more was asked */
    char first_failure[1024], out[512];
} novel_result;

/* A service that does not answer is reported in `why`, and the existing views are used. */
rap_status novel(novel_result *out, const novel_options *options, rap_err *err);

#endif

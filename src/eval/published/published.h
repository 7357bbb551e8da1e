/* published.h: asks the questions of a published list through the public API and scores the answers. The concepts are
 * imported from an official database.json into a temporary store. */
#ifndef RAP_EVAL_PUBLISHED_H
#define RAP_EVAL_PUBLISHED_H

#include "eval/ablation.h"
#include "eval/published/score.h"

enum { GROWTH_STEPS = 12 };

typedef struct published_options {
    const char *file;     /* the list                                                    */
    const char *kind;     /* NULL: from its shape                                        */
    const char *database; /* a folder with database.json, or that file                   */
    const char *images;   /* NULL: the folder of `file`; what its pictures are relative to */
    const char *profile;  /* NULL: as rap_open                                           */
    const char *const *lora; /* as in rap_engine_options                                 */
    int threads;          /* 0: all                                                      */
    const char *const *questions; /* NULL; else what is asked of captions, in turn, ended by NULL */
    int sample;           /* 0: everything; else at most so many questions, spread evenly */
    ablation without;     /* what is taken away                                          */
    int growth;           /* with 10, 20, 50, 100 … concepts as well                     */
    const char *draw;     /* NULL; else the growth as a PNG: published_draw() writes it  */
    const char *answers;  /* NULL; else the answers, as `rap eval score` reads them      */
    rap_on_progress *on_progress;
    void *payload;
} published_options;

/* The list's main measure with the first so many concepts: those that the list asks about, in its order, then the
 * others. Asked are the questions whose concepts are all among them. */
typedef struct growth_step {
    int concepts, items;
    double value;
} growth_step;

typedef struct published_report {
    score_report score;
    char growth_measure[48]; /* "" when not asked for */
    int steps;
    growth_step step[GROWTH_STEPS]; /* fewest concepts first */
} published_report;

rap_status published_run(published_report *out, const published_options *options, rap_err *err);

void published_print(FILE *out, const published_report *report);
json_t *published_json(const published_report *report);
/* The growth as bars. */
rap_status published_draw(const published_report *report, const char *png, rap_err *err);

#endif

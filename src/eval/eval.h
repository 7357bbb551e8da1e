/* eval.h: measures accuracy on a held-out set, through the public API.
 *
 * A set is a folder: database.json (the concepts, official format), captions.json, recognition.json,
 * vqa.json, text_qa.json, mine.json, detection.json, retrieval.json; examples/toy/README.md documents each. The set is
 * imported into a temporary store; the baseline answers the same questions from an empty store.
 *
 * Reading order: metrics.h (what a correct answer is), items.h (the lists of a set), questions.c (caption, recognition,
 * VQA, text QA), vision.c (retrieval, detection), open_set.c (false positives, larger stores), describe.c (descriptions), ablation.h, growth.c
 * (the questions as the store grows), eval.c (stores and the run), report.c (the table; wire/measure.c has the JSON). */
#ifndef RAP_EVAL_EVAL_H
#define RAP_EVAL_EVAL_H

#include "base/err.h"
#include "eval/ablation.h"
#include "eval/calibrate/report.h"

#include <jansson.h>
#include <stddef.h>
#include <stdio.h>

enum { EVAL_MANY = 8 };

typedef struct eval_scores {
    double caption_precision, caption_recall,
        caption_f1; /* of names in captions, over all captions */
    double caption_f1_of[EVAL_MANY]; /* [n]: of photos with n concepts; NaN: there are none; the last: with as many or more */
    double recognition_positive,
        recognition_negative;    /* accuracy of yes/no                       */
    double recognition_weighted; /* the mean of both, as in the paper        */
    double vqa, text_qa, mine;   /* accuracy                                 */
    double top1, top2; /* the right concept is first, or one of the first two, at its region */
    double
        detection_recall; /* objects with a region of IoU ≥ 0.5                                    */
} eval_scores;

typedef struct eval_counts {
    int captions, recognition, vqa, text_qa, mine, retrieval, detection;
    int captions_of[EVAL_MANY];
} eval_counts;

/* Another way to answer than retrieval: what `rap train --method` learnt, say. */
typedef struct eval_method {
    /* Called once, when the store has the concepts: names, a list. */
    rap_status (*begin)(void *payload, const char *store, const json_t *names, rap_err *err);
    /* photo "": a question without one. out, out_found: free(). */
    rap_status (*ask)(char **out, char **out_found, void *payload, const char *photo, const char *question,
                      rap_err *err);
    void *payload;
} eval_method;

typedef struct eval_options {
    const char *folder;  /* the set                                           */
    const char *profile; /* NULL: as rap_open                                 */
    const char *const *lora; /* as in rap_engine_options                      */
    int threads;         /* 0: all                                            */
    int sample;          /* 0: everything; else at most this many items per task, evenly spaced */
    const char *const
        *tasks;      /* NULL: every task; else their names as in the table, ended by NULL */
    int growth;              /* the open-set task repeats with 10, 100, 1,000 and 10,000 concepts; questions and retrieval
                              * with 10, 20, 50 … of the set's own */
    const char *draw;        /* NULL; else the growth as a PNG: eval_draw() writes it */
    int concepts;            /* 0: all; else only the first that are asked about, and items about these */
    eval_method *method;     /* NULL: retrieval; else what answers questions, with concepts in the store */
    ablation without;        /* what is taken away, of questions */
    int verify;              /* the language model verifies matches (rap_options.verify) */
    const char *distractors; /* NULL: the set's distractors.gguf; else see calibrate_vectors_open() */
    const char *save_distractors; /* NULL; else their vectors are written there */
    const char *log; /* NULL; else a file for every question and answer, one line of JSON each */
    rap_on_progress *on_progress;
    void *payload;
} eval_options;

enum { EVAL_STEPS = 12, EVAL_GROWTH_MEASURES = 5 };

typedef struct eval_step { /* with so many concepts */
    int concepts;
    eval_scores scores;
    eval_counts counts;
} eval_step;

typedef struct eval_described { /* what the models write of a concept from its picture */
    int concepts;
    double kind, main_colour;               /* descriptions that name the category, and first the right colour */
    double colour_precision, colour_recall; /* of colour words, over all descriptions */
    double category;                        /* rap_propose_category() is right */
    double milliseconds;                    /* a concept, both */
} eval_described;

typedef struct eval_report {
    eval_scores memory;   /* with the concepts remembered */
    eval_scores baseline; /* the same with an empty store */
    eval_counts counts;
    calibrate_report open_set;
    eval_described described;
    char note[1024]; /* "" or one line: why there are no larger stores */
    int steps;       /* 0: growth was not asked for, or no question */
    eval_step step[EVAL_STEPS]; /* fewest concepts first; the last has them all */
} eval_report;

rap_status eval_run(eval_report *out, const eval_options *options, rap_err *err);

void eval_print_table(FILE *out, const eval_report *report);
/* The growth as bars. */
rap_status eval_draw(const eval_report *report, const char *png, rap_err *err);

/* The measures that are followed as the store grows. */
typedef struct eval_growth_measure {
    const char *name;
    size_t score, count; /* offsets in eval_scores and eval_counts */
} eval_growth_measure;
extern const eval_growth_measure eval_growth_measures[EVAL_GROWTH_MEASURES];
/* 0 items: it was not measured. */
double eval_growth_value(int *out_items, const eval_step *step, const eval_growth_measure *measure);

/* ---- between the files of this folder ---- */

typedef struct eval_run_state {
    const eval_options *options;
    rap_engine *engine;
    rap *r;        /* the default policy */
    rap *paper;    /* the paper policy, with two candidates per region */
    json_t *names; /* every stored name, an array of strings */
    json_t *index; /* the same as name_index.h finds them; while the store grows only items about these are asked */
    json_t *shown; /* for the oracle: {picture: [names]} */
    FILE *log;
    const char *side; /* "memory" or "baseline" */
    uint64_t done, total;
} eval_run_state;

/* Calls `each` for the items of the task's file, an array of objects; for none if the task was not selected. Stops
 * when `each` fails. */
typedef rap_status eval_item(eval_run_state *run, json_t *item, void *payload, rap_err *err);
rap_status eval_each(eval_run_state *run, const char *task, eval_item *each, void *payload,
                     rap_err *err);
/* Adds what is to be asked to `total`, which begins anew. */
rap_status eval_count_items(eval_run_state *run, rap_err *err);

/* A text field of an item, "" when absent. */
const char *eval_text(const json_t *item, const char *key);

rap_status eval_questions(eval_run_state *run, eval_scores *scores, eval_counts *counts,
                          rap_err *err);
/* Was this task selected? */
int eval_wants(const eval_options *options, const char *task);

rap_status eval_describe(eval_report *out, eval_run_state *run, rap_err *err);
rap_status eval_open_set(eval_report *out, eval_run_state *run, rap_err *err);
rap_status eval_vision(eval_run_state *run, eval_scores *scores, eval_counts *counts, rap_err *err);
rap_status eval_retrieval(eval_run_state *run, eval_scores *scores, eval_counts *counts,
                          rap_err *err);
/* Keeps the first `keep` concepts that are asked about in the run's store. */
rap_status eval_keep_first(eval_run_state *run, size_t keep, rap_err *err);
/* Fills the steps; forgets concepts of the run's store on the way, which is not whole afterwards. */
rap_status eval_grow(eval_report *out, eval_run_state *run, rap_err *err);

#endif

/* paper.h: the tables and the figure of the paper's argument, out of the results of many `rap eval --json`
 * (examples/paper_table.sh runs them).
 *
 * FOLDER/cells holds a file a cell: METHOD-CONCEPTS-sSEED.json, ablation_NAME.json, and cost.json, what adding a concept takes
 * retrieval: {"seconds", "bytes"}. */
#ifndef RAP_EVAL_PAPER_H
#define RAP_EVAL_PAPER_H

#include "base/err.h"

#include <jansson.h>
#include <stdio.h>

enum { PAPER_MEASURES = 4 }; /* caption f1, recognition, visual and text questions */

typedef struct paper_mean {
    double mean, spread; /* of the seeds: the standard deviation; 0 of one */
    int cells;           /* 0: not measured */
} paper_mean;

typedef struct paper_row {
    char name[64];
    int concepts; /* of the main table; 0: an ablation's */
    paper_mean measure[PAPER_MEASURES], precision, recall, positives, negatives, seconds, bytes;
    int items[PAPER_MEASURES]; /* of one cell */
} paper_row;

typedef struct paper {
    paper_row *row; /* [rows] methods by number of concepts and in the order of the table, then ablations */
    int rows, room;
    int concepts; /* the largest number: that of the main table */
} paper;

extern const char *const paper_measures[PAPER_MEASURES];

/* RAP_E_NOT_FOUND: no cell there. */
rap_status paper_read(paper *out, const char *folder, rap_err *err);
void paper_release(paper *p);

/* Markdown. */
void paper_print(FILE *out, const paper *p);
json_t *paper_json(const paper *p);
/* Accuracy by number of concepts, as bars. Nothing is drawn where only one number was measured: *out_drawn is then 0. */
rap_status paper_draw(int *out_drawn, const paper *p, const char *png, rap_err *err);

#endif

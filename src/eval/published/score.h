/* score.h: the measures that a kind of list has, for the answers of a program and two baselines: the same program
 * without memory, and the majority answer, which is the one that is right most often, given to every question. */
#ifndef RAP_EVAL_PUBLISHED_SCORE_H
#define RAP_EVAL_PUBLISHED_SCORE_H

#include "eval/published/list.h"

#include <stdio.h>

enum { SCORE_GIVEN, SCORE_NO_MEMORY, SCORE_MAJORITY, SCORE_COLUMNS };
enum { SCORE_ROWS = 12, SCORE_NOTES = 8 };

typedef struct score_row {
    char measure[48];
    double value[SCORE_COLUMNS]; /* 0 to 1 */
} score_row;

typedef struct score_report {
    list_kind kind;
    int items;
    int rows, notes;
    score_row row[SCORE_ROWS];
    char note[SCORE_NOTES][320]; /* a line each: traps of the list or of the measures, what was left out */
    char majority[160];
} score_report;

/* `given`, `no_memory`: [list_count(l)]; no_memory NULL: an empty answer to everything stands for it, and a note says
 * so. `known`: as in measure_names.h; NULL: the names of the list. */
rap_status score_list(score_report *out, const list *l, const char *const *given,
                      const char *const *no_memory, const json_t *known, rap_err *err);

void score_note(score_report *out, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Reads both files (no_memory NULL: none) and scores them. */
rap_status score_files(score_report *out, const char *answers, const char *no_memory,
                       const char *kind, rap_err *err);

/* The table for people, and the same for programs (NULL: memory ran out). */
void score_print(FILE *out, const score_report *report);
json_t *score_json(const score_report *report);

#endif

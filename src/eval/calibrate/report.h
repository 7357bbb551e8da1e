/* report.h: the measured scores, for code that only prints them. */
#ifndef RAP_EVAL_CALIBRATE_REPORT_H
#define RAP_EVAL_CALIBRATE_REPORT_H

typedef struct calibrate_scores {
    double recall1, recall2; /* the right one is first, or one of the first two, at its region       */
    double recall;           /* it is among the K matches                                           */
    double recall_open;      /* the same without a threshold                                        */
    double false_positives;  /* photos, tested without their concepts, that have a match            */
    double marked;           /* objects whose match is ambiguous                                     */
    int objects, photos;      /* known concepts in photos; photos tested without their concepts        */
} calibrate_scores;

typedef struct calibrate_step {
    int concepts;
    calibrate_scores standard, paper;
} calibrate_step;

enum { CALIBRATE_STEPS = 4 };

typedef struct calibrate_report {
    int concepts; /* with the concepts of the set */
    calibrate_scores standard, paper;
    calibrate_step step[CALIBRATE_STEPS]; /* with 10, 100, 1,000, 10,000 concepts, if there are enough */
    int steps;
} calibrate_report;

#endif

/* report.h: what was measured, for those who only print it. */
#ifndef RAP_EVAL_CALIBRATE_REPORT_H
#define RAP_EVAL_CALIBRATE_REPORT_H

typedef struct calibrate_scores {
    double recall1, recall2; /* the right one is first, or one of the first two, at its object       */
    double recall;           /* it is among the K that are given                                    */
    double recall_open;      /* the same with nothing rejected                                      */
    double false_positives;  /* photos without anything known that were given something             */
    double marked;           /* objects given as ambiguous                                           */
    int objects, photos;      /* how many known concepts, how many photos without                      */
} calibrate_scores;

typedef struct calibrate_step {
    int concepts;
    calibrate_scores standard, paper;
} calibrate_step;

enum { CALIBRATE_STEPS = 4 };

typedef struct calibrate_report {
    int concepts; /* of the set itself */
    calibrate_scores standard, paper;
    calibrate_step step[CALIBRATE_STEPS]; /* 10, 100, 1,000, 10,000 concepts, as far as there are so many */
    int steps;
} calibrate_report;

#endif

/* report.h: what was measured, for those who only print it. */
#ifndef RAP_EVAL_CALIBRATE_REPORT_H
#define RAP_EVAL_CALIBRATE_REPORT_H

typedef struct trust_scores {
    double recall1, recall2; /* the right one is first, or one of the first two, at its place       */
    double recall;           /* it is among the K that are given                                    */
    double recall_open;      /* the same with nothing rejected                                      */
    double false_positives;  /* photos without anything known that were given something             */
    double marked;           /* places given as ambiguous                                           */
    int places, photos;      /* how many known things, how many photos without                      */
} trust_scores;

typedef struct trust_step {
    int concepts;
    trust_scores usual, paper;
} trust_step;

enum { TRUST_STEPS = 4 };

typedef struct trust_report {
    int concepts; /* of the set itself */
    trust_scores usual, paper;
    trust_step step[TRUST_STEPS]; /* 10, 100, 1,000, 10,000 concepts, as far as there are so many */
    int steps;
} trust_report;

#endif

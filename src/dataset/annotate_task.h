/* annotate_task.h: the four tasks: what is asked about a sample, and what becomes of the sample with the answers.
 *
 *     describe  of each concept its picture: one line of lasting features, which becomes its info, also where an answer
 *               of the sample says the info
 *     caption   of each caption the photo and the concepts that the caption names: a new caption
 *     qa        of each sample of question answering: new questions and answers
 *     verify    of each concept that a sample says something of, its picture and the photo: is it there? A sample that
 *               says otherwise is left out
 *
 * A sample that the task does not concern stays as it is. One whose answer is missing or bad is left out; with describe
 * it keeps its old info. */
#ifndef RAP_DATASET_ANNOTATE_TASK_H
#define RAP_DATASET_ANNOTATE_TASK_H

#include "dataset/annotate_check.h"
#include "dataset/annotate_log.h"
#include "dataset/sample.h"

typedef enum annotate_kind {
    ANNOTATE_DESCRIBE,
    ANNOTATE_CAPTION,
    ANNOTATE_QA,
    ANNOTATE_VERIFY,
    ANNOTATE_KINDS
} annotate_kind;
const char *annotate_kind_name(annotate_kind kind);
bool annotate_kind_find(annotate_kind *out, const char *name);

typedef struct annotate_task {
    annotate_kind kind;
    const char *model;
    int side;   /* of a picture that is sent, at most */
    char *text; /* the prompt with its fields */
} annotate_task;

/* The prompt from `folder`/TASK.txt; NULL: the one that came with the program. */
rap_status annotate_task_init(annotate_task *out, annotate_kind kind, const char *model, int side,
                              const char *folder, rap_err *err);
void annotate_task_release(annotate_task *t);

typedef struct annotate_unit { /* one request; the names are borrowed from the sample */
    char key[ANNOTATE_KEY];
    int concept; /* that it is about; −1: the sample */
    buf prompt;
    const char *picture[SAMPLE_CONCEPTS + 1]; /* in the folder of pictures */
    const char *shown[SAMPLE_CONCEPTS + 1];   /* the name of the concept that it shows; NULL: the photo */
    int pictures;
    annotate_names names;
} annotate_unit;

/* The requests that the sample gives rise to, `*out_count` of at most SAMPLE_CONCEPTS; release each. */
rap_status annotate_units(annotate_unit out[SAMPLE_CONCEPTS], int *out_count,
                          const annotate_task *t, const sample *s, rap_err *err);
void annotate_unit_release(annotate_unit *u);

/* An entry of the log: is its reply good? */
annotate_fault annotate_judge(const annotate_task *t, const annotate_unit *u, const json_t *entry);

typedef enum annotate_fate { FATE_SAME, FATE_CHANGED, FATE_DROPPED, FATE_DENIED } annotate_fate;

/* Appends the sample as it is with the answers of the log, unless it is left out. */
rap_status annotate_apply(buf *line, annotate_fate *out, const annotate_task *t, const sample *s,
                          annotate_log *log, rap_err *err);

#endif

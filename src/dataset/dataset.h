/* dataset.h: training data in the RAP format out of annotated data sets: build, look at, count.
 *
 * Reading order: plan.h (what a person writes), item.h (what every source becomes), source.h and the source_*.c,
 * pool.h (which items are taken), index.h and nearest.h (the split, and who is noise for whom), make.h (one sample),
 * mask.h and background.h (an object before another background), build.c (all of them, in order, whatever happens), sample.h
 * (the format), stats.c and show.c (what came out), annotate.h and novel.h (what models add).
 *
 *     sources ──► items ──► pool, a fair choice for each kind ──► split ──► samples ──► train.json, validation.json
 *
 * The same configuration gives the same bytes on any number of threads, and after any interruption. */
#ifndef RAP_DATASET_DATASET_H
#define RAP_DATASET_DATASET_H

#include "base/err.h"
#include "dataset/item.h"
#include "dataset/novel.h"
#include "dataset/report.h"

#include <stdio.h>

typedef struct dataset_options {
    const char *config; /* of build */
    const char *folder; /* what is built, or looked at */
    const char *format; /* NULL: as the configuration says; "json" or "jsonl" */
    int threads;        /* 0: all */
    int attempts;       /* of asking for a view, as in annotate_options.h */
    rap_on_progress *on_progress;
    void *payload;
} dataset_options;

typedef struct dataset_result {
    uint64_t made[KIND_COUNT], wanted[KIND_COUNT], offered[KIND_COUNT];
    uint64_t train, validation; /* samples */
    dataset_report report;
    bool has_novel; /* the configuration wants new views */
    novel_result novel;
    double novel_threshold;
} dataset_result;

/* Makes folder/train.json (or .jsonl), validation.json, images/, report.json. A folder with a finished set of the
 * same configuration is left as it is; one that was interrupted is continued; any other is refused. With "novel" in the
 * configuration new views are made then (novel.h), as far as the service answers; those of a finished set that are missing
 * are asked for again. */
rap_status dataset_build(dataset_result *out, const dataset_options *options, rap_err *err);

typedef struct dataset_stats {
    uint64_t samples, kind[KIND_COUNT], other; /* other: of a type that is none of ours */
    uint64_t concepts[17];  /* samples with so many concepts */
    uint64_t text_only, turns, yes, no, human_bytes, gpt_bytes;
    uint64_t missing;       /* pictures that are not there */
    char first_missing[256];
    uint64_t both_sides;    /* pictures that stand in training and validation */
} dataset_stats;

/* Counts a folder that dataset_build made, or a file in the RAP format (pictures are then not looked for). RAP_E_NOT_FOUND:
 * no samples are in it. */
rap_status dataset_count(dataset_stats *out, const char *path, rap_err *err);
void dataset_print(FILE *out, const dataset_stats *s);
/* path: what was counted. A PNG that would replace a file of it is refused. */
rap_status dataset_draw_stats(const dataset_stats *s, const char *path, const char *png,
                              rap_err *err);

/* Draws sample `number` (from 0; training first, then validation) as the model would see it: pictures, prompt, and the
 * answer, which is what is trained on. A PNG that would replace a file of the data set is refused. */
rap_status dataset_show(const char *folder, uint64_t number, const char *png, rap_err *err);

#endif

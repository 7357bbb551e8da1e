/* export_inside.h: what the writers of the forms share. */
#ifndef RAP_DATASET_EXPORT_INSIDE_H
#define RAP_DATASET_EXPORT_INSIDE_H

#include "dataset/export_options.h"
#include "dataset/sample.h"

/* A sample as other trainers see it: turns of text with "<image>" in the first, and the pictures for these. */
typedef struct export_sample {
    const sample *source;
    char *first;                              /* the first turn's text */
    const char *picture[1 + SAMPLE_CONCEPTS]; /* [pictures] relative to the folder of pictures */
    int pictures;
} export_sample;

/* Writes one part ("train", "validation") of a set. */
typedef struct export_writer export_writer;
typedef struct export_form {
    const char *name;
    rap_status (*open)(export_writer **out, const dataset_export_options *o, const char *part,
                       dataset_export_result *result, rap_err *err);
    rap_status (*add)(export_writer *w, const export_sample *s, rap_err *err);
    /* Publishes what was written, unless the status is a failure; frees the writer, and gives the status or its own failure. */
    rap_status (*close)(export_writer *w, rap_status status, rap_err *err);
} export_form;

extern const export_form export_llava, export_sharegpt, export_webdataset;

#endif

/* sample.h: one training sample in the published RAP-260K format:
 *
 *     {"id", "image", "conversations": [{"from": "human"|"gpt", "value"}…],
 *      "extra": {CROP_PATH: {"name", "info", "category"}…}, "type"}
 *
 * "<image>\n" stands first in the first human turn of a sample with a picture; `extra` is in prompt order; a
 * text-only sample has no `image`. How a trainer turns it into a prompt is generate/prompt.h's business. */
#ifndef RAP_DATASET_SAMPLE_H
#define RAP_DATASET_SAMPLE_H

#include "base/buf.h"
#include "base/err.h"
#include "formats/json_walk.h"

typedef struct sample_concept {
    const char *picture; /* relative to the folder of pictures */
    const char *name, *info, *category;
} sample_concept;

typedef struct sample_turn {
    const char *human, *gpt; /* human without the leading "<image>\n" */
} sample_turn;

enum { SAMPLE_CONCEPTS = 16, SAMPLE_TURNS = 64 };

typedef struct sample {
    const char *id, *image, *type; /* image NULL: text only */
    sample_concept concept[SAMPLE_CONCEPTS];
    int concepts;
    sample_turn turn[SAMPLE_TURNS];
    int turns;
    json_t *json; /* NULL, or what the texts are borrowed from */
} sample;

/* Appends the sample as one line of JSON without the line's end. */
rap_status sample_write(buf *out, const sample *s, rap_err *err);

/* Reads one sample out of its JSON, of which it takes a reference; `where` begins the error line. */
rap_status sample_read(sample *out, json_t *json, const char *where, rap_err *err);
void sample_release(sample *s);

/* FOLDER/STEM.json or .jsonl ("train", "validation"); free(), NULL when neither is there. */
char *sample_data_file(const char *folder, const char *stem);

/* Steps through a data file: a JSON array, or one sample a line. */
typedef struct sample_file sample_file;
rap_status sample_file_open(sample_file **out, const char *path, rap_err *err);
rap_status sample_file_next(sample *out, bool *out_more, sample_file *f, rap_err *err);
void sample_file_close(sample_file *f); /* NULL-safe */

#endif

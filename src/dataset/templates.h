/* templates.h: the wordings of samples, from a text file that a person can edit (templates.txt beside this file
 * explains its format and holds the built-in ones). */
#ifndef RAP_DATASET_TEMPLATES_H
#define RAP_DATASET_TEMPLATES_H

#include "base/buf.h"
#include "base/err.h"
#include "dataset/random.h"

typedef struct templates templates;

/* The built-in wordings, with the places of `path` (NULL: none) in their stead. */
rap_status templates_open(templates **out, const char *path, rap_err *err);
void templates_free(templates *t); /* NULL-safe */
/* Appends every place and wording in use. */
void templates_list(buf *out, const templates *t);

typedef struct template_values {
    const char *name, *info, *category, *box, *caption; /* NULL: not to be had here */
} template_values;

/* Appends one wording of the place ("grounding.question"), drawn by `d`, with its values put in. */
rap_status templates_fill(buf *out, const templates *t, const char *place, draw *d,
                          const template_values *values, rap_err *err);

/* Puts the values into a text that is not from the file. "a {category}" becomes "an apple" where English wants it. */
void template_put(buf *out, const char *text, const template_values *values);

#endif

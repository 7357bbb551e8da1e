/* annotate_folder.h: the files of a built data set, and a new folder beside them whose samples are theirs, changed. */
#ifndef RAP_DATASET_ANNOTATE_FOLDER_H
#define RAP_DATASET_ANNOTATE_FOLDER_H

#include "dataset/sample.h"

enum { ANNOTATE_SIDES = 2 }; /* training, validation */

typedef struct annotate_folder {
    char *images, *data[ANNOTATE_SIDES]; /* the folder of pictures; train.json or .jsonl, validation; NULL: not there */
    char *result;                        /* the new folder */
} annotate_folder;

/* `name`: of the new folder, which is made by annotate_rewrite() only. Release in any case. */
rap_status annotate_folder_open(annotate_folder *out, const char *folder, const char *name,
                                rap_err *err);
void annotate_folder_release(annotate_folder *f);

/* Hands every sample on, of both sides. */
typedef rap_status annotate_visitor(const sample *s, int side, void *payload, rap_err *err);
rap_status annotate_walk(const annotate_folder *f, annotate_visitor *visitor, void *payload,
                         rap_err *err);

/* Appends what the sample becomes: any number of samples, each with a line break behind it. */
typedef rap_status annotate_rewriter(buf *lines, const sample *s, int side, void *payload,
                                     rap_err *err);
/* Writes the new folder: each file at once, or not at all; its pictures are those of the built set. */
rap_status annotate_rewrite(const annotate_folder *f, annotate_rewriter *rewriter, void *payload,
                            rap_err *err);

#endif

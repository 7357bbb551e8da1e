/* pictures.h: where the pictures of a list lie. */
#ifndef RAP_EVAL_PUBLISHED_PICTURES_H
#define RAP_EVAL_PUBLISHED_PICTURES_H

#include "eval/published/list.h"

typedef struct pictures_missing {
    int count;       /* of items that were left out */
    char first[256]; /* the picture of the first */
} pictures_missing;

/* Gives each item with a picture its "path" in the folder `images`, and leaves out those whose picture is not there. A
 * name that is absolute or leads out of the folder, also by a link, is RAP_E_FORMAT; when no picture at all is there
 * RAP_E_NOT_FOUND. */
rap_status pictures_find(pictures_missing *out, list *l, const char *file, const char *images,
                         rap_err *err);

#endif

/* object_folder.h: a folder of pictures of one object, as personalisation data sets are laid out. The first
 * picture is the concept, each further one a query. */
#ifndef RAP_DATASET_OBJECT_FOLDER_H
#define RAP_DATASET_OBJECT_FOLDER_H

#include "dataset/source.h"

typedef struct object_folder {
    const char *folder;   /* below the source's "images" */
    const char *identity; /* of the object */
    const char *category, *info;
    const char *concept;  /* NULL: the first picture; else a path below "images" */
    /* Adds captions, questions or a box to the item of that picture (its file name); NULL: nothing. 0: out of
     * memory. */
    int (*add)(dataset_item *item, const char *picture, void *payload);
    void *payload;
} object_folder;

/* Offers an item for each picture but the concept's, at most the source's "per_object". */
rap_status object_folder_read(const object_folder *f, source_sink *sink, rap_err *err);

/* "dog6" → "dog", "bear_plushie" → "bear plushie": what a folder's name says of the category. */
void object_folder_category(char out[64], const char *folder);

#endif

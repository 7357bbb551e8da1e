/* source.h: a source turns a data set of others into items (item.h), one at a time, and hands each to the sink. A
 * source reads its files from front to back; what it keeps in memory is said in its own file.
 *
 * source.c has the table of types. */
#ifndef RAP_DATASET_SOURCE_H
#define RAP_DATASET_SOURCE_H

#include "dataset/plan.h"
#include "dataset/pool.h"
#include "dataset/report.h"

typedef struct source_sink {
    const dataset_plan *plan;
    const plan_source *source;
    const char *images; /* the folder of pictures of the data set, for a source that has none of its own */
    dataset_pool *pool;
    dataset_report *report;
    rap_on_progress *on_progress; /* NULL: silent */
    void *payload;
} source_sink;

typedef rap_status source_reader(source_sink *sink, rap_err *err);

/* Is the type known, and are the files it needs given and there? Asked before any source is read. */
rap_status source_check(const dataset_plan *plan, const plan_source *source, rap_err *err);

/* Checks and reads the sink's source by its type. */
rap_status source_read(source_sink *sink, rap_err *err);

/* ---- what the readers share ---- */

/* Hands the item on and gives up the caller's reference, also after a failure. NULL: memory ran out. */
rap_status source_offer(source_sink *sink, dataset_item *item, rap_err *err);

/* Tells how far reading is, 0 to 1; RAP_E_CANCELLED when the caller wants to stop. */
rap_status source_progress(source_sink *sink, double share, rap_err *err);

/* The box of a picture of w × h pixels, cropped to it: 0 and counted when nothing usable of it is inside. */
int source_box(rap_box *box, int width, int height, source_sink *sink, const char *what);

/* May this relative path be read? Not when it is absolute or climbs out of its folder; counted. */
int source_path(const char *path, source_sink *sink);

/* The files and folders of a folder in order of their names; hidden ones are left out. Free each and the list. */
rap_status source_list(char ***out, size_t *out_count, const char *folder, rap_err *err);
void source_list_free(char **list, size_t count);
int source_is_picture(const char *path); /* by its extension */
int source_is_mask(const char *name);    /* NAME_mask.png, beside its picture in some data sets */

/* ---- the readers ---- */
source_reader source_coco;      /* COCO's instances.json */
source_reader source_refcoco;   /* RefCOCO, RefCOCO+, RefCOCOg on top of it */
source_reader source_tao;       /* TAO, and any COCO-like file with tracks */
source_reader source_vid;       /* ILSVRC-VID's XML */
source_reader source_custom101; /* CustomConcept101's dataset.json */
source_reader source_folders;   /* DreamBooth's layout, and any folder of folders */
source_reader source_myvlm;
source_reader source_yollava;
source_reader source_mcllava;
source_reader source_llava;     /* plain instruction data */
source_reader source_store;     /* a concept store of our own */

#endif

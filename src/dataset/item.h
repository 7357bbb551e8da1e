/* item.h: what every source is turned into: one object that can be a concept, shown twice. The concept's place
 * is where its picture is cropped from; the query is the photo that is asked about. In a video these are two frames
 * of one track; in a data set of single pictures both are the same picture, and the crop is the concept.
 *
 * In captions, questions and answers "{name}" stands for the concept's name, whatever it is in the end. */
#ifndef RAP_DATASET_ITEM_H
#define RAP_DATASET_ITEM_H

#include "base/err.h"
#include "dataset/mask.h"

#include <jansson.h>
#include <stdint.h>

typedef enum dataset_kind {
    KIND_GROUNDING,   /* where is it? a box                                  */
    KIND_RECOGNITION, /* is it in the picture? yes or no                     */
    KIND_CAPTION,     /* a caption that uses its name                        */
    KIND_DESCRIPTION, /* what does it look like?                             */
    KIND_QA,          /* questions about it, with a picture or without one   */
    KIND_INSTRUCTION, /* a plain conversation, no concept                    */
    KIND_COUNT
} dataset_kind;

const char *dataset_kind_name(dataset_kind kind); /* "grounding" … */

typedef struct dataset_place {
    char *picture; /* "SOURCE/path", relative to the folder of pictures */
    rap_box box;   /* in its pixels; w == 0: the whole picture */
    int width, height; /* of the picture as annotated; 0: not said. A picture of another size is not used */
} dataset_place;

typedef struct dataset_turn {
    char *question, *answer;
} dataset_turn;

typedef struct dataset_item {
    int references;
    uint64_t order; /* in which it was offered, from 0 */
    int twice;      /* an earlier item has the same key: it is left out */
    char *key;      /* "SOURCE/…": unique, the same in every run */
    char *identity; /* of the object: two items with the same one show the same object */
    dataset_place concept, query; /* a NULL picture: none */
    dataset_mask *mask; /* of the object in the concept's picture; NULL: not known */
    char *mask_picture; /* the same as a picture, "SOURCE/path"; NULL: none */
    int one_picture;              /* the query shows nothing but the concept: nothing is to be found in it */
    char *scene;                  /* the video that both pictures come from; NULL: none */
    char **company;               /* [companions] identities of other objects in the query picture */
    int companions;
    char *name;                   /* NULL: one is drawn */
    char *category, *info;        /* "" when the source has none */
    char **caption;               /* [captions] */
    int captions;
    dataset_turn *turn; /* [turns] questions about it */
    int turns;
    json_t *conversations; /* of a plain instruction; else NULL */
} dataset_item;

dataset_item *dataset_item_new(const char *source, const char *id, const char *identity); /* or NULL */
dataset_item *dataset_item_keep(dataset_item *item); /* one more reference */
void dataset_item_free(dataset_item *item);          /* one less; NULL-safe */

/* Copies; 0 when memory ran out. */
int dataset_item_place(dataset_place *out, const char *source, const char *path, rap_box box);
int dataset_item_text(char **out, const char *text); /* replaces what was there */
int dataset_item_mask_picture(dataset_item *item, const char *source, const char *path);
int dataset_item_scene(dataset_item *item, const char *source, const char *scene);
int dataset_item_companion(dataset_item *item, const char *source, const char *identity);
int dataset_item_caption(dataset_item *item, const char *caption);
int dataset_item_turn(dataset_item *item, const char *question, const char *answer);

/* Can this item make a sample of that kind? */
int dataset_item_serves(const dataset_item *item, dataset_kind kind);

#endif

/* official_items.h: the content of a database.json, read and checked: concepts with their texts and the places of
 * their pictures.
 *
 *     { "concept_dict": { "<bo>": { "name": "bo", "image": "pictures/bo.png",
 *                                   "info": "<bo> is …", "category": "dog" } },
 *       "path_to_concept": { "pictures/bo.png": "<bo>", "pictures/bo-asleep.png": "<bo>" } }
 *
 * name and image are required; info, category and path_to_concept are not. A concept is found by every picture
 * that path_to_concept maps to it: its image is the avatar, the others are further views. Three fields of ours
 * are understood as well: "aliases" (a list of names), "box" ([x, y, w, h] in pixels of the image) and "boxes" (of the
 * other pictures, by their paths). Everything else is left alone. */
#ifndef RAP_REMEMBER_OFFICIAL_ITEMS_H
#define RAP_REMEMBER_OFFICIAL_ITEMS_H

#include "remember/transfer_inside.h"

#include <jansson.h>

typedef struct shot { /* one picture of a concept */
    char *picture;    /* its real path */
    char hash[65];
    store_view view; /* its bytes only while it is embedded */
    store_vector vector;
    char *encoder; /* what vector.encoder and vector.data point to; NULL: no vector */
    float *data;
} shot;

typedef struct item {
    const char *key; /* in concept_dict; borrowed from the JSON, as are the texts of concept */
    store_concept concept; /* but the name is `name` */
    char *name, *folded;
    const json_t *boxes; /* borrowed; NULL: none */
    shot *shot;          /* [shots]: the avatar first */
    size_t shots;
    bool skip; /* it is in the store exactly like this */
} item;

typedef struct items {
    item *item; /* [count] */
    size_t count;
    size_t strays; /* pictures that path_to_concept maps to what concept_dict does not have */
} items;

/* `root` must outlive the items; call items_release() even on failure. */
rap_status items_read(items *out, const transfer *t, json_t *root, rap_err *err);
void items_release(items *all);

#endif

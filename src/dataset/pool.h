/* pool.h: a fair choice from a stream. Every item that a source reads is offered once to each kind it can serve;
 * each kind keeps the `wanted` items whose drawn number is smallest. Memory follows what is kept, not what is
 * read, and the choice does not depend on the order in which items come. */
#ifndef RAP_DATASET_POOL_H
#define RAP_DATASET_POOL_H

#include "dataset/item.h"
#include "dataset/report.h"

typedef struct dataset_choice {
    uint64_t number; /* drawn; the smallest stay */
    dataset_item *item;
} dataset_choice;

typedef struct dataset_pool {
    uint64_t seed, offered; /* offered: items so far */
    struct {
        dataset_choice *choice; /* a heap, the largest number on top; sorted by pool_close */
        size_t count, wanted, room;
        uint64_t offered;
    } kind[KIND_COUNT];
} dataset_pool;

void dataset_pool_init(dataset_pool *p, uint64_t seed, const uint64_t wanted[KIND_COUNT]);
void dataset_pool_release(dataset_pool *p);

/* Keeps references of its own. */
rap_status dataset_pool_offer(dataset_pool *p, dataset_item *item, rap_err *err);

/* Nothing comes any more: sorts each kind's choice by its numbers (then by key). Of several items with one key the one
 * that was offered first stays, and `report` counts the others. */
rap_status dataset_pool_close(dataset_pool *p, dataset_report *report, rap_err *err);

#endif

/* rows.h: all vectors of an encoder, ready for searching, without reading each of them from SQLite.
 *
 * A store of many vectors has one more file for each encoder, FILE-vectors-N: a snapshot, in which the vectors are
 * packed for searching. It is mapped on demand. SQLite remains the only source of truth: the store's ids are listed
 * each time, rows of the snapshot that are not among them are dead, and vectors missing from the snapshot are read
 * from the store. So a snapshot need not be rewritten at every change, and one that is missing, damaged, old or
 * from another store only costs time. snapshot.h describes how that is detected. */
#ifndef RAP_REMEMBER_ROWS_H
#define RAP_REMEMBER_ROWS_H

#include "remember/store.h"

#include <stdbool.h>

#define STORE_PARTS 5     /* of a packed row: the last is large and rarely looked at */
#define STORE_SAMPLE 4096 /* vectors that packing is prepared with, where there are as many */

/* How a vector is packed: the caller's, this layer knows no search. */
typedef struct store_packing {
    int version; /* a snapshot of another version is not used */
    int dim;
    size_t size[STORE_PARTS]; /* bytes of a row's parts */
    size_t shared_size;       /* bytes that belong to all rows; 0: none, and no `prepare` */
    /* Into zeroed memory, from sample [count, dim], taken evenly from all vectors. */
    void (*prepare)(void *shared, const float *sample, size_t count, int dim);
    /* Into zeroed memory. False: such a vector cannot be searched for. */
    int (*pack)(void *const part[STORE_PARTS], const void *shared, const float *vector, int dim);
} store_packing;

typedef struct store_vectors {
    size_t count;
    int dim;
    int64_t *concept_id; /* [count] */
    float *data;         /* [count, dim] as stored */
} store_vectors;
void store_vectors_release(store_vectors *v);

typedef struct store_rows {
    size_t count;                  /* of the snapshot's rows */
    const void *part[STORE_PARTS]; /* [count]; each 4096-byte aligned, mapped */
    const void *shared;            /* likewise; NULL: no snapshot */
    const uint64_t
        *last_sum;       /* [count]: hash_fast(last part of the row, seed 0): not checked yet */
    int64_t *concept_id; /* [count]; −1: a row that is not there (any more) */
    store_vectors fresh; /* what the snapshot does not have */
    void *map;
    size_t map_size;
    const uint64_t *scrubs; /* in the map: how often rows of it were zeroed; NULL: no snapshot */
    uint64_t scrubs_seen;
} store_rows;

/* on_progress (may be NULL) hears of it when the snapshot is written, which takes seconds for a million. */
rap_status store_rows_load(store_rows *out, store *s, const char *encoder,
                           const store_packing *packing, rap_on_progress *on_progress,
                           void *payload, rap_err *err);
void store_rows_release(store_rows *rows);
/* Whether a row of the snapshot was zeroed since: by a change that may have failed at last, so that the
 * generation of the store need not say so. */
bool store_rows_outdated(const store_rows *rows);

/* This snapshot is not used again, because one of its rows turned out to be damaged; where the store may be
 * written to, it is removed, so that the next loading makes another. */
void store_rows_distrust(store *s, const char *encoder);

#endif

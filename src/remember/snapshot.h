/* snapshot.h: the file that holds the packed vectors of one encoder (rows.h): its bytes.
 *
 *     one page      magic, byte order, versions, sizes, count, token, sum of all that; its last 8 bytes
 *                   count how often rows were zeroed
 *     view_id       int64 [count], ascending; 0: a hole
 *     row_sum       uint64 [count], over view_id, last_sum and the parts but the last
 *     last_sum      uint64 [count], over the last part
 *     shared        what belongs to all rows, then its sum, uint64
 *     part 0 to 4   [count, size of the part]
 *
 * Each table begins on a page of 4096 bytes. When a snapshot is published, its token, a random number, is
 * written into the store as well. A store that has this token descends from the state that was packed;
 * in it a view's number was never given twice and its vector never changed (replacing one makes a
 * hole), so only the numbers of the views must be compared. A store of another history (restored
 * from a backup, or another one altogether) has another token.
 *
 * What is shared is made from thousands of vectors together and stays when one is forgotten.
 * Forgetting zeroes the rows in place as the last step before it commits. If the commit then fails, or
 * the process dies, the store still has what is zero here; the count on the first page tells every process
 * that has the file mapped to look again. A row whose sum is wrong, because of a crash or a bad disk,
 * counts as a hole. The file is never truncated in place, so a mapping stays readable. */
#ifndef RAP_REMEMBER_SNAPSHOT_H
#define RAP_REMEMBER_SNAPSHOT_H

#include "remember/inside.h"
#include "remember/rows.h"

typedef struct snapshot {
    unsigned char *map; /* NULL: closed */
    size_t size, count;
    uint64_t *scrubs; /* how often rows were zeroed; read and written atomically */
    int64_t *view_id;
    uint64_t *row_sum, *last_sum;
    unsigned char *shared, *part[STORE_PARTS];
    size_t shared_size, part_size[STORE_PARTS];
    int fd; /* −1: closed already; while writing it holds the lock */
} snapshot;

/* The file's name, in the real folder of the store even if that is reached through a link; with `fresh` the name of
 * one being written. free() */
char *snapshot_path(const store *s, int64_t encoder_id, bool fresh);

/* Maps for reading. False, and closed: no file, damaged, or not the one that is wanted. */
bool snapshot_open(snapshot *out, const char *path, const char *token,
                   const store_packing *packing);
/* A new file, mapped for writing, all zero, its room reserved and locked against a second maker. False:
 * somebody is at it, or the disk is full. */
bool snapshot_make(snapshot *out, const char *path, const char *token, const store_packing *packing,
                   size_t count);
void snapshot_close(snapshot *s);
/* Whether one that was made is still the file of this name. */
bool snapshot_is_named(const snapshot *s, const char *path);

void snapshot_seal_shared(snapshot *s);          /* after it is filled: writes the sum */
void snapshot_seal_row(snapshot *s, size_t row); /* after its parts are filled: writes the sums */
void snapshot_zero_row(snapshot *s, size_t row); /* makes a hole */
bool snapshot_row_is_whole(const snapshot *s, size_t row);

/* Notes that this transaction removes or replaces the vector. */
rap_status snapshot_will_scrub(store *s, int64_t encoder_id, int64_t view_id, bool replaced,
                               rap_err *err);
/* The same for all vectors of a concept: before they are deleted. */
rap_status snapshot_will_scrub_concept(store *s, int64_t concept_id, rap_err *err);
/* Removes the snapshot of an encoder, inside a transaction. */
rap_status snapshot_drop(store *s, int64_t encoder_id, rap_err *err);
/* Removes files left by writers that were killed: they may contain what was forgotten since. */
void snapshot_remove_leftovers(store *s);
/* Zeroes the rows of all these, on disk when it returns: store_end()'s, just before it commits, so that a
 * transaction that is given up leaves the snapshots as they were. */
rap_status snapshot_scrub(store *s, rap_err *err);

#endif

/* calls.h: system calls on files that fail on demand, and which names of files would outlast a power cut. The program
 * that links calls.c has open(), write(), fsync() and their kind of its own, which all libraries of the process then
 * call, SQLite's as well; calls that the C library makes by itself (fopen()) pass by. */
#ifndef RAP_TESTS_FAULTS_CALLS_H
#define RAP_TESTS_FAULTS_CALLS_H

#include <stdbool.h>

typedef enum calls_kind {
    CALLS_OPEN,
    CALLS_WRITE,
    CALLS_SYNC,
    CALLS_SYNC_FOLDER, /* of CALLS_SYNC those of folders */
    CALLS_TRUNCATE,
    CALLS_RENAME, /* and link() */
    CALLS_MKDIR,
    CALLS_KINDS
} calls_kind;

/* Only what happens in this folder counts; NULL: nothing. Forgets all before it. */
void calls_watch(const char *folder);

/* From now on the n-th call of the kind fails with this errno, and with `lasting` every one after it. n = 0: none. */
void calls_fail(calls_kind kind, long n, int reason, bool lasting);
/* Whether one failed since then. */
bool calls_failed(void);

/* Folders are not synced any more, though fsync() says so. */
void calls_skip_folder_syncs(bool skip);
/* Whether the file has its name after a power cut: its folder was synced since, and so on up to the one watched. */
bool calls_is_durable(const char *path);

#endif

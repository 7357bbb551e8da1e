/* slack.c: zeroes the unused middle of every database page on its way to the file.
 *
 * Why: with secure_delete SQLite overwrites a deleted row, but when it moves rows from a full page to
 * another it leaves the old copies in the page's unused middle. A row that is deleted later has then
 * already left a copy that is never overwritten. A page of a table or an index is: a header, an array of
 * cell offsets, the unused middle, the cells. Nothing reads the middle, so it can be zeroed in the copy
 * that is written. In WAL mode a page reaches the file at a checkpoint and the log is emptied after it,
 * so after a full checkpoint only living rows are left.
 *
 * It also refuses rollback journals. A store has none; a planted one could name any file as its super-journal,
 * and SQLite deletes that file when it plays the journal back.
 *
 * How: the default VFS opens the file; for a database (not its log) the table of methods of that file is
 * replaced by a copy whose xWrite cleans first. Every other call goes straight to the original. */
#include "remember/slack.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* `methods` stays first: a file's pMethods points to it, and from there to `original`. */
typedef struct slack_methods {
    sqlite3_io_methods methods;
    const sqlite3_io_methods *original;
} slack_methods;

static sqlite3_vfs slack; /* a copy of the default one, but for xOpen, xDelete and the name */
static sqlite3_vfs *below;
static slack_methods known[8]; /* by locking style; in use is one, two with an immutable file */

/* The bounds of the unused middle of a page; false when it is no page of a table or an index. Pages of
 * other kinds begin with a page number below 2^25 (store.c limits the file), hence with a byte ≤ 1. */
static bool page_middle(const unsigned char *page, int size, bool first, int *out_from, int *out_to)
{
    const unsigned char *header = page + (first ? 100 : 0);
    bool leaf = header[0] == 10 || header[0] == 13;
    int cells, from, to;

    if (!leaf && header[0] != 2 && header[0] != 5)
        return false;
    cells = header[3] << 8 | header[4];
    to = header[5] << 8 | header[6];
    if (to == 0)
        to = 65536;
    from = (first ? 100 : 0) + (leaf ? 8 : 12) + 2 * cells;
    *out_from = from;
    *out_to = to;
    return from <= to && to <= size;
}

static int slack_write(sqlite3_file *file, const void *data, int size, sqlite3_int64 offset)
{
    const slack_methods *own = (const slack_methods *)(const void *)file->pMethods;
    int from = 0, to = 0, code;
    unsigned char *clean;

    if (size < 512 || offset % size != 0 || !page_middle(data, size, offset == 0, &from, &to))
        return own->original->xWrite(file, data, size, offset);
    clean = sqlite3_malloc(size);
    if (!clean)
        return SQLITE_IOERR_NOMEM;
    memcpy(clean, data, (size_t)size);
    memset(clean + from, 0, (size_t)(to - from));
    code = own->original->xWrite(file, clean, size, offset);
    sqlite3_free(clean);
    return code;
}

/* Our copy of a table of methods; the original where there is no room for another. */
static const sqlite3_io_methods *slack_methods_for(const sqlite3_io_methods *original)
{
    sqlite3_mutex *mutex = sqlite3_mutex_alloc(SQLITE_MUTEX_STATIC_APP1);
    const sqlite3_io_methods *found = original;

    sqlite3_mutex_enter(mutex);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (!known[i].original) {
            known[i].methods = *original;
            known[i].methods.xWrite = slack_write;
            known[i].original = original;
        }
        if (known[i].original == original) {
            found = &known[i].methods;
            break;
        }
    }
    sqlite3_mutex_leave(mutex);
    return found;
}

static int slack_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags,
                      int *out_flags)
{
    int code;

    (void)vfs;
    if (flags & (SQLITE_OPEN_SUPER_JOURNAL | SQLITE_OPEN_MAIN_JOURNAL)) {
        file->pMethods = NULL;
        return SQLITE_CANTOPEN;
    }
    code = below->xOpen(below, name, file, flags, out_flags);
    if (code == SQLITE_OK && file->pMethods && (flags & SQLITE_OPEN_MAIN_DB))
        file->pMethods = slack_methods_for(file->pMethods);
    return code;
}

/* SQLite deletes a log that was emptied, and nothing else of a store. */
static int slack_delete(sqlite3_vfs *vfs, const char *name, int sync_folder)
{
    size_t len = strlen(name);

    (void)vfs;
    if (len < 4 || strcmp(name + len - 4, "-wal") != 0)
        return SQLITE_IOERR_DELETE;
    return below->xDelete(below, name, sync_folder);
}

const char *slack_vfs(void)
{
    static const char name[] = "rap-store";
    sqlite3_mutex *mutex;
    bool ready;

    if (sqlite3_initialize() != SQLITE_OK)
        return NULL;
    mutex = sqlite3_mutex_alloc(SQLITE_MUTEX_STATIC_APP1);
    sqlite3_mutex_enter(mutex);
    ready = below != NULL;
    if (!ready) {
        sqlite3_vfs *found = sqlite3_vfs_find(NULL);
        slack = *found;
        slack.zName = name;
        slack.pNext = NULL;
        slack.xOpen = slack_open;
        slack.xDelete = slack_delete;
        ready = sqlite3_vfs_register(&slack, 0) == SQLITE_OK;
        below = ready ? found : NULL;
    }
    sqlite3_mutex_leave(mutex);
    return ready ? name : NULL;
}

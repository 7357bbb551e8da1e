/* snapshot.c: the snapshot file: layout, opening, making, scrubbing (snapshot.h). */
#include "remember/snapshot.h"

#include "base/buf.h"
#include "base/hash.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE ((size_t)4096)
#define FORMAT 2

/* The start of the first page. */
typedef struct header {
    char magic[8];
    uint32_t order, format, packing, dim;
    uint64_t count, shared_size, part_size[STORE_PARTS];
    char token[SNAPSHOT_TOKEN + 8];
    uint64_t sum; /* of the fields before it */
} header;

static const char magic[8] = "RAPVECT";

char *snapshot_path(const store *s, int64_t encoder_id, bool fresh)
{
    buf path = BUF_INIT;

    buf_printf(&path, "%s-vectors-%lld%s", sqlite3_db_filename(s->d.handle, "main"),
               (long long)encoder_id, fresh ? ".new" : "");
    if (buf_failed(&path)) {
        buf_release(&path);
        return NULL;
    }
    return buf_detach(&path);
}

/* ---- layout ---- */

static uint64_t header_sum(const header *h)
{
    return hash_fast(h, offsetof(header, sum), FORMAT);
}

static void header_fill(header *out, const char *token, const store_packing *packing, size_t count)
{
    memset(out, 0, sizeof *out);
    memcpy(out->magic, magic, sizeof magic);
    out->order = 0x01020304;
    out->format = FORMAT;
    out->packing = (uint32_t)packing->version;
    out->dim = (uint32_t)packing->dim;
    out->count = count;
    out->shared_size = packing->shared_size;
    for (int i = 0; i < STORE_PARTS; i++)
        out->part_size[i] = packing->size[i];
    memcpy(out->token, token, strnlen(token, SNAPSHOT_TOKEN));
    out->sum = header_sum(out);
}

/* Adds a table of `count` entries of `size` bytes to the file's size; false when it overflows. */
static bool add_table(size_t *out_offset, size_t *size, size_t count, size_t entry)
{
    size_t bytes;

    *out_offset = *size;
    return mem_mul(&bytes, count, entry) && mem_add(&bytes, bytes, PAGE - 1) &&
           mem_add(size, *size, bytes / PAGE * PAGE);
}

/* The offsets of the tables, and pointers once `map` is set. False for sizes that no memory holds. */
static bool lay_out(snapshot *s, const header *h)
{
    size_t offset[4 + STORE_PARTS], shared;
    bool fits;

    s->size = PAGE;
    s->shared_size = (size_t)h->shared_size;
    fits = mem_add(&shared, s->shared_size, sizeof(uint64_t)) &&
           add_table(&offset[0], &s->size, s->count, sizeof *s->view_id) &&
           add_table(&offset[1], &s->size, s->count, sizeof *s->row_sum) &&
           add_table(&offset[2], &s->size, s->count, sizeof *s->last_sum) &&
           add_table(&offset[3], &s->size, 1, shared);
    for (int i = 0; i < STORE_PARTS; i++) {
        s->part_size[i] = (size_t)h->part_size[i];
        fits = fits && add_table(&offset[4 + i], &s->size, s->count, s->part_size[i]);
    }
    if (!fits || !s->map)
        return fits;
    s->scrubs = (uint64_t *)(void *)(s->map + PAGE - sizeof *s->scrubs);
    s->view_id = (int64_t *)(void *)(s->map + offset[0]);
    s->row_sum = (uint64_t *)(void *)(s->map + offset[1]);
    s->last_sum = (uint64_t *)(void *)(s->map + offset[2]);
    s->shared = s->map + offset[3];
    for (int i = 0; i < STORE_PARTS; i++)
        s->part[i] = s->map + offset[4 + i];
    return true;
}

static bool map_file(snapshot *s, int protection)
{
    void *map = mmap(NULL, s->size, protection, MAP_SHARED, s->fd, 0);

    if (map == MAP_FAILED)
        return false;
    s->map = map;
    return true;
}

void snapshot_close(snapshot *s)
{
    if (s->map)
        munmap(s->map, s->size);
    if (s->fd >= 0)
        close(s->fd);
    *s = (snapshot){ .fd = -1 };
}

/* ---- what all rows share ---- */

static uint64_t shared_sum(const snapshot *s)
{
    return hash_fast(s->shared, s->shared_size, FORMAT);
}

void snapshot_seal_shared(snapshot *s)
{
    uint64_t sum = shared_sum(s);

    memcpy(s->shared + s->shared_size, &sum, sizeof sum);
}

static bool shared_is_whole(const snapshot *s)
{
    uint64_t sum = shared_sum(s);

    return memcmp(s->shared + s->shared_size, &sum, sizeof sum) == 0;
}

/* ---- opening ---- */

/* Is the header valid and of this format, and the file of the size it gives? */
static bool read_header(header *out, snapshot *s, const char *path, int flags)
{
    struct stat info;

    *s = (snapshot){ .fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK) };
    if (s->fd < 0 || fstat(s->fd, &info) != 0 || !S_ISREG(info.st_mode) ||
        pread(s->fd, out, sizeof *out, 0) != (ssize_t)sizeof *out)
        return false;
    if (memcmp(out->magic, magic, sizeof magic) != 0 || out->order != 0x01020304 ||
        out->format != FORMAT || out->sum != header_sum(out) || out->count > SIZE_MAX)
        return false;
    s->count = (size_t)out->count;
    return lay_out(s, out) && (uint64_t)info.st_size == s->size;
}

bool snapshot_open(snapshot *out, const char *path, const char *token, const store_packing *packing)
{
    header found, wanted;
    bool fine = read_header(&found, out, path, O_RDONLY);

    header_fill(&wanted, token, packing, out->count);
    fine = fine && memcmp(&found, &wanted, sizeof found) == 0 && map_file(out, PROT_READ) &&
           lay_out(out, &found) && shared_is_whole(out);
    if (!fine) {
        snapshot_close(out);
        return false;
    }
    close(out->fd);
    out->fd = -1;
    return true;
}

/* ---- making ---- */

static bool is_named(int fd, const char *path)
{
    struct stat mine, named;

    return fstat(fd, &mine) == 0 && stat(path, &named) == 0 && mine.st_ino == named.st_ino &&
           mine.st_dev == named.st_dev && S_ISREG(mine.st_mode);
}

/* Locked, and still the file of this name: a maker that finishes gives its file another one. */
static bool lock_file(int fd, const char *path)
{
    return flock(fd, LOCK_EX | LOCK_NB) == 0 && is_named(fd, path);
}

bool snapshot_is_named(const snapshot *s, const char *path)
{
    return is_named(s->fd, path);
}

bool snapshot_make(snapshot *out, const char *path, const char *token, const store_packing *packing,
                   size_t count)
{
    header h;
    bool fine;

    header_fill(&h, token, packing, count);
    *out = (snapshot){ .count = count,
                       .fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600) };
    /* Takes over the file of a killed maker, whose lock is gone. */
    fine = out->fd >= 0 && lock_file(out->fd, path);
    if (!fine) {
        snapshot_close(out);
        return false;
    }
    fine = lay_out(out, &h) && ftruncate(out->fd, 0) == 0 &&
           posix_fallocate(out->fd, 0, (off_t)out->size) == 0 &&
           map_file(out, PROT_READ | PROT_WRITE) && lay_out(out, &h);
    if (fine) {
        memcpy(out->map, &h, sizeof h);
        snapshot_seal_shared(out);
    } else {
        unlink(path);
        snapshot_close(out);
    }
    return fine;
}

/* ---- rows ---- */

static uint64_t row_sum(const snapshot *s, size_t row)
{
    uint64_t sum =
        hash_fast(&s->view_id[row], sizeof s->view_id[row], s->last_sum[row] ^ (uint64_t)row);

    for (int i = 0; i < STORE_PARTS - 1; i++)
        sum = hash_fast(s->part[i] + row * s->part_size[i], s->part_size[i], sum);
    return sum;
}

void snapshot_seal_row(snapshot *s, size_t row)
{
    const int last = STORE_PARTS - 1;

    s->last_sum[row] = hash_fast(s->part[last] + row * s->part_size[last], s->part_size[last], 0);
    s->row_sum[row] = row_sum(s, row);
}

bool snapshot_row_is_whole(const snapshot *s, size_t row)
{
    return s->view_id[row] > 0 && s->row_sum[row] == row_sum(s, row);
}

/* ---- scrubbing ---- */

void snapshot_zero_row(snapshot *s, size_t row)
{
    for (int i = 0; i < STORE_PARTS; i++)
        memset(s->part[i] + row * s->part_size[i], 0, s->part_size[i]);
    s->row_sum[row] = s->last_sum[row] = 0;
    s->view_id[row] = 0;
}

static int compare_ids(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;

    return (a > b) - (a < b);
}

/* The rows of these views (ascending). An invalid file is removed: everything in it can be
 * computed again. */
static rap_status scrub_file(const char *path, const int64_t *view_id, size_t count, rap_err *err)
{
    snapshot s;
    header h;
    bool any = false, failed;

    if (!read_header(&h, &s, path, O_RDWR) || !map_file(&s, PROT_READ | PROT_WRITE) ||
        !lay_out(&s, &h)) {
        snapshot_close(&s);
        failed = unlink(path) != 0 && errno != ENOENT;
        return failed ? err_set(err, RAP_E_IO, "%s: cannot be removed", path) : RAP_OK;
    }
    for (size_t row = 0; row < s.count; row++) {
        if (!s.view_id[row] ||
            !bsearch(&s.view_id[row], view_id, count, sizeof *view_id, compare_ids))
            continue;
        snapshot_zero_row(&s, row);
        any = true;
    }
    if (any) /* after the zeros: a reader of the new count sees them too */
        __atomic_fetch_add(s.scrubs, 1, __ATOMIC_RELEASE);
    failed = msync(s.map, s.size, MS_SYNC) != 0;
    snapshot_close(&s);
    return failed ? err_set(err, RAP_E_IO, "%s: writing failed", path) : RAP_OK;
}

/* Removes the file of a killed maker. */
static void remove_leftover(const char *path)
{
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);

    if (fd >= 0 && lock_file(fd, path))
        unlink(path);
    if (fd >= 0)
        close(fd);
}

void snapshot_remove_leftovers(store *s)
{
    sqlite3_stmt *statement = NULL;
    bool row = false;
    rap_status status = db_borrow(&statement, &s->d, NULL, "SELECT id FROM encoder", "");

    while (status == RAP_OK && (status = db_step(&row, &s->d, statement, NULL)) == RAP_OK && row) {
        char *path = snapshot_path(s, sqlite3_column_int64(statement, 0), true);

        if (path)
            remove_leftover(path);
        free(path);
    }
    db_give_back(&s->d, statement);
}

rap_status snapshot_drop(store *s, int64_t encoder_id, rap_err *err)
{
    char *path = snapshot_path(s, encoder_id, false), *fresh = snapshot_path(s, encoder_id, true);
    bool removed = path && fresh && (unlink(fresh) == 0 || errno == ENOENT) &&
                   (unlink(path) == 0 || errno == ENOENT);
    rap_status status = RAP_OK;

    if (!path || !fresh)
        status = err_memory(err, "removing packed vectors");
    else if (!removed)
        status = err_set(err, RAP_E_IO, "%s: cannot be removed", path);
    free(path);
    free(fresh);
    return status == RAP_OK
               ? db_run(&s->d, err, "DELETE FROM snapshot WHERE encoder_id = ?", "i", encoder_id)
               : status;
}

/* The maker of a snapshot detects by itself what was forgotten meanwhile; a replaced vector it cannot detect, so
 * its file is removed. */
static rap_status scrub_encoder(store *s, int64_t encoder_id, const int64_t *view_id, size_t count,
                                bool replaced, rap_err *err)
{
    char *path = snapshot_path(s, encoder_id, false), *fresh = snapshot_path(s, encoder_id, true);
    rap_status status = RAP_OK;

    if (path && fresh) {
        if (replaced)
            unlink(fresh);
        else
            remove_leftover(fresh);
        status = scrub_file(path, view_id, count, err);
    } else {
        status = err_memory(err, "forgetting vectors");
    }
    free(path);
    free(fresh);
    return status;
}

/* ---- vectors that a transaction removes ---- */

rap_status snapshot_will_scrub(store *s, int64_t encoder_id, int64_t view_id, bool replaced,
                               rap_err *err)
{
    if (s->gone_count == s->gone_room) {
        size_t room = s->gone_room ? 2 * s->gone_room : 16, bytes;
        gone_vector *grown = mem_mul(&bytes, room, sizeof *grown) ? realloc(s->gone, bytes) : NULL;

        if (!grown)
            return err_memory(err, "forgetting vectors");
        s->gone = grown;
        s->gone_room = room;
    }
    s->gone[s->gone_count++] = (gone_vector){ encoder_id, view_id, replaced };
    return RAP_OK;
}

rap_status snapshot_will_scrub_concept(store *s, int64_t concept_id, rap_err *err)
{
    sqlite3_stmt *statement = NULL;
    bool row = false;
    rap_status status = db_borrow(&statement, &s->d, err,
                                  "SELECT k.encoder_id, k.view_id FROM view v"
                                  " JOIN key k ON k.view_id = v.id WHERE v.concept_id = ?",
                                  "i", concept_id);

    while (status == RAP_OK && (status = db_step(&row, &s->d, statement, err)) == RAP_OK && row)
        status = snapshot_will_scrub(s, sqlite3_column_int64(statement, 0),
                                     sqlite3_column_int64(statement, 1), false, err);
    db_give_back(&s->d, statement);
    return status;
}

static int compare_gone(const void *left, const void *right)
{
    const gone_vector *a = left, *b = right;

    if (a->encoder_id != b->encoder_id)
        return a->encoder_id < b->encoder_id ? -1 : 1;
    return (a->view_id > b->view_id) - (a->view_id < b->view_id);
}

rap_status snapshot_scrub(store *s, rap_err *err)
{
    int64_t *view_id;
    rap_status status = RAP_OK;

    if (!s->gone_count)
        return RAP_OK;
    if (!(view_id = mem_array(s->gone_count, sizeof *view_id)))
        return err_memory(err, "forgetting vectors");
    qsort(s->gone, s->gone_count, sizeof *s->gone, compare_gone);
    for (size_t from = 0, to; status == RAP_OK && from < s->gone_count; from = to) {
        int64_t encoder = s->gone[from].encoder_id;
        bool replaced = false;

        for (to = from; to < s->gone_count && s->gone[to].encoder_id == encoder; to++) {
            view_id[to - from] = s->gone[to].view_id;
            replaced = replaced || s->gone[to].replaced;
        }
        status = scrub_encoder(s, encoder, view_id, to - from, replaced, err);
    }
    free(view_id);
    return status;
}

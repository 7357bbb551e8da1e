/* annotate_log.c: the table of keys, then the file. */
#include "dataset/annotate_log.h"

#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

enum { LONGEST_LINE = 4 << 20 };

typedef struct slot {
    uint64_t key[2];
    int64_t place; /* of its line; −1: not answered */
    int stage;     /* that it was claimed at */
    bool used;
} slot;

struct annotate_log {
    char *path;
    int fd; /* −1: the file is absent */
    int64_t size;
    slot *slot;
    size_t count, room; /* room: a power of two */
    pthread_mutex_t lock;
};

/* ---- keys ---- */

void annotate_key(char out[ANNOTATE_KEY], const char *const *parts, size_t count)
{
    buf text = BUF_INIT;
    char hex[65] = "";

    for (size_t i = 0; i < count; i++)
        buf_add(&text, parts[i], strlen(parts[i]) + 1);
    sha256_hex(hex, text.data, text.len);
    memcpy(out, hex, 32);
    out[32] = '\0';
    buf_release(&text);
}

static bool read_key(uint64_t out[2], const char *key)
{
    if (strlen(key) != 32 || strspn(key, "0123456789abcdef") != 32)
        return false;
    return sscanf(key, "%16" SCNx64 "%16" SCNx64, &out[0], &out[1]) == 2;
}

/* The slot of the key, or the empty one where it belongs. */
static slot *find(const annotate_log *log, const uint64_t key[2])
{
    size_t at = (size_t)key[0] & (log->room - 1);

    while (log->slot[at].used && memcmp(log->slot[at].key, key, sizeof log->slot[at].key) != 0)
        at = (at + 1) & (log->room - 1);
    return &log->slot[at];
}

static bool grow(annotate_log *log)
{
    annotate_log larger = { .room = log->room ? log->room * 2 : 1024 };

    if (log->count * 2 < log->room)
        return true;
    larger.slot = mem_array(larger.room, sizeof *larger.slot);
    if (!larger.slot)
        return false;
    for (size_t i = 0; i < log->room; i++)
        if (log->slot[i].used)
            *find(&larger, log->slot[i].key) = log->slot[i];
    free(log->slot);
    log->slot = larger.slot;
    log->room = larger.room;
    return true;
}

/* The slot of the key, a new one if need be; NULL: memory ran out. */
static slot *reach(annotate_log *log, const uint64_t key[2])
{
    slot *s;

    if (!grow(log))
        return NULL;
    s = find(log, key);
    if (!s->used) {
        log->count++;
        *s = (slot){ { key[0], key[1] }, -1, 0, true };
    }
    return s;
}

bool annotate_log_claim(annotate_log *log, const char key[ANNOTATE_KEY], int stage)
{
    uint64_t number[2];
    bool mine = false;

    pthread_mutex_lock(&log->lock);
    if (read_key(number, key)) {
        slot *s = reach(log, number);

        mine = !s || s->stage < stage; /* without memory it may come twice, which does no harm */
        if (s && mine)
            s->stage = stage;
    }
    pthread_mutex_unlock(&log->lock);
    return mine;
}

/* Where the key's line is; −1: it is not answered. */
static int64_t place_of(annotate_log *log, const char *key)
{
    uint64_t number[2];
    int64_t place = -1;

    pthread_mutex_lock(&log->lock);
    if (read_key(number, key)) {
        const slot *s = find(log, number);

        place = s->used ? s->place : -1;
    }
    pthread_mutex_unlock(&log->lock);
    return place;
}

bool annotate_log_has(annotate_log *log, const char key[ANNOTATE_KEY])
{
    return place_of(log, key) >= 0;
}

/* ---- the file ---- */

static rap_status take_line(annotate_log *log, const char *text, size_t len, int64_t place,
                            long line, rap_err *err)
{
    json_t *entry = json_loadb(text, len, 0, NULL);
    const char *key = json_string_value(json_object_get(entry, "key"));
    uint64_t number[2];
    slot *s;
    rap_status status = RAP_OK;

    if (!key || !read_key(number, key))
        status = err_set(err, RAP_E_FORMAT,
                         "%s:%ld: not a line of this file; remove the line, or give the file "
                         "another name",
                         log->path, line);
    else if (!(s = reach(log, number)))
        status = err_memory(err, "reading answers");
    else
        s->place = place;
    json_decref(entry);
    return status;
}

/* What a crash left behind the last line's end is no line. */
static rap_status read_lines(annotate_log *log, bool write, rap_err *err)
{
    file_map map = { 0 };
    rap_status status = file_map_open(&map, log->path, err);
    size_t at = 0;

    for (long line = 1; status == RAP_OK && at < map.size; line++) {
        const char *text = (const char *)map.data + at;
        const char *end = memchr(text, '\n', map.size - at);

        if (!end)
            break;
        status = take_line(log, text, (size_t)(end - text), (int64_t)at, line, err);
        at += (size_t)(end - text) + 1;
    }
    log->size = (int64_t)at;
    if (status == RAP_OK && write && at < map.size && ftruncate(log->fd, (off_t)at) != 0)
        status = err_file(err, log->path, "writing");
    file_map_close(&map);
    return status;
}

static rap_status open_file(annotate_log *log, bool write, rap_err *err)
{
    log->fd = open(log->path, write ? O_RDWR | O_CREAT | O_CLOEXEC : O_RDONLY | O_CLOEXEC, 0666);
    if (log->fd < 0 && !write && errno == ENOENT)
        return RAP_OK;
    if (log->fd < 0)
        return err_file(err, log->path, "opening");
    if (write && flock(log->fd, LOCK_EX | LOCK_NB) != 0)
        return err_set(err, RAP_E_BUSY, "%s: another run writes it; wait for its end", log->path);
    return read_lines(log, write, err);
}

rap_status annotate_log_open(annotate_log **out, const char *path, bool write, rap_err *err)
{
    annotate_log *log = mem_array(1, sizeof *log);
    rap_status status;

    *out = NULL;
    if (!log)
        return err_memory(err, "reading answers");
    log->fd = -1;
    pthread_mutex_init(&log->lock, NULL);
    log->path = mem_string(path);
    status =
        log->path && grow(log) ? open_file(log, write, err) : err_memory(err, "reading answers");
    if (status == RAP_OK)
        *out = log;
    else
        annotate_log_close(log);
    return status;
}

void annotate_log_close(annotate_log *log)
{
    if (!log)
        return;
    if (log->fd >= 0)
        close(log->fd);
    pthread_mutex_destroy(&log->lock);
    free(log->slot);
    free(log->path);
    free(log);
}

/* ---- lines ---- */

/* The line at `place`, in pieces. */
static rap_status read_line(buf *out, const annotate_log *log, int64_t place, rap_err *err)
{
    char piece[8192];
    const char *end = NULL;

    while (!end && out->len < LONGEST_LINE) {
        ssize_t got = pread(log->fd, piece, sizeof piece, (off_t)place + (off_t)out->len);

        if (got <= 0)
            return err_file(err, log->path, "reading");
        end = memchr(piece, '\n', (size_t)got);
        buf_add(out, piece, end ? (size_t)(end - piece) : (size_t)got);
    }
    return buf_failed(out) ? err_memory(err, "reading answers") : RAP_OK;
}

rap_status annotate_log_get(json_t **out, annotate_log *log, const char key[ANNOTATE_KEY],
                            rap_err *err)
{
    int64_t place = place_of(log, key);
    buf line = BUF_INIT;
    rap_status status;

    *out = NULL;
    if (place < 0)
        return RAP_OK;
    status = read_line(&line, log, place, err);
    if (status == RAP_OK && !(*out = json_loadb(buf_text(&line), line.len, 0, NULL)))
        status = err_set(err, RAP_E_FORMAT, "%s: changed while it was in use", log->path);
    buf_release(&line);
    return status;
}

/* With the lock held. A line that was written in part is cut off again. */
static rap_status append(annotate_log *log, const uint64_t key[2], const char *line, size_t size,
                         rap_err *err)
{
    size_t written = 0;
    slot *s;

    while (written < size) {
        ssize_t put_now =
            pwrite(log->fd, line + written, size - written, (off_t)log->size + (off_t)written);

        if (put_now < 0 && errno == EINTR)
            continue;
        if (put_now <= 0) {
            rap_status status = err_file(err, log->path, "writing");

            return ftruncate(log->fd, (off_t)log->size) == 0 ? status : RAP_E_IO;
        }
        written += (size_t)put_now;
    }
    s = reach(log, key);
    if (!s)
        return err_memory(err, "keeping an answer");
    s->place = log->size;
    log->size += (int64_t)size;
    return RAP_OK;
}

rap_status annotate_log_add(annotate_log *log, const char key[ANNOTATE_KEY], json_t *entry,
                            rap_err *err)
{
    uint64_t number[2];
    char *text;
    buf line = BUF_INIT;
    rap_status status;

    json_object_set_new(entry, "key", json_string(key));
    text = json_dumps(entry, JSON_COMPACT);
    if (text)
        buf_puts(&line, text);
    buf_putc(&line, '\n');
    free(text);
    json_decref(entry);
    if (!text || buf_failed(&line) || !read_key(number, key)) {
        buf_release(&line);
        return err_memory(err, "keeping an answer");
    }
    pthread_mutex_lock(&log->lock);
    status = append(log, number, line.data, line.len, err);
    pthread_mutex_unlock(&log->lock);
    buf_release(&line);
    return status;
}

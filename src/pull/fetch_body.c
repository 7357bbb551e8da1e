/* fetch_body.c: downloads one blob: resumes it, enforces the announced size, compares the checksum, and only then
 * renames it. */
#include "pull/fetch_inside.h"

#include "base/file.h"
#include "base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <nettle/sha1.h>
#include <nettle/version.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define UNKNOWN_SPARE ((int64_t)1 << 30) /* left free on the disk by a file of unknown size */
#define UNKNOWN_STEP ((int64_t)64 << 20)
#define PROGRESS_STEP \
    ((int64_t)1 << 20) /* after this many new bytes failures are counted from zero */

typedef struct body {
    const fetch *f;
    const fetch_settings *set;
    const char *url;
    char *part; /* blob.incomplete */
    int fd;
    int64_t have;      /* bytes in the file */
    int64_t total;     /* −1 until some reply says it */
    int64_t asked;     /* the request's first byte */
    char etag[128];    /* the ETag of the server that sends the bytes */
    bool resumed;      /* some of the bytes come from an earlier request */
    int64_t limit;     /* the most bytes of a file of unknown size */
    int64_t next_look; /* at this size free disk space is checked again */
} body;

/* ---- the sink ---- */

static rap_status restart(body *b, rap_err *err)
{
    if (ftruncate(b->fd, 0) != 0 || lseek(b->fd, 0, SEEK_SET) != 0)
        return err_set(err, RAP_E_IO, "%s: cannot truncate: %m", b->part);
    b->have = 0;
    b->resumed = false;
    return RAP_OK;
}

static rap_status wrong_size(const body *b, int64_t said, rap_err *err)
{
    return err_set(err, RAP_E_FORMAT,
                   "%s: the server announces %" PRId64 " bytes, expected %" PRId64, b->url, said,
                   b->total);
}

static rap_status begin_body(const http_reply *reply, void *payload, rap_err *err)
{
    body *b = payload;
    int64_t total = reply->code == 206 ? reply->range_total : reply->length;

    if (reply->code == 206 && (b->asked == 0 || reply->range_from != b->asked))
        return err_set(err, RAP_E_FORMAT, "%s: the server sends another range than was requested",
                       b->url);
    if (reply->code == 200 &&
        b->have > 0) { /* the server does not support ranges, or the file has changed */
        rap_status status = restart(b, err);

        if (status != RAP_OK)
            return status;
    }
    if (b->total < 0)
        b->total = total;
    if (total >= 0 && total != b->total)
        return wrong_size(b, total, err);
    if (reply->code == 206 && reply->length >= 0 && b->have + reply->length > b->total)
        return wrong_size(b, b->have + reply->length, err);
    snprintf(b->etag, sizeof b->etag, "%s", reply->weak ? "" : reply->etag);
    return RAP_OK;
}

static rap_status write_bytes(body *b, const char *data, size_t size, rap_err *err)
{
    while (size > 0) {
        ssize_t put = write(b->fd, data, size);

        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return err_set(err, RAP_E_IO, "%s: cannot write: %m", b->part);
        data += put;
        size -= (size_t)put;
        b->have += put;
    }
    return RAP_OK;
}

/* The most bytes of a file of unknown size: what the disk can spare, checked again from time to time. */
static int64_t spare_bytes(const body *b)
{
    struct statvfs space;
    int64_t spare;

    if (fstatvfs(b->fd, &space) != 0)
        return RECIPE_FILE_LIMIT;
    spare = (int64_t)(space.f_bavail < INT64_MAX / space.f_frsize ? space.f_bavail * space.f_frsize
                                                                  : INT64_MAX / 2) -
            UNKNOWN_SPARE;
    spare = spare < 0 ? 0 : spare;
    return spare < RECIPE_FILE_LIMIT - b->have ? b->have + spare : RECIPE_FILE_LIMIT;
}

static rap_status check_unannounced(body *b, size_t size, rap_err *err)
{
    if (b->have >= b->next_look) {
        b->limit = spare_bytes(b);
        b->next_look = b->have + UNKNOWN_STEP;
    }
    if ((int64_t)size <= b->limit - b->have)
        return RAP_OK;
    return err_set(err, RAP_E_LIMIT,
                   "%s: the server does not announce a size, and sent more than the "
                   "%" PRId64
                   " bytes that the disk can spare; free some space, or add the size to the recipe",
                   b->url, b->limit);
}

static rap_status take_bytes(const void *data, size_t size, void *payload, rap_err *err)
{
    body *b = payload;
    rap_status status = RAP_OK;

    if (b->total < 0)
        status = check_unannounced(b, size, err);
    else if ((int64_t)size > b->total - b->have)
        status = err_set(err, RAP_E_FORMAT,
                         "%s: the server sends more than the %" PRId64 " bytes it announced",
                         b->url, b->total);
    if (status != RAP_OK)
        return status;
    status = write_bytes(b, data, size, err);
    if (status == RAP_OK && fetch_tell(b->set, FETCH_BYTES, NULL, b->have, b->total))
        status = fetch_stopped(err);
    return status;
}

/* ---- requests until it is complete ---- */

static rap_status request(body *b, http_reply *reply, rap_err *err)
{
    const http_sink sink = { begin_body, take_bytes, b };
    http_request ask = fetch_request(b->set, b->url);
    rap_status status;

    ask.from = b->asked = b->have;
    ask.if_range = b->etag;
    b->resumed = b->resumed || b->have > 0;
    status = fetch_follow(reply, b->set, &ask, &sink, err);
    if (status != RAP_OK && reply->code == 416 && b->asked > 0) {
        status = restart(b, err);
        ask.from = b->asked = 0;
        if (status == RAP_OK)
            status = fetch_follow(reply, b->set, &ask, &sink, err);
    }
    if (status == RAP_OK && b->total >= 0 && b->have < b->total) {
        reply->again = true;
        status =
            err_set(err, RAP_E_IO, "%s: the transfer ended after %" PRId64 " of %" PRId64 " bytes",
                    b->url, b->have, b->total);
    }
    return status;
}

static rap_status transfer(body *b, rap_err *err)
{
    http_reply reply;
    int attempt = 0;

    http_reply_clear(&reply);
    while (b->total < 0 || b->have < b->total || b->total == 0) {
        int64_t before = b->have;
        rap_status status = request(b, &reply, err);

        if (status == RAP_OK)
            return RAP_OK;
        if (b->have - before >= PROGRESS_STEP)
            attempt = 0;
        status = fetch_again(b->set, attempt++, b->url, &reply, err);
        if (status != RAP_OK)
            return status;
    }
    return RAP_OK;
}

/* ---- the checksum ---- */

rap_status fetch_git_name(char out[41], const char *path, rap_err *err)
{
    uint8_t digest[SHA1_DIGEST_SIZE];
    struct sha1_ctx context;
    char head[40];
    file_map map;
    rap_status status = file_map_open(&map, path, err);

    if (status != RAP_OK)
        return status;
    sha1_init(&context);
    sha1_update(&context, (size_t)snprintf(head, sizeof head, "blob %zu", map.size) + 1,
                (const uint8_t *)head);
    if (map.size)
        sha1_update(&context, map.size, map.data);
#if NETTLE_VERSION_MAJOR >= 4
    sha1_digest(&context, digest);
#else
    sha1_digest(&context, sizeof digest, digest);
#endif
    for (size_t i = 0; i < sizeof digest; i++)
        snprintf(out + 2 * i, 3, "%02x", digest[i]);
    file_map_close(&map);
    return RAP_OK;
}

typedef struct digest {
    const char *want; /* what was asked for */
    char got[65];     /* what arrived */
    bool same;
} digest;

static rap_status check(digest *d, const body *b, rap_err *err)
{
    const fetch *f = b->f;
    rap_status status = RAP_OK;

    *d = (digest){ .want = f->etag, .same = true };
    fetch_tell(b->set, FETCH_CHECK, NULL, b->have, b->total);
    if (strlen(f->etag) == 40) {
        status = fetch_git_name(d->got, b->part, err);
        d->same = status == RAP_OK && strcmp(d->got, d->want) == 0;
    }
    if (status == RAP_OK && d->same && (*f->file->sha256 || strlen(f->etag) == 64)) {
        d->want = *f->file->sha256 ? f->file->sha256 : f->etag;
        status = file_sha256(d->got, b->part, err);
        d->same = status == RAP_OK && strcmp(d->got, d->want) == 0;
    }
    return status;
}

/* A resumed transfer may have joined two versions of a file: on a wrong checksum it starts again from zero, once. */
static rap_status transfer_checked(body *b, rap_err *err)
{
    digest d = { 0 };
    rap_status status = transfer(b, err);

    if (status == RAP_OK)
        status = check(&d, b, err);
    if (status == RAP_OK && !d.same && b->resumed) {
        status = restart(b, err);
        if (status == RAP_OK)
            status = transfer(b, err);
        if (status == RAP_OK)
            status = check(&d, b, err);
    }
    if (status != RAP_OK || d.same)
        return status;
    unlink(b->part);
    return err_set(err, RAP_E_FORMAT,
                   "%s: wrong checksum %s, expected %s; the download was discarded", b->url, d.got,
                   d.want);
}

static rap_status open_part(body *b, rap_err *err)
{
    struct stat info;

    b->fd = open(b->part, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (b->fd < 0 || fstat(b->fd, &info) != 0)
        return err_set(err, RAP_E_IO, "%s: cannot open: %m", b->part);
    b->have = (int64_t)info.st_size;
    b->resumed = b->have > 0;
    if (b->total >= 0 && b->have > b->total)
        return restart(b, err);
    if (lseek(b->fd, b->have, SEEK_SET) != b->have)
        return err_set(err, RAP_E_IO, "%s: cannot seek: %m", b->part);
    return RAP_OK;
}

rap_status fetch_body(fetch *f, const fetch_settings *set, const char *blob, rap_err *err)
{
    body b = { .f = f, .set = set, .fd = -1, .total = f->bytes };
    char *url = hub_url(set->hub, f->source, f->commit, f->file->path);
    rap_status status = RAP_OK;

    b.url = url;
    if (!url || asprintf(&b.part, "%s.incomplete", blob) < 0) {
        b.part = NULL;
        status = err_memory(err, "downloading");
    }
    if (status == RAP_OK)
        status = open_part(&b, err);
    if (status == RAP_OK)
        status = transfer_checked(&b, err);
    if (status == RAP_OK && (fsync(b.fd) != 0 || rename(b.part, blob) != 0))
        status = err_set(err, RAP_E_IO, "%s: cannot save: %m", blob);
    if (status == RAP_OK)
        status = path_sync(blob, err);
    f->have = b.have;
    if (b.fd >= 0)
        close(b.fd);
    free(b.part);
    free(url);
    return status;
}

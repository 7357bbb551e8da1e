/* file.h: whole files, mappings, folders, checksums; includes path.h. */
#ifndef RAP_BASE_FILE_H
#define RAP_BASE_FILE_H

#include "base/err.h"
#include "base/path.h"

#include <stdbool.h>
#include <stdint.h>

/* Reads a regular file of at most `limit` bytes; out is NUL-ended past size; free() it. A folder, a pipe, a device, a
 * missing file and one over the limit are errors that say so. */
rap_status file_read(char **out, size_t *out_size, const char *path, size_t limit, rap_err *err);
/* The same, but also reads a pipe (/dev/stdin, /dev/fd/63, a FIFO) to its end, waiting up to five minutes for a byte. */
rap_status file_read_stream(char **out, size_t *out_size, const char *path, size_t limit,
                            rap_err *err);

/* Writes atomically: a temporary file in the same folder, fsync, rename, fsync of the folder. */
rap_status file_write(const char *path, const void *bytes, size_t size, rap_err *err);
typedef struct file_part {
    const void *bytes;
    size_t size;
} file_part;
/* The same from several pieces, one after the other. */
rap_status file_write_parts(const char *path, const file_part *parts, size_t count, rap_err *err);
/* The same without fsync: for files that can be made again, and whose reader notices damage by a power cut. */
rap_status file_write_cache(const char *path, const file_part *parts, size_t count, rap_err *err);

/* For files that are written in pieces: all the bytes, or false and errno. */
bool file_put(int fd, const void *bytes, size_t size);
/* RAP_E_IO when the file system of `fd` has less than `bytes` free; `path` is what the error calls the file. */
rap_status file_room(int fd, uint64_t bytes, const char *path, rap_err *err);

/* Changes when a file is written to or replaced. */
typedef struct file_state {
    uint64_t device, inode, size, modified, changed; /* times in nanoseconds */
} file_state;
bool file_identify(file_state *out, const char *path); /* false: not an accessible regular file */

typedef struct file_map {
    const uint8_t *data; /* NULL when empty */
    size_t size;
} file_map;
rap_status file_map_open(file_map *out, const char *path, rap_err *err); /* read-only, regular files */
void file_map_close(file_map *map);

bool file_exists(const char *path);
bool file_is_folder(const char *path);
rap_status file_make_folders(const char *path, rap_err *err); /* mkdir -p of `path`, on disk when it returns */

/* An error if `out` is the file `in`, or a file anywhere in the folder `in`, compared by device and inode, so that links
 * hide nothing. In a folder, an empty file may be replaced, and one that begins with `again` (NULL: none), written by an
 * earlier run. A NULL or missing file is not an input. */
rap_status file_spare(const char *out, const char *in, const char *again, rap_err *err);
/* The same for the folder of the file `in`, whose other files are inputs too. */
rap_status file_spare_beside(const char *out, const char *in, const char *again, rap_err *err);

/* SHA-256 as 64 hex digits and NUL. */
void sha256_hex(char out[65], const void *bytes, size_t size);
rap_status file_sha256(char out[65], const char *path, rap_err *err);

#endif

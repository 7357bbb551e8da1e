/* torch_zip.c: reads torch.save's zip archives.
 *
 * Read torch_zip_open() first: it finds the end record (plain or 64-bit), lists the central
 * directory, locates each entry's bytes through its local header, and checks that no two entries
 * overlap. */
#include "formats/torch_zip.h"
#include "base/file.h"
#include "base/file_kind.h"
#include "base/mem.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { END_SIZE = 22, LOCATOR_SIZE = 20, END64_SIZE = 56, CENTRAL_SIZE = 46, LOCAL_SIZE = 30 };
enum { MAX_ENTRIES = 200000, METHOD_STORED = 0, METHOD_DEFLATED = 8, FLAG_ENCRYPTED = 1 };
enum { DEFLATE_MAX_RATIO = 1040 }; /* most that deflate can expand one byte */
/* All entries together may inflate to this many times the file's size, and in any case to this
 * many bytes: weights hardly compress. */
enum { INFLATED_RATIO = 16, INFLATED_BYTES = 256 << 20 };

typedef struct zip_entry {
    const char *name; /* in the mapping, not NUL-terminated, without the top folder */
    size_t name_len;
    uint64_t start, end; /* from the local header to the last byte of data */
    const uint8_t *data;
    uint64_t packed, size; /* compressed and uncompressed bytes */
    uint32_t crc;
    int method;
    uint8_t *inflated; /* NULL until read */
    bool checked;
} zip_entry;

struct torch_zip {
    char *path;
    file_map map;
    zip_entry *entries; /* sorted by name */
    uint64_t inflated;  /* total bytes so far */
    size_t count;
};

typedef struct directory {
    uint64_t count, size, offset;
} directory;

static uint16_t u16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static uint32_t u32(const uint8_t *p)
{
    return u16(p) | (uint32_t)u16(p + 2) << 16;
}

static uint64_t u64(const uint8_t *p)
{
    return u32(p) | (uint64_t)u32(p + 4) << 32;
}

static rap_status damaged(const torch_zip *z, const char *reason, rap_err *err)
{
    return err_set(err, RAP_E_FORMAT, "%s: damaged archive: %s", z->path, reason);
}

/* ---- the end record ----------------------------------------------------------------------- */

static const uint8_t *find_end(const torch_zip *z)
{
    if (z->map.size < END_SIZE)
        return NULL;
    size_t last = z->map.size - END_SIZE, back = last < 65535 ? last : 65535;
    for (size_t i = 0; i <= back; i++) {
        const uint8_t *p = z->map.data + last - i;
        if (u32(p) == 0x06054b50 && u16(p + 20) == i)
            return p;
    }
    return NULL;
}

static rap_status read_end64(directory *out, const torch_zip *z, const uint8_t *end, rap_err *err)
{
    if (end - z->map.data < LOCATOR_SIZE || u32(end - LOCATOR_SIZE) != 0x07064b50)
        return RAP_OK; /* a plain archive */
    uint64_t at = u64(end - LOCATOR_SIZE + 8);
    if (z->map.size < END64_SIZE || at > z->map.size - END64_SIZE ||
        u32(z->map.data + at) != 0x06064b50)
        return damaged(z, "its 64-bit end record is not where it should be", err);
    const uint8_t *p = z->map.data + at;
    out->count = u64(p + 32);
    out->size = u64(p + 40);
    out->offset = u64(p + 48);
    return RAP_OK;
}

/* A zip archive without its end, or another kind of file. */
static rap_status cut_short_or_foreign(const torch_zip *z, rap_err *err)
{
    if (file_kind_of(z->map.data, z->map.size) == FILE_KIND_ZIP)
        return err_set(err, RAP_E_FORMAT,
                       "%s: the archive has no end, so it is truncated: copy or download it again",
                       z->path);
    return file_kind_refuse(z->path, "not a checkpoint written by torch.save", z->map.data,
                            z->map.size, err);
}

static rap_status read_end(directory *out, const torch_zip *z, rap_err *err)
{
    const uint8_t *end = find_end(z);
    if (!end)
        return cut_short_or_foreign(z, err);
    out->count = u16(end + 10);
    out->size = u32(end + 12);
    out->offset = u32(end + 16);
    rap_status status = read_end64(out, z, end, err);
    if (status != RAP_OK)
        return status;
    if (out->offset > z->map.size || out->size > z->map.size - out->offset)
        return damaged(z, "its directory is outside the file", err);
    if (out->count == 0 || out->count > MAX_ENTRIES || out->count > out->size / CENTRAL_SIZE)
        return damaged(z, "its directory has an impossible number of entries", err);
    return RAP_OK;
}

/* ---- entries ------------------------------------------------------------------------------ */

/* Sizes of 4 GiB and more are in extra field 1, in this order, only those whose normal field is
 * all ones. */
static bool read_extra64(zip_entry *e, uint64_t *offset, const uint8_t *extra, size_t len)
{
    uint64_t *wanted[3] = { &e->size, &e->packed, offset };
    while (len >= 4) {
        size_t id = u16(extra), part = u16(extra + 2);
        if (part > len - 4)
            return false;
        const uint8_t *p = extra + 4, *stop = p + part;
        for (int i = 0; id == 1 && i < 3; i++) {
            if (*wanted[i] != 0xffffffff)
                continue;
            if (stop - p < 8)
                return false;
            *wanted[i] = u64(p);
            p += 8;
        }
        extra += 4 + part;
        len -= 4 + part;
    }
    return true;
}

/* Finds the entry's bytes through its local header, whose lengths may differ from the directory's. */
static rap_status locate(zip_entry *e, const torch_zip *z, uint64_t offset, const uint8_t *name,
                         size_t name_len, rap_err *err)
{
    if (z->map.size < LOCAL_SIZE || offset > z->map.size - LOCAL_SIZE)
        return damaged(z, "an entry lies outside the file", err);
    const uint8_t *p = z->map.data + offset;
    size_t rest = z->map.size - (size_t)offset - LOCAL_SIZE,
           skip = (size_t)u16(p + 26) + u16(p + 28);
    if (u32(p) != 0x04034b50)
        return damaged(z, "an entry is not where the directory says", err);
    if (skip > rest || e->packed > rest - skip)
        return damaged(z, "an entry lies outside the file", err);
    if (u16(p + 26) != name_len || memcmp(p + LOCAL_SIZE, name, name_len) ||
        u16(p + 8) != e->method)
        return damaged(z, "an entry contradicts the directory", err);
    e->data = p + LOCAL_SIZE + skip;
    e->start = offset;
    e->end = (uint64_t)(e->data - z->map.data) + e->packed;
    return RAP_OK;
}

static rap_status check_sizes(const zip_entry *e, const torch_zip *z, rap_err *err)
{
    if (e->method == METHOD_STORED && e->size == e->packed)
        return RAP_OK;
    if (e->method == METHOD_DEFLATED && e->size / DEFLATE_MAX_RATIO <= e->packed)
        return RAP_OK;
    if (e->method == METHOD_STORED || e->method == METHOD_DEFLATED)
        return damaged(z, "an entry's sizes contradict each other", err);
    return err_set(err, RAP_E_UNSUPPORTED, "%s: an entry uses compression method %d", z->path,
                   e->method);
}

/* Reads one directory record and moves `*at` past it. */
static rap_status read_entry(zip_entry *e, const torch_zip *z, const uint8_t **at,
                             const uint8_t *stop, rap_err *err)
{
    const uint8_t *p = *at;
    if (stop - p < CENTRAL_SIZE || u32(p) != 0x02014b50)
        return damaged(z, "its directory is cut short", err);
    size_t name_len = u16(p + 28), extra_len = u16(p + 30), comment_len = u16(p + 32);
    const uint8_t *name = p + CENTRAL_SIZE;
    if ((size_t)(stop - name) < name_len + extra_len + comment_len)
        return damaged(z, "its directory is cut short", err);
    if (u16(p + 8) & FLAG_ENCRYPTED)
        return err_set(err, RAP_E_UNSUPPORTED, "%s: the archive is encrypted", z->path);
    e->method = u16(p + 10);
    e->crc = u32(p + 16);
    e->packed = u32(p + 20);
    e->size = u32(p + 24);
    uint64_t offset = u32(p + 42);
    if (!read_extra64(e, &offset, name + name_len, extra_len))
        return damaged(z, "an entry's 64-bit sizes are cut short", err);
    const uint8_t *slash = memchr(name, '/', name_len);
    e->name = slash ? (const char *)slash + 1 : (const char *)name;
    e->name_len = name_len - (size_t)(e->name - (const char *)name);
    *at = name + name_len + extra_len + comment_len;
    rap_status status = check_sizes(e, z, err);
    return status == RAP_OK ? locate(e, z, offset, name, name_len, err) : status;
}

static int compare_text(const char *a, size_t a_len, const char *b, size_t b_len)
{
    int order = memcmp(a, b, a_len < b_len ? a_len : b_len);
    return order ? order : (a_len > b_len) - (a_len < b_len);
}

static int by_name(const void *a, const void *b)
{
    const zip_entry *x = a, *y = b;
    return compare_text(x->name, x->name_len, y->name, y->name_len);
}

static int by_place(const void *a, const void *b)
{
    const zip_entry *x = a, *y = b;
    return (x->start > y->start) - (x->start < y->start);
}

static rap_status check_entries(torch_zip *z, rap_err *err)
{
    qsort(z->entries, z->count, sizeof *z->entries, by_place);
    for (size_t i = 1; i < z->count; i++)
        if (z->entries[i].start < z->entries[i - 1].end)
            return damaged(z, "two entries overlap", err);
    qsort(z->entries, z->count, sizeof *z->entries, by_name);
    for (size_t i = 1; i < z->count; i++)
        if (by_name(&z->entries[i - 1], &z->entries[i]) == 0)
            return damaged(z, "two entries have the same name", err);
    return RAP_OK;
}

static rap_status read_directory(torch_zip *z, rap_err *err)
{
    directory d = { 0 };
    rap_status status = read_end(&d, z, err);
    if (status != RAP_OK)
        return status;
    z->entries = mem_array((size_t)d.count, sizeof *z->entries);
    if (!z->entries)
        return err_memory(err, "reading an archive");
    const uint8_t *at = z->map.data + d.offset, *stop = at + d.size;
    for (z->count = 0; z->count < d.count; z->count++) {
        status = read_entry(&z->entries[z->count], z, &at, stop, err);
        if (status != RAP_OK)
            return status;
        if (z->entries[z->count].end > d.offset)
            return damaged(z, "an entry overlaps the directory", err);
    }
    return check_entries(z, err);
}

rap_status torch_zip_open(torch_zip **out, const char *path, rap_err *err)
{
    torch_zip *z = mem_array(1, sizeof *z);
    rap_status status;

    *out = NULL;
    if (!z || !(z->path = mem_string(path))) {
        status = err_memory(err, "reading an archive");
        goto cleanup;
    }
    if ((status = file_map_open(&z->map, path, err)) != RAP_OK ||
        (status = read_directory(z, err)) != RAP_OK)
        goto cleanup;
    *out = z;
    z = NULL;
cleanup:
    torch_zip_close(z);
    return status;
}

void torch_zip_close(torch_zip *z)
{
    if (!z)
        return;
    for (size_t i = 0; z->entries && i < z->count; i++)
        free(z->entries[i].inflated);
    free(z->entries);
    file_map_close(&z->map);
    free(z->path);
    free(z);
}

const char *torch_zip_path(const torch_zip *z)
{
    return z->path;
}

/* ---- reading ------------------------------------------------------------------------------ */

static zip_entry *find(const torch_zip *z, const char *name)
{
    zip_entry key = { .name = name, .name_len = strlen(name) };
    return bsearch(&key, z->entries, z->count, sizeof key, by_name);
}

int torch_zip_has(const torch_zip *z, const char *name)
{
    return find(z, name) != NULL;
}

/* Passes z_stream its input and output in pieces, because its counters have 32 bits. */
static bool inflate_exactly(uint8_t *out, uint64_t size, const uint8_t *in, uint64_t packed)
{
    z_stream s = { .next_in = (Bytef *)in, .next_out = out };
    uint64_t in_left = packed, out_left = size;
    int code = Z_OK;
    if (inflateInit2(&s, -MAX_WBITS) != Z_OK)
        return false;
    while (code == Z_OK) {
        uInt in_piece = in_left > 1u << 30 ? 1u << 30 : (uInt)in_left;
        uInt out_piece = out_left > 1u << 30 ? 1u << 30 : (uInt)out_left;
        s.avail_in = in_piece;
        s.avail_out = out_piece;
        code = inflate(&s, Z_NO_FLUSH);
        in_left -= in_piece - s.avail_in;
        out_left -= out_piece - s.avail_out;
    }
    inflateEnd(&s);
    return code == Z_STREAM_END && out_left == 0;
}

static rap_status inflate_entry(zip_entry *e, torch_zip *z, rap_err *err)
{
    uint64_t most = (uint64_t)z->map.size * INFLATED_RATIO + INFLATED_BYTES;
    if (e->size > most - z->inflated)
        return err_set(err, RAP_E_LIMIT,
                       "%s: inflates to more than %d times its size, too much for a checkpoint",
                       z->path, INFLATED_RATIO);
    z->inflated += e->size;
    e->inflated = malloc(e->size ? (size_t)e->size : 1);
    if (!e->inflated)
        return err_memory(err, "inflating a checkpoint");
    if (inflate_exactly(e->inflated, e->size, e->data, e->packed))
        return RAP_OK;
    free(e->inflated);
    e->inflated = NULL;
    return damaged(z, "an entry does not inflate to its size", err);
}

rap_status torch_zip_read(torch_zip *z, const char *name, size_t most, const uint8_t **out,
                          size_t *out_size, rap_err *err)
{
    zip_entry *e = find(z, name);
    if (!e)
        return err_set(err, RAP_E_FORMAT, "%s: the archive has no entry '%s'", z->path, name);
    if (e->size > most)
        return err_set(err, RAP_E_LIMIT, "%s: entry '%s' has more than %zu bytes", z->path, name,
                       most);
    if (e->method == METHOD_DEFLATED && !e->inflated) {
        rap_status status = inflate_entry(e, z, err);
        if (status != RAP_OK)
            return status;
    }
    *out = e->inflated ? e->inflated : e->data;
    *out_size = (size_t)e->size;
    if (!e->checked && crc32_z(0, *out, *out_size) != e->crc)
        return err_set(err, RAP_E_FORMAT, "%s: damaged archive: entry '%s' fails its checksum",
                       z->path, name);
    e->checked = true;
    return RAP_OK;
}

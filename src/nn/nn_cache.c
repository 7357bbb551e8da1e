/* nn_cache.c: packed weights in a memory-mapped file.
 *
 *     head [1]     entry [count]     data, each aligned to 64 bytes
 *
 * A cache is valid for one state of one GGUF (device, inode, size and both timestamps: writing to
 * a file changes at least one of them), one packing version, one precision and one set of kernels.
 * It is used only after the checksums of head, entries and data match and every offset is inside
 * the file; otherwise the weights are packed again and the file is replaced. A background thread
 * writes it under a temporary name and renames it, without syncing to disk: a torn file fails its
 * checksums. Entries of the old file that this context did not need are copied into the new one,
 * because CLIP's image and text halves run in two contexts. If two processes write at once, one
 * may drop the other's entries; the next start adds them again.
 *
 * A weight in one of oneDNN's layouts is known by how its numbers are arranged; one whose arrangement oneDNN does not tell is
 * not cached. */
#include "nn/nn_cache.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"

#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum {
    PACKING = 4, /* increment when the meaning of packed weights changes */
    ALIGNMENT = 64,
    SUM_ROOM = 72
};
#define FEW_BYTES ((uint64_t)32 << 20) /* of a GGUF: quick to pack anyway */

typedef struct head {
    char magic[8];
    uint32_t packing, precision;
    uint32_t vector, byte_limit; /* of the kernels the weights were packed for */
    file_state file;
    uint64_t count;
    char sum[SUM_ROOM]; /* SHA-256 of the GGUF */
    uint64_t hash;      /* of the head (with this field 0) and the entries */
} head;

typedef struct entry {
    uint32_t tensor; /* its index in the GGUF */
    uint16_t method, flags;
    uint64_t layout; /* of a weight in one of oneDNN's layouts; 0: in one of ours */
    uint64_t offset, bytes, hash;
} entry;

struct nn_cache {
    const gguf_file *weights;
    char *path;
    head wanted; /* the expected head, up to `count` */
    file_map map;
    const head *head; /* in the mapping; NULL: no valid cache */
    const entry *entries;
    /* the write in progress, if writer_of is this process */
    const nn_packed *list;
    char sum[SUM_ROOM];
    pthread_t writer;
    pid_t writer_of;
};

static const char magic[8] = { 'r', 'a', 'p', 'p', 'a', 'c', 'k', '\n' };

/* ---- location ----------------------------------------------------------------------------- */

char *nn_cache_folder(void)
{
    const char *own = getenv("RAP_PACK_CACHE"), *cache = getenv("XDG_CACHE_HOME");
    const char *home = getenv("HOME");
    if (own && *own)
        return strcmp(own, "0") ? mem_string(own) : NULL;
    if (cache && *cache == '/')
        return path_join(cache, "rap/packed");
    return home && *home == '/' ? path_join(home, ".cache/rap/packed") : NULL;
}

static bool is_worth_it(const file_state *file)
{
    const char *own = getenv("RAP_PACK_CACHE");
    return file->size >= FEW_BYTES || (own && *own);
}

/* The suffix of the file name for this precision. */
static const char *precision_name(nn_precision p)
{
    return p == NN_INT8 ? "-i8" : p == NN_BF16 ? "-bf16" : "";
}

/* One file per GGUF path, precision and vector width (machines with different processors may share
 * a home directory). When the GGUF changes, the new cache replaces the old one. */
static char *cache_path(const gguf_file *weights, nn_precision p)
{
    char name[160];
    char *folder = nn_cache_folder(), *real = realpath(gguf_file_path(weights), NULL);
    char *path = NULL;
    if (folder && real) {
        snprintf(name, sizeof name, "%.100s-%016llx%s-v%d.pack", path_base(real),
                 (unsigned long long)hash_fast(real, strlen(real), 0), precision_name(p),
                 nn_kernels_used()->vector);
        path = path_join(folder, name);
    }
    free(real);
    free(folder);
    return path;
}

/* ---- reading ------------------------------------------------------------------------------ */

static uint64_t table_hash(const head *h, const entry *entries)
{
    head blank = *h;
    blank.hash = 0;
    return hash_fast(entries, (size_t)h->count * sizeof *entries,
                     hash_fast(&blank, sizeof blank, 0));
}

static bool table_is_good(const nn_cache *c, const head *h)
{
    size_t size = c->map.size;
    const entry *e = (const entry *)(const void *)(c->map.data + sizeof *h);
    if (size < sizeof *h || memcmp(h, &c->wanted, offsetof(head, count)))
        return false;
    if (h->count > (size - sizeof *h) / sizeof *e || table_hash(h, e) != h->hash ||
        !memchr(h->sum, '\0', sizeof h->sum))
        return false;
    for (uint64_t i = 0; i < h->count; i++)
        if (e[i].offset % ALIGNMENT || e[i].offset > size || e[i].bytes > size - e[i].offset)
            return false;
    return true;
}

nn_cache *nn_cache_open(const gguf_file *weights, nn_precision p)
{
    file_state file;
    rap_err ignored;
    if (!weights || !gguf_file_state(weights, &file) || !is_worth_it(&file))
        return NULL;
    nn_cache *c = mem_array(1, sizeof *c);
    if (!c || !(c->path = cache_path(weights, p))) {
        free(c);
        return NULL;
    }
    c->weights = weights;
    memcpy(c->wanted.magic, magic, sizeof magic);
    c->wanted.packing = PACKING;
    c->wanted.precision = p;
    c->wanted.vector = (uint32_t)nn_kernels_used()->vector;
    c->wanted.byte_limit = (uint32_t)nn_kernels_used()->byte_limit;
    c->wanted.file = file;
    const head *h;
    if (file_map_open(&c->map, c->path, &ignored) == RAP_OK && c->map.data) {
        h = (const head *)(const void *)c->map.data;
        if (table_is_good(c, h)) {
            c->head = h;
            c->entries = (const entry *)(const void *)(h + 1);
        }
    }
    return c;
}

static entry describe(const nn_cache *c, const nn_packed *p)
{
    return (entry){ .tensor = (uint32_t)(p->tensor - gguf_tensor_at(c->weights, 0)),
                    .method = (uint16_t)p->method,
                    .flags = (uint16_t)(p->in_out | p->rounded << 1),
                    .layout = p->layout_id,
                    .bytes = p->bytes };
}

/* The same weight in the same packed form? */
static bool is_same_form(const entry *a, const entry *b)
{
    return a->tensor == b->tensor && a->method == b->method && a->flags == b->flags &&
           a->layout == b->layout;
}

void *nn_cache_find(const nn_cache *c, const nn_packed *like, size_t bytes)
{
    if (!c || !c->head)
        return NULL;
    entry want = describe(c, like);
    for (uint64_t i = 0; i < c->head->count; i++) {
        const entry *e = &c->entries[i];
        if (!is_same_form(e, &want))
            continue;
        const uint8_t *data = c->map.data + e->offset;
        bool good = e->bytes == bytes && hash_fast(data, bytes, 0) == e->hash;
        return good ? (void *)(uintptr_t)data : NULL; /* read-only */
    }
    return NULL;
}

const char *nn_cache_sum(const nn_cache *c)
{
    return c && c->head ? c->head->sum : "";
}

/* ---- writing ------------------------------------------------------------------------------ */

static bool is_kept(const nn_packed *p)
{
    return p->method == NN_METHOD_DNNL ? p->layout_id != 0 : p->method != NN_METHOD_PLAIN;
}

/* The cache may use up to a quarter of the free space. */
static bool has_room(const char *folder, uint64_t bytes)
{
    struct statvfs room;
    return statvfs(folder, &room) == 0 && bytes / room.f_frsize < room.f_bavail / 4;
}

static uint64_t aligned(uint64_t at)
{
    return (at + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

/* A file to be written: head, entries, then padding and data for each weight. */
typedef struct draft {
    head head;
    entry *entries;   /* [head.count] */
    file_part *parts; /* [2 + 2 head.count] */
} draft;

static void add(draft *d, entry e, const void *data)
{
    d->parts[3 + 2 * d->head.count] = (file_part){ data, (size_t)e.bytes };
    d->entries[d->head.count++] = e;
}

static void add_own(draft *d, const nn_cache *c)
{
    for (const nn_packed *p = c->list; p; p = p->next)
        if (is_kept(p)) {
            entry e = describe(c, p);
            e.hash = hash_fast(p->data, p->bytes, 0);
            add(d, e, p->data);
        }
}

/* Adds the old file's entries that the draft lacks, with their original hashes so that damage is
 * still detected. */
static void add_former(draft *d, const nn_cache *c)
{
    uint64_t own = d->head.count;
    for (uint64_t i = 0; c->head && i < c->head->count; i++) {
        bool there = false;
        for (uint64_t k = 0; k < own && !there; k++)
            there = is_same_form(&d->entries[k], &c->entries[i]);
        if (!there)
            add(d, c->entries[i], c->map.data + c->entries[i].offset);
    }
}

/* Assigns every offset and returns the file size. */
static uint64_t lay_out(draft *d)
{
    static const char gap[ALIGNMENT];
    uint64_t at = sizeof d->head + d->head.count * sizeof *d->entries;
    d->parts[0] = (file_part){ &d->head, sizeof d->head };
    d->parts[1] = (file_part){ d->entries, (size_t)d->head.count * sizeof *d->entries };
    for (uint64_t i = 0; i < d->head.count; i++) {
        d->entries[i].offset = aligned(at);
        d->parts[2 + 2 * i] = (file_part){ gap, (size_t)(aligned(at) - at) };
        at = aligned(at) + d->entries[i].bytes;
    }
    d->head.hash = table_hash(&d->head, d->entries);
    return at;
}

static void write_now(const nn_cache *c)
{
    uint64_t own = 0;
    rap_err ignored;
    for (const nn_packed *p = c->list; p; p = p->next)
        own += is_kept(p);
    uint64_t most = own + (c->head ? c->head->count : 0);
    draft d = { .head = c->wanted };
    memcpy(d.head.sum, c->sum, sizeof c->sum);
    d.entries = mem_array((size_t)most + 1, sizeof *d.entries);
    d.parts = mem_array((size_t)(2 + 2 * most), sizeof *d.parts);
    char *folder = path_folder(c->path);
    if (own && d.entries && d.parts && folder && file_make_folders(folder, &ignored) == RAP_OK) {
        add_own(&d, c);
        add_former(&d, c);
        if (has_room(folder, lay_out(&d)))
            file_write_cache(c->path, d.parts, (size_t)(2 + 2 * d.head.count), &ignored);
    }
    free(d.entries);
    free(d.parts);
    free(folder);
}

static void *write_beside(void *payload)
{
    write_now(payload);
    return NULL;
}

/* After fork(), the child has no writer thread. */
static void wait_for_writer(nn_cache *c)
{
    if (c->writer_of && c->writer_of == getpid())
        pthread_join(c->writer, NULL);
    c->writer_of = 0;
}

void nn_cache_write(nn_cache *c, const nn_packed *list, const char *sum)
{
    if (!c)
        return;
    wait_for_writer(c);
    c->list = list;
    snprintf(c->sum, sizeof c->sum, "%s", sum);
    if (pthread_create(&c->writer, NULL, write_beside, c) == 0)
        c->writer_of = getpid();
}

void nn_cache_close(nn_cache *c)
{
    if (!c)
        return;
    wait_for_writer(c);
    file_map_close(&c->map);
    free(c->path);
    free(c);
}

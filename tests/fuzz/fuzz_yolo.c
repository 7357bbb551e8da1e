/* fuzz_yolo.c: a whole checkpoint of YOLO-World with its pickle changed, through the archive, the
 * unpickler, the module walk and the name map. An input is a list of changes to the pickle of
 * tests/data/yolo_world.pt: where (3 bytes, little-endian), how many bytes go, how many come, and those.
 * So a small input reaches far, and the checksums of the archive are always right. */
#include "base/buf.h"
#include "convert/convert.h"
#include "formats/torch_zip.h"
#include "fuzz/fuzz.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

typedef struct entry {
    char name[32];
    const uint8_t *bytes;
    size_t size;
    uint32_t crc;
} entry;

static torch_zip *fixture;
static entry entries[1024]; /* [0] is the pickle */
static int entry_count;
static int file = -1;
static char in[64], out[64];

static void put(buf *b, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        buf_putc(b, i < 8 ? (char)(value >> (8 * i)) : 0);
}

static void remove_output(void)
{
    unlink(out);
}

static void start(void)
{
    const char *tests = getenv("RAP_TESTS");
    char path[1024];
    snprintf(path, sizeof path, "%s/data/yolo_world.pt", tests ? tests : "tests");
    if (torch_zip_open(&fixture, path, NULL) != RAP_OK) {
        fprintf(stderr, "no %s\n", path);
        exit(1);
    }
    for (int i = 0; i < 1024; i++) {
        entry *e = &entries[i];
        if (i == 0)
            snprintf(e->name, sizeof e->name, "data.pkl");
        else
            snprintf(e->name, sizeof e->name, "data/%d", i - 1);
        if (torch_zip_read(fixture, e->name, SIZE_MAX, &e->bytes, &e->size, NULL) != RAP_OK)
            break;
        e->crc = (uint32_t)crc32_z(0, e->bytes, e->size);
        entry_count++;
    }
    file = memfd_create("checkpoint", 0);
    snprintf(in, sizeof in, "/proc/self/fd/%d", file);
    snprintf(out, sizeof out, "/dev/shm/rap-fuzz-yolo-%d.gguf", (int)getpid());
    atexit(remove_output);
}

static void change(buf *pickle, const uint8_t *data, size_t size)
{
    const uint8_t *from = entries[0].bytes;
    size_t at = 0, total = entries[0].size;
    while (size >= 5) {
        size_t where = (size_t)(data[0] | data[1] << 8 | data[2] << 16), gone = data[3],
               come = data[4];
        data += 5, size -= 5;
        come = come < size ? come : size;
        where = where < at ? at : where < total ? where : total;
        buf_add(pickle, from + at, where - at);
        buf_add(pickle, data, come);
        at = where + gone < total ? where + gone : total;
        data += come, size -= come;
    }
    buf_add(pickle, from + at, total - at);
}

static void zip_header(buf *b, const entry *e)
{
    put(b, 0, 6);
    put(b, e->crc, 4);
    put(b, e->size, 4);
    put(b, e->size, 4);
    put(b, strlen(e->name) + 4, 2);
}

static void zip_all(buf *zip, const entry *pickle)
{
    buf directory = BUF_INIT;
    for (int i = 0; i < entry_count; i++) {
        const entry *e = i ? &entries[i] : pickle;
        size_t at = zip->len;
        buf_add(zip, "PK\3\4\0\0\0\0", 8);
        zip_header(zip, e);
        put(zip, 0, 2);
        buf_printf(zip, "net/%s", e->name);
        buf_add(zip, e->bytes, e->size);
        buf_add(&directory, "PK\1\2\0\0\0\0\0\0", 10);
        zip_header(&directory, e);
        put(&directory, 0, 12);
        put(&directory, at, 4);
        buf_printf(&directory, "net/%s", e->name);
    }
    size_t at = zip->len;
    buf_add(zip, directory.data, directory.len);
    buf_add(zip, "PK\5\6\0\0\0\0", 8);
    put(zip, (uint64_t)entry_count, 2);
    put(zip, (uint64_t)entry_count, 2);
    put(zip, directory.len, 4);
    put(zip, at, 4);
    put(zip, 0, 2);
    buf_release(&directory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    buf pickle = BUF_INIT, zip = BUF_INIT;
    rap_err err = { 0 };
    if (file < 0)
        start();
    change(&pickle, data, size);
    entry first = { "data.pkl", (const uint8_t *)pickle.data, pickle.len, 0 };
    first.crc = (uint32_t)crc32_z(0, first.bytes, first.size);
    zip_all(&zip, &first);
    if (ftruncate(file, 0) == 0 && pwrite(file, zip.data, zip.len, 0) == (ssize_t)zip.len &&
        convert_file(in, out, &(convert_options){ 0 }, &err) != RAP_OK &&
        (!*err.text || strchr(err.text, '\n')))
        abort(); /* a failure is told in one line */
    buf_release(&zip);
    buf_release(&pickle);
    return 0;
}

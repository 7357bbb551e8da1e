/* file_kind.c: what a file is by its first bytes. */
#include "base/file_kind.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

static const file_kind unknown = { NULL, NULL };
static const file_kind nothing = { "an empty file", "copy or download it again" };
static const file_kind lfs = { "a Git LFS pointer, not the file itself",
                               "fetch it with `git lfs pull`" };
static const file_kind page = { "a web page",
                                "download the file itself, not the page that shows it" };
static const file_kind to_convert[] = {
    { "a TIFF picture or a camera's raw file", "save it as PNG or JPEG" },
    { "an SVG drawing", "save it as PNG" },
    { "a PDF document", "save the page as PNG" },
    { "a BMP picture", "save it as PNG" },
    { "a JPEG XL picture", "save it as PNG or JPEG" },
    { "a JPEG 2000 picture", "save it as PNG or JPEG" },
    { "a Photoshop file", "save it as PNG" },
    { "a video", "save a frame of it as PNG or JPEG" },
    { "an archive", "unpack it first" },
};
enum { TIFF, SVG, PDF, BMP, JXL, JP2, PSD, VIDEO, ARCHIVE };

typedef struct magic {
    size_t at, size;
    const char *bytes;
    int kind; /* in to_convert */
} magic;

static const magic magics[] = {
    { 0, 4, "II*\0", TIFF },
    { 0, 4, "MM\0*", TIFF },
    { 0, 4, "II+\0", TIFF },
    { 0, 4, "MM\0+", TIFF },
    { 4, 8, "ftypcrx ", TIFF },
    { 0, 5, "%PDF-", PDF },
    { 0, 2, "BM", BMP },
    { 0, 2, "\xFF\x0A", JXL },
    { 4, 8, "JXL \r\n\x87\n", JXL },
    { 4, 8, "jP  \r\n\x87\n", JP2 },
    { 0, 4, "\xFF\x4F\xFF\x51", JP2 },
    { 0, 4, "8BPS", PSD },
    { 4, 7, "ftypmp4", VIDEO },
    { 4, 7, "ftypiso", VIDEO },
    { 4, 6, "ftypqt", VIDEO },
    { 4, 7, "ftypM4V", VIDEO },
    { 0, 4, "\x1A\x45\xDF\xA3", VIDEO },
    { 0, 4, "PK\3\4", ARCHIVE },
    { 0, 3, "\x1F\x8B\x08", ARCHIVE },
    { 0, 6, "7z\xBC\xAF\x27\x1C", ARCHIVE },
};

static bool begins(const char *text, size_t size, const char *with)
{
    size_t len = strlen(with);

    return size >= len && strncasecmp(text, with, len) == 0;
}

/* Past a byte-order mark and white space, where text begins. */
static const char *text_start(const char *text, size_t *size)
{
    size_t skipped = begins(text, *size, "\xEF\xBB\xBF") ? 3 : 0;

    while (skipped < *size && strchr(" \t\r\n", text[skipped]) && text[skipped])
        skipped++;
    *size -= skipped;
    return text + skipped;
}

static const file_kind *kind_of_text(const char *text, size_t size)
{
    static const char *const pages[] = { "<!doctype html", "<html", "<head", "<body", "<script" };

    text = text_start(text, &size);
    if (begins(text, size, "version https://git-lfs.github.com/"))
        return &lfs;
    for (size_t i = 0; i < sizeof pages / sizeof *pages; i++)
        if (begins(text, size, pages[i]))
            return &page;
    if (begins(text, size, "<svg") ||
        (begins(text, size, "<?xml") && memmem(text, size < 1024 ? size : 1024, "<svg", 4)))
        return &to_convert[SVG];
    return &unknown;
}

const file_kind *file_kind_of(const void *bytes, size_t size)
{
    const char *data = bytes;

    if (size == 0)
        return &nothing;
    for (size_t i = 0; i < sizeof magics / sizeof *magics; i++) {
        const magic *m = &magics[i];
        if (size >= m->at + m->size && memcmp(data + m->at, m->bytes, m->size) == 0)
            return &to_convert[m->kind];
    }
    return kind_of_text(data, size);
}

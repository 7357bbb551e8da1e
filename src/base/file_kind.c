/* file_kind.c: a table of signatures, then kinds of text. */
#include "base/file_kind.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

typedef struct signature {
    size_t at, len;
    const char *bytes;
    file_kind kind;
} signature;

#define SIGNATURE(at, text, kind)       \
    {                                   \
        at, sizeof text - 1, text, kind \
    }
static const signature signatures[] = {
    SIGNATURE(0, "version https://git-lfs.github.com/spec/", FILE_KIND_LFS_POINTER),
    SIGNATURE(0, "\xff\xfe\0\0", FILE_KIND_UTF32),
    SIGNATURE(0, "\0\0\xfe\xff", FILE_KIND_UTF32),
    SIGNATURE(0, "\xff\xfe", FILE_KIND_UTF16),
    SIGNATURE(0, "\xfe\xff", FILE_KIND_UTF16),
    SIGNATURE(0, "PK\3\4", FILE_KIND_ZIP),
    SIGNATURE(0, "PK\5\6", FILE_KIND_ZIP),
    SIGNATURE(0, "\x1f\x8b", FILE_KIND_GZIP),
    SIGNATURE(257, "ustar", FILE_KIND_TAR),
    SIGNATURE(0, "7z\xbc\xaf\x27\x1c", FILE_KIND_ARCHIVE),
    SIGNATURE(0, "Rar!\x1a\7", FILE_KIND_ARCHIVE),
    SIGNATURE(0,
              "\xfd"
              "7zXZ\0",
              FILE_KIND_ARCHIVE),
    SIGNATURE(0, "BZh", FILE_KIND_ARCHIVE),
    SIGNATURE(0, "\x28\xb5\x2f\xfd", FILE_KIND_ARCHIVE),
    SIGNATURE(0, "GGUF", FILE_KIND_GGUF),
    SIGNATURE(0, "lmgg", FILE_KIND_GGML),
    SIGNATURE(0, "fmgg", FILE_KIND_GGML),
    SIGNATURE(0, "tjgg", FILE_KIND_GGML),
    SIGNATURE(8, "{\"", FILE_KIND_SAFETENSORS),
    SIGNATURE(0, "\x93NUMPY", FILE_KIND_NUMPY),
    SIGNATURE(0, "\x89HDF\r\n\x1a\n", FILE_KIND_HDF5),
    SIGNATURE(0, "SQLite format 3", FILE_KIND_SQLITE),
    SIGNATURE(0, "%PDF-", FILE_KIND_PDF),
    SIGNATURE(0, "\xff\xd8\xff", FILE_KIND_PICTURE),
    SIGNATURE(0, "\x89PNG\r\n\x1a\n", FILE_KIND_PICTURE),
    SIGNATURE(0, "GIF8", FILE_KIND_PICTURE),
    SIGNATURE(8, "WEBP", FILE_KIND_PICTURE),
    SIGNATURE(0, "II*\0", FILE_KIND_PICTURE),
    SIGNATURE(0, "MM\0*", FILE_KIND_PICTURE),
    SIGNATURE(4, "ftyphei", FILE_KIND_PICTURE),
    SIGNATURE(4, "ftypmif1", FILE_KIND_PICTURE),
    SIGNATURE(4, "ftypavif", FILE_KIND_PICTURE),
    SIGNATURE(0,
              "\x7f"
              "ELF",
              FILE_KIND_PROGRAM),
    SIGNATURE(0, "MZ\x90\0", FILE_KIND_PROGRAM),
};

static file_kind by_signature(const char *bytes, size_t size)
{
    for (size_t i = 0; i < sizeof signatures / sizeof *signatures; i++) {
        const signature *s = &signatures[i];
        if (size >= s->at + s->len && !memcmp(bytes + s->at, s->bytes, s->len))
            return s->kind;
    }
    if (size >= 2 && (uint8_t)bytes[0] == 0x80 && bytes[1] >= 2 && bytes[1] <= 5)
        return FILE_KIND_PICKLE;
    return FILE_KIND_UNKNOWN;
}

static bool is_zero(const char *bytes, size_t size)
{
    return !bytes[0] && !memcmp(bytes, bytes + 1, size - 1);
}

/* Printable, with line breaks and tabs; bytes above ASCII may be UTF-8 or an old code page. */
static bool is_text(const char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        uint8_t b = (uint8_t)bytes[i];
        if ((b < 0x20 && (b < '\t' || b > '\r')) || b == 0x7f)
            return false;
    }
    return true;
}

/* UTF-16 without a byte-order mark: every other byte of plain text is 0. */
static file_kind by_zeros(const char *bytes, size_t size)
{
    size_t even = 0, odd = 0, pairs = size / 2;
    for (size_t i = 0; i < pairs; i++) {
        even += !bytes[2 * i] && bytes[2 * i + 1] >= '\t';
        odd += !bytes[2 * i + 1] && bytes[2 * i] >= '\t';
    }
    return pairs >= 2 && (even == pairs || odd == pairs) ? FILE_KIND_UTF16 : FILE_KIND_UNKNOWN;
}

static bool starts(const char *text, size_t size, const char *with)
{
    return size >= strlen(with) && !strncasecmp(text, with, strlen(with));
}

/* `text` is all text, without a byte-order mark and the white space in front. */
static file_kind by_text(const char *text, size_t size)
{
    if (starts(text, size, "<!doctype html") || starts(text, size, "<html") ||
        starts(text, size, "<head") || starts(text, size, "<!--"))
        return FILE_KIND_WEB_PAGE;
    if (starts(text, size, "<?xml") || starts(text, size, "<error"))
        return FILE_KIND_XML;
    return size && (*text == '{' || *text == '[') ? FILE_KIND_JSON : FILE_KIND_TEXT;
}

size_t file_kind_mark(const void *bytes, size_t size)
{
    return size >= 3 && !memcmp(bytes, "\xef\xbb\xbf", 3) ? 3 : 0;
}

file_kind file_kind_of(const void *data, size_t size)
{
    const char *bytes = data;
    size = size < FILE_KIND_BYTES ? size : FILE_KIND_BYTES;
    if (size == 0)
        return FILE_KIND_EMPTY;
    file_kind kind = by_signature(bytes, size);
    if (kind != FILE_KIND_UNKNOWN)
        return kind;
    if (size >= 16 && is_zero(bytes, size))
        return FILE_KIND_ZEROS;
    if (!is_text(bytes, size))
        return by_zeros(bytes, size);
    size_t at = file_kind_mark(bytes, size);
    while (at < size && strchr(" \t\r\n\v\f", bytes[at]))
        at++;
    return by_text(bytes + at, size - at);
}

const char *file_kind_phrase(file_kind kind)
{
    static const char *const phrases[FILE_KIND_COUNT] = {
        [FILE_KIND_EMPTY] = "is empty: copy or download it again",
        [FILE_KIND_ZEROS] = "holds nothing but zeros where it begins: copy or download it again",
        [FILE_KIND_LFS_POINTER] = "is a Git LFS pointer: run `git lfs pull` "
                                  "where it was cloned, or download the file",
        [FILE_KIND_WEB_PAGE] = "is a web page (HTML): download the file again, by "
                               "the link of the file itself",
        [FILE_KIND_XML] = "is an XML text, perhaps a server's error message: download the file "
                          "again",
        [FILE_KIND_UTF16] = "is a text in UTF-16: save it as UTF-8",
        [FILE_KIND_UTF32] = "is a text in UTF-32: save it as UTF-8",
        [FILE_KIND_JSON] = "is a JSON text",
        [FILE_KIND_TEXT] = "is a plain text",
        [FILE_KIND_ZIP] = "is a zip archive: unpack it first",
        [FILE_KIND_GZIP] = "is packed by gzip: unpack it first",
        [FILE_KIND_TAR] = "is a tar archive: unpack it first",
        [FILE_KIND_ARCHIVE] = "is a packed archive: unpack it first",
        [FILE_KIND_GGUF] = "is a GGUF file",
        [FILE_KIND_GGML] = "is a GGML file from before GGUF: take one that was converted to GGUF",
        [FILE_KIND_SAFETENSORS] = "is a safetensors file: `rap convert` makes a GGUF of it",
        [FILE_KIND_PICKLE] = "is a Python pickle, perhaps a checkpoint of PyTorch: `rap convert` "
                             "makes a GGUF of it",
        [FILE_KIND_NUMPY] = "is a NumPy array",
        [FILE_KIND_HDF5] = "is an HDF5 file, as Keras writes it: take the PyTorch or safetensors "
                           "file",
        [FILE_KIND_SQLITE] = "is an SQLite database",
        [FILE_KIND_PDF] = "is a PDF",
        [FILE_KIND_PICTURE] = "is a picture",
        [FILE_KIND_PROGRAM] = "is a program",
    };
    return kind >= 0 && kind < FILE_KIND_COUNT ? phrases[kind] : NULL;
}

rap_status file_kind_refuse(const char *path, const char *wanted, const void *bytes, size_t size,
                            rap_err *err)
{
    const char *phrase = file_kind_phrase(file_kind_of(bytes, size));
    return phrase ? err_set(err, RAP_E_FORMAT, "%s: %s, it %s", path, wanted, phrase)
                  : err_set(err, RAP_E_FORMAT, "%s: %s", path, wanted);
}

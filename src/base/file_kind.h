/* file_kind.h: recognises a file by its first bytes, for the message about a file that is not what was expected: a Git
 * LFS pointer, a saved web page, an archive, a picture instead of a model. */
#ifndef RAP_BASE_FILE_KIND_H
#define RAP_BASE_FILE_KIND_H

#include "base/err.h"

#include <stddef.h>

typedef enum file_kind {
    FILE_KIND_UNKNOWN,
    FILE_KIND_EMPTY,
    FILE_KIND_ZEROS, /* nothing but zeros in its first bytes */
    FILE_KIND_LFS_POINTER,
    FILE_KIND_WEB_PAGE,
    FILE_KIND_XML,
    FILE_KIND_UTF16,
    FILE_KIND_UTF32,
    FILE_KIND_JSON,
    FILE_KIND_TEXT, /* any other text */
    FILE_KIND_ZIP,
    FILE_KIND_GZIP,
    FILE_KIND_TAR,
    FILE_KIND_ARCHIVE, /* another archive or packed file: 7z, rar, xz, bzip2, zstd */
    FILE_KIND_GGUF,
    FILE_KIND_GGML, /* llama.cpp's formats before GGUF */
    FILE_KIND_SAFETENSORS,
    FILE_KIND_PICKLE, /* of protocol 2 or later */
    FILE_KIND_NUMPY,
    FILE_KIND_HDF5,
    FILE_KIND_SQLITE,
    FILE_KIND_PDF,
    FILE_KIND_PICTURE, /* JPEG, PNG, GIF, WebP, BMP, TIFF, HEIF, AVIF */
    FILE_KIND_PROGRAM,
    FILE_KIND_COUNT
} file_kind;

enum { FILE_KIND_BYTES = 512 }; /* that are examined; fewer will do */

file_kind file_kind_of(const void *bytes, size_t size);

/* The length of the UTF-8 byte-order mark before a text: 3, or 0 without one. */
size_t file_kind_mark(const void *bytes, size_t size);

/* A phrase to follow "FILE: ", with what to do if possible: "is a Git LFS pointer: run …". NULL for
 * FILE_KIND_UNKNOWN. */
const char *file_kind_phrase(file_kind kind);

/* Writes "PATH: WANTED, it PHRASE" for a file that is not what was WANTED ("not a GGUF file"); just
 * "PATH: WANTED" if its kind is unknown. Returns RAP_E_FORMAT. */
rap_status file_kind_refuse(const char *path, const char *wanted, const void *bytes, size_t size,
                            rap_err *err);

#endif

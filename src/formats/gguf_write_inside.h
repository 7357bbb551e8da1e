/* gguf_write_inside.h: a GGUF while it is being written. For gguf_write.c and gguf_stream.c. */
#ifndef RAP_FORMATS_GGUF_WRITE_INSIDE_H
#define RAP_FORMATS_GGUF_WRITE_INSIDE_H

#include "base/buf.h"
#include "formats/gguf_file.h"

enum { GGUF_ALIGNMENT = 32 };

struct gguf_writer {
    buf keys, infos, data;
    uint64_t key_count, tensor_count;
    uint64_t declared; /* bytes of declared tensors, padded */
    bool misuse;       /* a tensor that no reader would accept */
};

/* All that stands before the tensors' bytes. */
rap_status gguf_writer_head(buf *out, const gguf_writer *w, const char *path, rap_err *err);

#endif

/* vocab.c: the merges of a byte-pair vocabulary, from the file that CLIP publishes: a comment line,
 * then one merge per line, best first, more of them than the model uses. */
#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "convert/convert_inside.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { MAX_PACKED = 64 << 20, MAX_PLAIN = 128 << 20 };

/* The whole text, inflated when it is gzip. */
static rap_status inflate_text(buf *out, const char *packed, size_t size, const char *path,
                               rap_err *err)
{
    z_stream s = { .next_in = (Bytef *)packed, .avail_in = (uInt)size };
    uint8_t piece[16384];
    int code = Z_OK;
    if (inflateInit2(&s, 16 + MAX_WBITS) != Z_OK)
        return err_memory(err, "inflating a vocabulary");
    while (code == Z_OK && out->len <= MAX_PLAIN && !buf_failed(out)) {
        s.next_out = piece;
        s.avail_out = sizeof piece;
        code = inflate(&s, Z_NO_FLUSH);
        buf_add(out, piece, sizeof piece - s.avail_out);
    }
    inflateEnd(&s);
    if (buf_failed(out))
        return err_memory(err, "inflating a vocabulary");
    if (out->len > MAX_PLAIN)
        return err_set(err, RAP_E_LIMIT, "%s: inflates to more than a vocabulary needs", path);
    return code == Z_STREAM_END
               ? RAP_OK
               : err_set(err, RAP_E_FORMAT, "%s: damaged or truncated gzip file", path);
}

static rap_status read_text(buf *out, const char *path, rap_err *err)
{
    char *bytes;
    size_t size;
    rap_status status = file_read(&bytes, &size, path, MAX_PACKED, err);
    if (status != RAP_OK)
        return status;
    if (size >= 2 && (uint8_t)bytes[0] == 0x1f && (uint8_t)bytes[1] == 0x8b)
        status = inflate_text(out, bytes, size, path, err);
    else
        buf_add(out, bytes, size);
    free(bytes);
    if (status == RAP_OK && buf_failed(out))
        status = err_memory(err, "reading a vocabulary");
    return status;
}

/* Exactly two words with one space between. */
static bool is_merge(const char *line)
{
    const char *space = strchr(line, ' ');
    return space && space != line && space[1] && !strchr(space + 1, ' ');
}

/* Splits the text in place; merge[i] points at line i + 1. */
static rap_status split(const char **merge, size_t count, char *text, const char *path,
                        rap_err *err)
{
    char *at = strchr(text, '\n');
    for (size_t i = 0; i < count; i++) {
        char *line = at ? at + 1 : NULL;
        at = line ? strchr(line, '\n') : NULL;
        size_t len = line ? (at ? (size_t)(at - line) : strlen(line)) : 0;
        if (len == 0)
            return err_set(err, RAP_E_FORMAT, "%s: has %zu merges, the checkpoint needs %zu", path,
                           i, count);
        line[line[len - 1] == '\r' ? len - 1 : len] = '\0';
        if (!is_merge(line))
            return err_set(err, RAP_E_FORMAT, "%s: line %zu is not a merge of two pieces", path,
                           i + 2);
        merge[i] = line;
    }
    return RAP_OK;
}

void vocab_convert(conversion *c, const char *path, size_t count)
{
    buf text = BUF_INIT;
    const char **merge = mem_array(count, sizeof *merge);
    if (c->status != RAP_OK)
        goto cleanup;
    if (!merge) {
        c->status = err_memory(c->err, "reading a vocabulary");
        goto cleanup;
    }
    if ((c->status = read_text(&text, path, c->err)) != RAP_OK)
        goto cleanup;
    if (text.len == 0 || strlen(text.data) != text.len) {
        c->status = err_set(c->err, RAP_E_FORMAT, "%s: not a BPE vocabulary", path);
        goto cleanup;
    }
    if ((c->status = split(merge, count, text.data, path, c->err)) == RAP_OK)
        gguf_put_strings(c->out, "tokenizer.merges", merge, count);
cleanup:
    buf_release(&text);
    free(merge);
}

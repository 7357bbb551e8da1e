/* vocab.c: the merges of a byte-pair vocabulary, best first.
 *
 * They stand in the file that OpenAI publishes and in Hugging Face's merges.txt, one a line below a
 * comment, perhaps more of them than the model uses; or in a tokenizer.json. */
#include "base/buf.h"
#include "base/file.h"
#include "base/file_kind.h"
#include "base/mem.h"
#include "convert/convert_inside.h"
#include "formats/json.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { MAX_PACKED = 64 << 20, MAX_PLAIN = 128 << 20, BYTES = 256, MAX_PIECE = 512 };

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

/* The merges point into `text`. */
static rap_status merges_of_file(const char **merge, size_t count, buf *text, const char *path,
                                 rap_err *err)
{
    rap_status status = read_text(text, path, err);
    if (status != RAP_OK)
        return status;
    file_kind kind = file_kind_of(buf_text(text), text->len);
    if (kind != FILE_KIND_TEXT || strlen(text->data) != text->len)
        return file_kind_refuse(path, "not a BPE vocabulary", buf_text(text), text->len, err);
    return split(merge, count, text->data, path, err);
}

/* ---- tokenizer.json ----------------------------------------------------------------------- */

/* A merge is a text of two pieces, or a list of both. */
static bool add_merge(buf *text, const json_t *merge)
{
    const char *one = json_string_value(merge);
    const char *left = json_string_value(json_array_get(merge, 0)),
               *right = json_string_value(json_array_get(merge, 1));
    if (one)
        buf_printf(text, "%s\n", one);
    else if (left && right)
        buf_printf(text, "%s %s\n", left, right);
    return one || (left && right);
}

static rap_status merges_of_json(const char **merge, size_t count, buf *text, const json_t *root,
                                 const char *path, rap_err *err)
{
    const json_t *list = json_at(root, "model.merges");
    if (!json_is_array(list) || json_array_size(list) < count)
        return err_set(err, RAP_E_FORMAT, "%s: has %zu merges, the checkpoint needs %zu", path,
                       json_array_size(list), count);
    buf_puts(text, "#\n");
    for (size_t i = 0; i < count; i++)
        if (!add_merge(text, json_array_get(list, i)))
            return err_set(err, RAP_E_FORMAT, "%s: merge %zu is not one of two pieces", path, i);
    if (buf_failed(text))
        return err_memory(err, "reading a vocabulary");
    return split(merge, count, text->data, path, err);
}

/* ---- the numbering ------------------------------------------------------------------------ */

static bool has_id(const json_t *ids, const char *token, size_t id)
{
    const json_t *said = json_object_get(ids, token);
    return json_is_integer(said) && (size_t)json_integer_value(said) == id;
}

/* Tokens are numbered as CLIP's tokenizer does: bytes, bytes at a word's end, merges, start and end. */
static rap_status check_ids(const json_t *ids, const char *const *merge, size_t count,
                            const char *path, rap_err *err)
{
    char token[2 * MAX_PIECE];
    bool good = has_id(ids, "!", 0) && has_id(ids, "!</w>", BYTES) &&
                has_id(ids, "<|startoftext|>", 2 * BYTES + count) &&
                has_id(ids, "<|endoftext|>", 2 * BYTES + count + 1);
    for (size_t i = 0; good && i < count; i++) {
        size_t left = strcspn(merge[i], " "), right = strlen(merge[i] + left + 1);
        good = left + right < sizeof token;
        if (good) {
            memcpy(token, merge[i], left);
            memcpy(token + left, merge[i] + left + 1, right + 1);
            good = has_id(ids, token, 2 * BYTES + i);
        }
    }
    return good ? RAP_OK
                : err_set(err, RAP_E_UNSUPPORTED, "%s: its tokens are not numbered as CLIP's are",
                          path);
}

/* ---- what lies beside the checkpoint ------------------------------------------------------ */

/* merges.txt, and vocab.json where it is. */
static rap_status beside_text(const char **merge, size_t count, buf *text, const state_dict *d,
                              const char *path, rap_err *err)
{
    json_t *ids = NULL;
    char *numbers = NULL;
    rap_status status = merges_of_file(merge, count, text, path, err);
    if (status == RAP_OK)
        status = state_dict_beside(d, "vocab.json", &numbers, err);
    if (status == RAP_OK && numbers)
        status = json_read(&ids, numbers, MAX_PLAIN, err);
    if (status == RAP_OK && ids)
        status = check_ids(ids, merge, count, numbers, err);
    json_decref(ids);
    free(numbers);
    return status;
}

static rap_status beside(const char **merge, size_t count, buf *text, const state_dict *d,
                         rap_err *err)
{
    char *plain = NULL, *json = NULL;
    json_t *root = NULL;
    rap_status status;
    if ((status = state_dict_beside(d, "merges.txt", &plain, err)) != RAP_OK ||
        (status = state_dict_beside(d, "tokenizer.json", &json, err)) != RAP_OK)
        goto cleanup;
    if (plain) {
        status = beside_text(merge, count, text, d, plain, err);
    } else if (json) {
        if ((status = json_read(&root, json, MAX_PLAIN, err)) == RAP_OK &&
            (status = merges_of_json(merge, count, text, root, json, err)) == RAP_OK)
            status = check_ids(json_at(root, "model.vocab"), merge, count, json, err);
    } else {
        status = err_set(err, RAP_E_ARGUMENT,
                         "%s: has a text tower, which needs its BPE vocabulary: pass --vocab "
                         "bpe_simple_vocab_16e6.txt.gz (or merges.txt)",
                         state_dict_path(d));
    }
cleanup:
    json_decref(root);
    free(json);
    free(plain);
    return status;
}

void vocab_convert(conversion *c, size_t count)
{
    buf text = BUF_INIT;
    const char **merge = NULL;
    if (c->status != RAP_OK)
        return;
    if (!(merge = mem_array(count ? count : 1, sizeof *merge)))
        c->status = err_memory(c->err, "reading a vocabulary");
    else if (c->options->vocab)
        c->status = merges_of_file(merge, count, &text, c->options->vocab, c->err);
    else
        c->status = beside(merge, count, &text, c->in, c->err);
    if (c->status == RAP_OK)
        gguf_put_strings(c->out, "tokenizer.merges", merge, count);
    buf_release(&text);
    free(merge);
}

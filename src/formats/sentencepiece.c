/* sentencepiece.c: reads a tokenizer.model.
 *
 *     ModelProto     1: SentencePiece, repeated   2: TrainerSpec   (others are skipped)
 *     SentencePiece  1: text   2: score (float)   3: type
 *     TrainerSpec    3: model type (1 unigram, 2 byte-pair merges)
 *
 * A message is a list of fields, each a key (number × 8 + wire type) and a value. Every length is checked
 * against the rest of the enclosing message before it is used. */
#include "formats/sentencepiece.h"
#include "base/file.h"
#include "base/file_kind.h"
#include "base/mem.h"
#include "base/text.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_PIECES = 1 << 21, MAX_TEXT = 4096, MERGES = 2 };
#define MAX_FILE ((size_t)64 << 20)

/* The unread rest of a message. */
typedef struct message {
    const uint8_t *at, *end;
} message;

typedef enum wire { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 } wire;

typedef struct field {
    uint64_t number;
    wire wire;
    uint64_t value; /* of a varint or fixed-size number */
    message bytes;  /* of WIRE_BYTES */
} field;

static bool read_varint(message *m, uint64_t *out)
{
    *out = 0;
    for (unsigned shift = 0; shift < 64 && m->at < m->end; shift += 7) {
        uint8_t byte = *m->at++;

        *out |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return true;
    }
    return false;
}

static bool read_fixed(message *m, size_t width, uint64_t *out)
{
    if ((size_t)(m->end - m->at) < width)
        return false;
    *out = 0;
    for (size_t i = 0; i < width; i++)
        *out |= (uint64_t)m->at[i] << (8 * i);
    m->at += width;
    return true;
}

static bool read_bytes(message *m, message *out)
{
    uint64_t size;

    if (!read_varint(m, &size) || size > (uint64_t)(m->end - m->at))
        return false;
    *out = (message){ m->at, m->at + size };
    m->at += size;
    return true;
}

static bool next_field(message *m, field *out)
{
    uint64_t key;

    *out = (field){ 0 };
    if (!read_varint(m, &key) || key >> 3 == 0)
        return false;
    out->number = key >> 3;
    out->wire = (wire)(key & 7);
    switch (out->wire) {
    case WIRE_VARINT:
        return read_varint(m, &out->value);
    case WIRE_FIXED64:
        return read_fixed(m, 8, &out->value);
    case WIRE_FIXED32:
        return read_fixed(m, 4, &out->value);
    case WIRE_BYTES:
        return read_bytes(m, &out->bytes);
    }
    return false; /* groups, which are obsolete */
}

/* ---- pieces ---- */

static bool take_text(spm_piece *p, message bytes)
{
    size_t size = (size_t)(bytes.end - bytes.at);

    if (size == 0 || size > MAX_TEXT || memchr(bytes.at, 0, size))
        return false;
    free(p->text);
    p->text = mem_string_n((const char *)bytes.at, size);
    return p->text && text_is_utf8(p->text);
}

static bool take_score(spm_piece *p, uint64_t value)
{
    uint32_t bits = (uint32_t)value;

    memcpy(&p->score, &bits, sizeof p->score);
    return isfinite(p->score);
}

static bool read_piece(spm_piece *p, message m)
{
    field f;
    bool good = true;

    p->type = SPM_NORMAL;
    while (good && m.at < m.end) {
        good = next_field(&m, &f);
        if (good && f.number == 1)
            good = f.wire == WIRE_BYTES && take_text(p, f.bytes);
        else if (good && f.number == 2)
            good = f.wire == WIRE_FIXED32 && take_score(p, f.value);
        else if (good && f.number == 3) {
            good = f.wire == WIRE_VARINT && f.value >= SPM_NORMAL && f.value <= SPM_BYTE;
            p->type = (spm_type)f.value;
        }
    }
    return good && p->text;
}

static bool read_trainer(spm_model *out, message m)
{
    field f;

    while (m.at < m.end) {
        if (!next_field(&m, &f))
            return false;
        if (f.number == 3 && f.wire == WIRE_VARINT)
            out->merges = f.value == MERGES;
    }
    return true;
}

static rap_status damaged(const char *name, size_t piece, rap_err *err)
{
    return err_set(err, RAP_E_FORMAT, "%s: damaged SentencePiece vocabulary at piece %zu", name,
                   piece);
}

static rap_status read_model(spm_model *out, message m, const char *name, rap_err *err)
{
    size_t room = 0;
    field f;

    while (m.at < m.end) {
        if (!next_field(&m, &f))
            return damaged(name, out->count, err);
        if (f.number == 2 && f.wire == WIRE_BYTES && !read_trainer(out, f.bytes))
            return damaged(name, out->count, err);
        if (f.number != 1 || f.wire != WIRE_BYTES)
            continue;
        if (out->count >= MAX_PIECES)
            return err_set(err, RAP_E_LIMIT, "%s: has more than %d pieces", name, MAX_PIECES);
        spm_piece *grown = mem_grow(out->piece, out->count, &room, sizeof *grown);
        if (!grown)
            return err_memory(err, "reading a vocabulary");
        out->piece = grown;
        out->piece[out->count] = (spm_piece){ 0 };
        if (!read_piece(&out->piece[out->count++], f.bytes))
            return damaged(name, out->count - 1, err);
    }
    return RAP_OK;
}

rap_status spm_parse(spm_model **out, const void *bytes, size_t size, const char *name,
                     rap_err *err)
{
    spm_model *m = mem_array(1, sizeof *m);
    const uint8_t *start = bytes;
    rap_status status;

    *out = NULL;
    if (!m)
        return err_memory(err, "reading a vocabulary");
    if (size == 0 || *start != (1 << 3 | WIRE_BYTES)) /* the pieces come first */
        status = file_kind_refuse(name, "not a SentencePiece vocabulary", start, size, err);
    else
        status = read_model(m, (message){ start, start + size }, name, err);
    if (status == RAP_OK)
        *out = m;
    else
        spm_close(m);
    return status;
}

rap_status spm_open(spm_model **out, const char *path, rap_err *err)
{
    char *bytes = NULL;
    size_t size = 0;
    rap_status status;

    *out = NULL;
    status = file_read(&bytes, &size, path, MAX_FILE, err);
    if (status == RAP_OK)
        status = spm_parse(out, bytes, size, path, err);
    free(bytes);
    return status;
}

void spm_close(spm_model *m)
{
    if (!m)
        return;
    for (size_t i = 0; i < m->count; i++)
        free(m->piece[i].text);
    free(m->piece);
    free(m);
}

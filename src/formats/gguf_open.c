/* gguf_open.c: opens a GGUF and believes nothing in it.
 *
 * Read gguf_file_open() first: header, keys, tensor table, then the indexes. A `cursor` walks the
 * mapping; every read goes through take(), which is the one place that compares with the file's end.
 * The rules are at least as strict as llama.cpp's, because this runs before llama.cpp sees a file. */
#include "base/file_kind.h"
#include "base/mem.h"
#include "formats/gguf_inside.h"
#include "formats/gguf_types.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Far above any published model; they bound the work a tiny crafted file can cause. */
enum {
    MAX_KEYS = 8192,
    MAX_TENSORS = 65536,
    MAX_KEY = 256,
    MAX_TENSOR_NAME = 63,
    MAX_ALIGNMENT = 65536,
    MAX_BEHIND = 1 << 20 /* bytes behind the last tensor that are borne: padding */
};

typedef struct cursor {
    const char *path;
    const uint8_t *data;
    size_t size, at;
    rap_err *err;
} cursor;

/* `what` is being read; n bytes, or NULL with the error set. */
static const uint8_t *take(cursor *c, size_t n, const char *what)
{
    if (n > c->size - c->at) {
        err_set(c->err, RAP_E_FORMAT, "%s: the GGUF ends inside %s", c->path, what);
        return NULL;
    }
    const uint8_t *here = c->data + c->at;
    c->at += n;
    return here;
}

static bool take_u32(uint32_t *out, cursor *c, const char *what)
{
    const uint8_t *p = take(c, 4, what);
    if (p)
        memcpy(out, p, 4);
    return p != NULL;
}

static bool take_u64(uint64_t *out, cursor *c, const char *what)
{
    const uint8_t *p = take(c, 8, what);
    if (p)
        memcpy(out, p, 8);
    return p != NULL;
}

static rap_status bad(cursor *c, const char *what)
{
    return err_set(c->err, RAP_E_FORMAT, "%s: damaged GGUF: %s", c->path, what);
}

/* A name: 1 to `limit` bytes without NUL, as an owned C string. */
static rap_status take_name(char **out, cursor *c, size_t limit, const char *what)
{
    uint64_t len;
    if (!take_u64(&len, c, what))
        return RAP_E_FORMAT;
    if (len == 0 || len > limit)
        return err_set(c->err, RAP_E_FORMAT, "%s: damaged GGUF: %s of %" PRIu64 " bytes", c->path,
                       what, len);
    const uint8_t *text = take(c, (size_t)len, what);
    if (!text)
        return RAP_E_FORMAT;
    if (memchr(text, 0, (size_t)len))
        return err_set(c->err, RAP_E_FORMAT, "%s: damaged GGUF: %s holds a NUL", c->path, what);
    *out = mem_string_n((const char *)text, (size_t)len);
    return *out ? RAP_OK : err_memory(c->err, "reading a GGUF");
}

size_t gguf_kind_size(gguf_kind kind)
{
    switch (kind) {
    case GGUF_KIND_U8:
    case GGUF_KIND_I8:
    case GGUF_KIND_BOOL:
        return 1;
    case GGUF_KIND_U16:
    case GGUF_KIND_I16:
        return 2;
    case GGUF_KIND_U32:
    case GGUF_KIND_I32:
    case GGUF_KIND_F32:
        return 4;
    case GGUF_KIND_U64:
    case GGUF_KIND_I64:
    case GGUF_KIND_F64:
        return 8;
    default:
        return 0;
    }
}

/* ---- keys --------------------------------------------------------------------------------- */

static rap_status skip_string(cursor *c)
{
    uint64_t len;
    if (!take_u64(&len, c, "a string's length"))
        return RAP_E_FORMAT;
    if (len > c->size - c->at)
        return bad(c, "a string longer than the file");
    return take(c, (size_t)len, "a string") ? RAP_OK : RAP_E_FORMAT;
}

static rap_status read_strings(gguf_value *v, cursor *c)
{
    size_t start = c->at;
    if (v->count > (c->size - c->at) / 8)
        return bad(c, "an array longer than the file");
    if (v->is_array && v->count) {
        v->at = mem_array(v->count, sizeof *v->at);
        if (!v->at)
            return err_memory(c->err, "reading a GGUF");
    }
    for (size_t i = 0; i < v->count; i++) {
        if (v->at)
            v->at[i] = c->at - start;
        rap_status status = skip_string(c);
        if (status != RAP_OK)
            return status;
    }
    return RAP_OK;
}

static rap_status read_value(gguf_value *v, cursor *c)
{
    uint32_t kind;
    uint64_t count = 1;
    rap_status status = take_name(&v->key, c, MAX_KEY, "a key");
    if (status != RAP_OK)
        return status;
    if (!take_u32(&kind, c, "a key's type"))
        return RAP_E_FORMAT;
    v->is_array = kind == GGUF_KIND_ARRAY;
    if (v->is_array &&
        (!take_u32(&kind, c, "an array's type") || !take_u64(&count, c, "an array's length")))
        return RAP_E_FORMAT;
    if (kind >= GGUF_KIND_COUNT || kind == GGUF_KIND_ARRAY)
        return err_set(c->err, RAP_E_FORMAT, "%s: damaged GGUF: key '%s' has type %u", c->path,
                       v->key, kind);
    if (count > c->size - c->at)
        return err_set(c->err, RAP_E_FORMAT,
                       "%s: damaged GGUF: key '%s' has an array longer than the file", c->path,
                       v->key);
    v->kind = (gguf_kind)kind;
    v->count = (size_t)count;
    v->data = c->data + c->at;
    if (v->kind == GGUF_KIND_STRING)
        return read_strings(v, c);
    size_t bytes;
    if (!mem_mul(&bytes, v->count, gguf_kind_size(v->kind)) || bytes > c->size - c->at)
        return err_set(c->err, RAP_E_FORMAT, "%s: the GGUF ends inside key '%s'", c->path, v->key);
    return take(c, bytes, "a key's value") ? RAP_OK : RAP_E_FORMAT;
}

static int compare_keys(const void *a, const void *b)
{
    const gguf_value *const *x = a, *const *y = b;
    return strcmp((*x)->key, (*y)->key);
}

static rap_status index_values(gguf_file *g, cursor *c)
{
    g->by_key = mem_array(g->value_count + 1, sizeof(gguf_value *));
    if (!g->by_key)
        return err_memory(c->err, "reading a GGUF");
    for (size_t i = 0; i < g->value_count; i++)
        g->by_key[i] = &g->values[i];
    qsort(g->by_key, g->value_count, sizeof *g->by_key, compare_keys);
    for (size_t i = 1; i < g->value_count; i++)
        if (!strcmp(g->by_key[i - 1]->key, g->by_key[i]->key))
            return err_set(c->err, RAP_E_FORMAT, "%s: damaged GGUF: key '%s' occurs twice", c->path,
                           g->by_key[i]->key);
    return RAP_OK;
}

static rap_status read_values(gguf_file *g, cursor *c)
{
    for (size_t i = 0; i < g->value_count; i++) {
        rap_status status = read_value(&g->values[i], c);
        if (status != RAP_OK)
            return status;
    }
    return index_values(g, c);
}

static rap_status read_architecture(gguf_file *g, cursor *c)
{
    const char *text = "";
    size_t len = 0;
    if (gguf_has(g, "general.architecture")) {
        rap_status status = gguf_get_string(g, "general.architecture", &text, &len, c->err);
        if (status != RAP_OK)
            return status;
    }
    g->architecture = mem_string_n(text, len);
    return g->architecture ? RAP_OK : err_memory(c->err, "reading a GGUF");
}

/* ---- tensors ------------------------------------------------------------------------------ */

static rap_status read_shape(gguf_tensor *t, int64_t *out_elements, cursor *c)
{
    uint32_t dims;
    int64_t elements = 1;
    if (!take_u32(&dims, c, "a tensor's dimensions"))
        return RAP_E_FORMAT;
    if (dims > 4)
        return err_set(c->err, RAP_E_FORMAT, "%s: damaged GGUF: tensor '%s' has %u dimensions",
                       c->path, t->name, dims);
    t->dims = dims ? (int)dims : 1; /* a scalar is a vector of one */
    for (uint32_t i = 0; i < 4; i++) {
        uint64_t n = 1;
        if (i < dims && !take_u64(&n, c, "a tensor's dimensions"))
            return RAP_E_FORMAT;
        if (n == 0 || n > INT64_MAX || __builtin_mul_overflow(elements, (int64_t)n, &elements))
            return err_set(c->err, RAP_E_FORMAT,
                           "%s: damaged GGUF: tensor '%s' has an impossible shape", c->path,
                           t->name);
        t->ne[i] = (int64_t)n;
    }
    *out_elements = elements;
    return RAP_OK;
}

static rap_status size_tensor(gguf_tensor *t, int64_t elements, uint32_t type, cursor *c)
{
    gguf_block block = gguf_type_block(type);
    if (!block.elements)
        return err_set(c->err, RAP_E_FORMAT, "%s: damaged GGUF: tensor '%s' has unknown type %u",
                       c->path, t->name, type);
    t->type = (int)type;
    if (t->ne[0] % block.elements)
        return err_set(c->err, RAP_E_FORMAT,
                       "%s: damaged GGUF: tensor '%s' has rows of %" PRId64
                       ", not a multiple of %d",
                       c->path, t->name, t->ne[0], block.elements);
    if (!mem_mul(&t->bytes, (size_t)(elements / block.elements), (size_t)block.bytes) ||
        t->bytes > c->size)
        return err_set(c->err, RAP_E_FORMAT,
                       "%s: damaged GGUF: tensor '%s' is larger than the file", c->path, t->name);
    return RAP_OK;
}

static rap_status read_tensor(gguf_tensor *t, uint64_t *out_offset, cursor *c)
{
    uint32_t type;
    int64_t elements = 0;
    char *name = NULL;
    rap_status status = take_name(&name, c, MAX_TENSOR_NAME, "a tensor's name");
    t->name = name;
    if (status != RAP_OK || (status = read_shape(t, &elements, c)) != RAP_OK)
        return status;
    if (!take_u32(&type, c, "a tensor's type") || !take_u64(out_offset, c, "a tensor's offset"))
        return RAP_E_FORMAT;
    return size_tensor(t, elements, type, c);
}

/* What stands behind the last tensor belongs to nothing. A file that was padded to a size far beyond its
 * tensors would keep whoever hashes or copies it busy for as long as its maker likes. */
static rap_status check_end(size_t start, size_t tensors, cursor *c)
{
    size_t used = start + tensors;
    if (used >= c->size || c->size - used <= MAX_BEHIND)
        return RAP_OK;
    return err_set(c->err, RAP_E_FORMAT,
                   "%s: damaged GGUF: %zu bytes stand behind its last tensor, where none belong: "
                   "download it again",
                   c->path, c->size - used);
}

/* Tensors stand one after another, each padded to the alignment: so they can neither overlap nor
 * leave the file. */
static rap_status place_tensors(gguf_file *g, const uint64_t *offsets, size_t alignment, cursor *c)
{
    size_t start = (c->at + alignment - 1) / alignment * alignment, next = 0;
    if (g->tensor_count && start > c->size)
        return bad(c, "it ends before its tensors");
    for (size_t i = 0; i < g->tensor_count; i++) {
        gguf_tensor *t = &g->tensors[i];
        if (offsets[i] % alignment)
            return err_set(c->err, RAP_E_FORMAT, "%s: damaged GGUF: tensor '%s' is misaligned",
                           c->path, t->name);
        if (offsets[i] != next)
            return err_set(c->err, RAP_E_FORMAT,
                           "%s: damaged GGUF: tensor '%s' is at %" PRIu64 ", not %zu", c->path,
                           t->name, offsets[i], next);
        if (next > c->size - start || t->bytes > c->size - start - next)
            return err_set(c->err, RAP_E_FORMAT, "%s: truncated GGUF: tensor '%s' is not all there",
                           c->path, t->name);
        t->data = c->data + start + next;
        next += (t->bytes + alignment - 1) / alignment * alignment;
    }
    return check_end(start, next, c);
}

static int compare_names(const void *a, const void *b)
{
    const gguf_tensor *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

static rap_status index_tensors(gguf_file *g, cursor *c)
{
    g->by_name = mem_array(g->tensor_count + 1, sizeof(gguf_tensor *));
    if (!g->by_name)
        return err_memory(c->err, "reading a GGUF");
    for (size_t i = 0; i < g->tensor_count; i++)
        g->by_name[i] = &g->tensors[i];
    qsort(g->by_name, g->tensor_count, sizeof *g->by_name, compare_names);
    for (size_t i = 1; i < g->tensor_count; i++)
        if (!strcmp(g->by_name[i - 1]->name, g->by_name[i]->name))
            return err_set(c->err, RAP_E_FORMAT, "%s: damaged GGUF: tensor '%s' occurs twice",
                           c->path, g->by_name[i]->name);
    return RAP_OK;
}

static rap_status read_alignment(size_t *out, const gguf_file *g, cursor *c)
{
    const gguf_value *v = gguf_find_value(g, "general.alignment");
    uint32_t alignment = 32;
    if (v && (v->kind != GGUF_KIND_U32 || v->is_array))
        return bad(c, "general.alignment is not a u32");
    if (v)
        memcpy(&alignment, v->data, 4);
    if (alignment < 8 || alignment > MAX_ALIGNMENT || (alignment & (alignment - 1)))
        return err_set(c->err, RAP_E_FORMAT, "%s: damaged GGUF: general.alignment is %u", c->path,
                       alignment);
    *out = alignment;
    return RAP_OK;
}

static rap_status read_tensors(gguf_file *g, cursor *c)
{
    size_t alignment = 32;
    uint64_t *offsets = mem_array(g->tensor_count + 1, sizeof *offsets);
    rap_status status =
        offsets ? read_alignment(&alignment, g, c) : err_memory(c->err, "reading a GGUF");
    for (size_t i = 0; status == RAP_OK && i < g->tensor_count; i++)
        status = read_tensor(&g->tensors[i], &offsets[i], c);
    if (status == RAP_OK)
        status = index_tensors(g, c);
    if (status == RAP_OK)
        status = place_tensors(g, offsets, alignment, c);
    free(offsets);
    return status;
}

/* ---- open and close ----------------------------------------------------------------------- */

static rap_status read_header(gguf_file *g, cursor *c)
{
    uint32_t version;
    uint64_t tensors, values;
    if (c->size < 4 || memcmp(c->data, "GGUF", 4))
        return file_kind_refuse(c->path, "not a GGUF file", c->data, c->size, c->err);
    c->at = 4;
    if (!take_u32(&version, c, "its header"))
        return RAP_E_FORMAT;
    if (version == 2u << 24 || version == 3u << 24)
        return err_set(c->err, RAP_E_UNSUPPORTED,
                       "%s: a GGUF of version %u for big-endian machines, which is not read: take "
                       "the little-endian one",
                       c->path, version >> 24);
    if (version != 2 && version != 3)
        return err_set(c->err, version > 3 && version < 0x10000 ? RAP_E_VERSION : RAP_E_FORMAT,
                       "%s: GGUF version %u, known are 2 and 3", c->path, version);
    if (!take_u64(&tensors, c, "its header") || !take_u64(&values, c, "its header"))
        return RAP_E_FORMAT;
    /* The smallest key takes 14 bytes, the smallest tensor 25. */
    size_t rest = c->size - c->at;
    if (values > MAX_KEYS || values > rest / 14)
        return err_set(c->err, RAP_E_FORMAT, "%s: damaged GGUF: claims %" PRIu64 " keys", c->path,
                       values);
    if (tensors > MAX_TENSORS || tensors > rest / 25)
        return err_set(c->err, RAP_E_FORMAT, "%s: damaged GGUF: claims %" PRIu64 " tensors",
                       c->path, tensors);
    g->values = mem_array((size_t)values + 1, sizeof *g->values);
    g->tensors = mem_array((size_t)tensors + 1, sizeof *g->tensors);
    if (!g->values || !g->tensors)
        return err_memory(c->err, "reading a GGUF");
    g->value_count = (size_t)values;
    g->tensor_count = (size_t)tensors;
    return RAP_OK;
}

rap_status gguf_file_open(gguf_file **out, const char *path, rap_err *err)
{
    rap_status status;
    cursor c = { .path = path, .err = err };
    gguf_file *g = mem_array(1, sizeof *g);

    *out = NULL;
    if (!g || !(g->path = mem_string(path))) {
        status = err_memory(err, "reading a GGUF");
        goto cleanup;
    }
    file_state before;
    g->identified = file_identify(&before, path);
    if ((status = file_map_open(&g->map, path, err)) != RAP_OK)
        goto cleanup;
    g->identified = g->identified && file_identify(&g->identity, path) &&
                    !memcmp(&before, &g->identity, sizeof before);
    c.data = g->map.data;
    c.size = g->map.size;
    if ((status = read_header(g, &c)) != RAP_OK || (status = read_values(g, &c)) != RAP_OK ||
        (status = read_architecture(g, &c)) != RAP_OK || (status = read_tensors(g, &c)) != RAP_OK)
        goto cleanup;
    *out = g;
    g = NULL;
cleanup:
    gguf_file_close(g);
    return status;
}

bool gguf_file_state(const gguf_file *g, file_state *out)
{
    *out = g->identity;
    return g->identified;
}

void gguf_file_close(gguf_file *g)
{
    if (!g)
        return;
    for (size_t i = 0; g->values && i < g->value_count; i++) {
        free(g->values[i].key);
        free(g->values[i].at);
    }
    for (size_t i = 0; g->tensors && i < g->tensor_count; i++)
        free((char *)g->tensors[i].name);
    free(g->values);
    free(g->by_key);
    free(g->tensors);
    free(g->by_name);
    free(g->architecture);
    file_map_close(&g->map);
    free(g->path);
    free(g);
}

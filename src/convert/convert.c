/* convert.c: opens a checkpoint, asks the name maps whose it is, and saves what they made of it.
 *
 * Read convert_file() last: above it stand the steps that the name maps share. The first failure is
 * kept in the conversion, so that a map reads as a list. */
#include "convert/convert.h"
#include "base/file.h"
#include "base/mem.h"
#include "convert/convert_inside.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

rap_status convert_fail(conversion *c, rap_status status, const char *format, ...)
{
    char text[512];
    va_list args;
    if (c->status != RAP_OK)
        return c->status;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return c->status = err_set(c->err, status, "%s: %s", state_dict_path(c->in), text);
}

bool convert_has(const conversion *c, const char *name)
{
    return state_dict_find(c->in, name) != NULL;
}

int64_t convert_size(const conversion *c, const char *name, int axis_from_end)
{
    const state_tensor *t = state_dict_find(c->in, name);
    if (!t || axis_from_end >= t->dims)
        return 0;
    return t->size[t->dims - 1 - axis_from_end];
}

int64_t convert_grid(int64_t rows)
{
    for (int64_t side = 1; side <= 1024; side++)
        if (side * side + 1 == rows)
            return side;
    return 0;
}

static bool same_shape(const state_tensor *t, convert_shape shape)
{
    int first = 0;
    while (t->dims - first > shape.dims && t->size[first] == 1)
        first++;
    if (t->dims == 0) /* a scalar */
        return shape.dims == 1 && shape.d[0] == 1;
    if (t->dims - first != shape.dims)
        return false;
    for (int i = 0; i < shape.dims; i++)
        if (t->size[first + i] != shape.d[i] || shape.d[i] < 1)
            return false;
    return true;
}

static bool gguf_type_of(gguf_type *out, dtype type)
{
    switch (type) {
    case DTYPE_F32:
    case DTYPE_F64:
        *out = GGUF_F32;
        return true;
    case DTYPE_F16:
        *out = GGUF_F16;
        return true;
    case DTYPE_BF16:
        *out = GGUF_BF16;
        return true;
    default:
        return false;
    }
}

static void narrow_doubles(void *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        double wide;
        memcpy(&wide, (char *)bytes + i * sizeof wide, sizeof wide);
        float narrow = (float)wide;
        memcpy((char *)bytes + i * sizeof narrow, &narrow, sizeof narrow);
    }
}

void convert_tensor(conversion *c, const char *from, const char *to, convert_shape shape)
{
    void *bytes;
    size_t size;
    gguf_type type;
    int64_t ne[4];
    const state_tensor *t = state_dict_find(c->in, from);

    if (c->status != RAP_OK)
        return;
    if (!t) {
        convert_fail(c, RAP_E_FORMAT, "has no tensor '%s'", from);
        return;
    }
    if (!same_shape(t, shape) || !gguf_type_of(&type, t->type)) {
        convert_fail(c, RAP_E_FORMAT, "tensor '%s' has an unexpected shape or type", from);
        return;
    }
    if ((c->status = state_tensor_read(t, &bytes, &size, c->err)) != RAP_OK)
        return;
    if (t->type == DTYPE_F64)
        narrow_doubles(bytes, (size_t)t->elements);
    for (int i = 0; i < shape.dims; i++)
        ne[i] = shape.d[shape.dims - 1 - i];
    gguf_put_tensor(c->out, to, type, shape.dims, ne, bytes);
    c->used[t - state_dict_at(c->in, 0)] = true;
    free(bytes);
}

static void convert_joined(conversion *c, const char *from, const char *from_end, const char *to,
                           const char *to_end, convert_shape shape)
{
    char a[256], b[64];
    snprintf(a, sizeof a, "%s%s", from, from_end);
    snprintf(b, sizeof b, "%s%s", to, to_end);
    convert_tensor(c, a, b, shape);
}

void convert_pair(conversion *c, const char *from, const char *to, convert_shape weight)
{
    convert_joined(c, from, ".weight", to, ".weight", weight);
    convert_joined(c, from, ".bias", to, ".bias", (convert_shape){ 1, { weight.d[0] } });
}

void convert_ignore(conversion *c, const char *name)
{
    size_t len = strlen(name);
    bool prefix = len && name[len - 1] == '*';
    for (size_t i = 0; i < state_dict_count(c->in); i++) {
        const char *other = state_dict_at(c->in, i)->name;
        if (prefix ? !strncmp(other, name, len - 1) : !strcmp(other, name))
            c->used[i] = true;
    }
}

/* One block: `from` and `to` end in "N.". */
static void convert_block(conversion *c, const char *from, const char *to, const block_names *n,
                          int64_t width, int64_t hidden)
{
    const char *const pair_from[] = { n->ln1, n->ln2, n->out, n->up, n->down };
    const char *const pair_to[] = { "ln1", "ln2", "attn_out", "ffn_up", "ffn_down" };
    const convert_shape pair_shape[] = { { 1, { width } },
                                         { 1, { width } },
                                         { 2, { width, width } },
                                         { 2, { hidden, width } },
                                         { 2, { width, hidden } } };
    char a[200], b[48];
    convert_joined(c, from, n->qkv_weight, to, "attn_qkv.weight",
                   (convert_shape){ 2, { 3 * width, width } });
    convert_joined(c, from, n->qkv_bias, to, "attn_qkv.bias", (convert_shape){ 1, { 3 * width } });
    for (int i = 0; i < 5; i++) {
        snprintf(a, sizeof a, "%s%s", from, pair_from[i]);
        snprintf(b, sizeof b, "%s%s", to, pair_to[i]);
        convert_pair(c, a, b, pair_shape[i]);
    }
}

int convert_blocks(conversion *c, const char *from, const char *to, const block_names *names,
                   int64_t width, int64_t *out_hidden)
{
    int count = 0;
    char a[128], b[32], probe[200];
    for (*out_hidden = 0; c->status == RAP_OK && count < 256; count++) {
        snprintf(a, sizeof a, "%s%d.", from, count);
        snprintf(b, sizeof b, "%s%d.", to, count);
        snprintf(probe, sizeof probe, "%s%s.weight", a, names->up);
        if (!convert_has(c, probe))
            break;
        if (count == 0)
            *out_hidden = convert_size(c, probe, 1);
        convert_block(c, a, b, names, width, *out_hidden);
    }
    if (count == 0)
        convert_fail(c, RAP_E_FORMAT, "has no transformer blocks ('%s0.…')", from);
    return count;
}

void convert_preprocessing(conversion *c, const char *prefix, int64_t size, const float mean[3],
                           const float std[3])
{
    char key[64];
    snprintf(key, sizeof key, "%s.vision.image_size", prefix);
    gguf_put_int(c->out, key, (uint32_t)size);
    snprintf(key, sizeof key, "%s.vision.image_mean", prefix);
    gguf_put_floats(c->out, key, mean, 3);
    snprintf(key, sizeof key, "%s.vision.image_std", prefix);
    gguf_put_floats(c->out, key, std, 3);
    snprintf(key, sizeof key, "%s.vision.resize", prefix);
    gguf_put_string(c->out, key, "shortest", strlen("shortest"));
    snprintf(key, sizeof key, "%s.vision.resize_size", prefix);
    gguf_put_int(c->out, key, (uint32_t)size);
    snprintf(key, sizeof key, "%s.vision.interpolation", prefix);
    gguf_put_string(c->out, key, "bicubic", strlen("bicubic"));
    snprintf(key, sizeof key, "%s.vision.crop", prefix);
    gguf_put_string(c->out, key, "center", strlen("center"));
}

/* ---- one file ----------------------------------------------------------------------------- */

/* general.name: the file's name without folder and extension. */
static void put_name(conversion *c, const char *path)
{
    const char *base = path_base(path), *extension = path_extension(path);
    size_t len = strlen(base), cut = strlen(extension);
    if (cut && cut + 1 < len)
        len -= cut + 1;
    gguf_put_string(c->out, "general.name", base, len);
}

static void check_leftovers(conversion *c)
{
    for (size_t i = 0; c->status == RAP_OK && i < state_dict_count(c->in); i++)
        if (!c->used[i])
            convert_fail(c, RAP_E_UNSUPPORTED,
                         "has tensor '%s', which this kind of model does not have",
                         state_dict_at(c->in, i)->name);
}

/* One line per kind of model; the first that recognises its tensors takes the checkpoint. */
static const struct {
    const char *architecture;
    bool (*recognise)(const conversion *c);
    void (*convert)(conversion *c);
} kinds[] = {
    { "clip", clip_recognise, clip_convert },
    { "vit", vit_recognise, vit_convert },
};
enum { KINDS = sizeof kinds / sizeof *kinds };

static rap_status convert_dict(conversion *c, const char *out)
{
    int kind = 0;
    while (kind < KINDS && !kinds[kind].recognise(c))
        kind++;
    if (kind == KINDS)
        return convert_fail(c, RAP_E_UNSUPPORTED,
                            "neither a CLIP as OpenAI names it nor a ViT as timm does");
    c->used = mem_array(state_dict_count(c->in), sizeof *c->used);
    c->out = gguf_writer_new(kinds[kind].architecture);
    if (!c->used || !c->out)
        return c->status = err_memory(c->err, "converting");
    put_name(c, state_dict_path(c->in));
    kinds[kind].convert(c);
    check_leftovers(c);
    return c->status == RAP_OK ? gguf_writer_save(c->out, out, c->err) : c->status;
}

rap_status convert_file(const char *in, const char *out, const char *vocab, rap_err *err)
{
    state_dict *d;
    rap_status status = state_dict_open(&d, in, err);
    if (status != RAP_OK)
        return status;
    conversion c = { .in = d, .vocab = vocab, .err = err };
    status = convert_dict(&c, out);
    gguf_writer_free(c.out);
    free(c.used);
    state_dict_close(d);
    return status;
}

/* lora.c: see lora.h. */
#include "train/lora.h"

#include "base/mem.h"
#include "train/linear.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void lora_release(lora *l)
{
    for (size_t i = 0; i < l->count; i++) {
        free(l->pair[i].name);
        free(l->pair[i].a);
        free(l->pair[i].b);
    }
    free(l->pair);
    *l = (lora){ .pair = NULL };
}

lora_pair *lora_pair_of(lora *l, const char *name)
{
    for (size_t i = 0; i < l->count; i++)
        if (strcmp(l->pair[i].name, name) == 0)
            return &l->pair[i];
    if (l->count == l->cap) {
        size_t cap = l->cap ? 2 * l->cap : 64;
        lora_pair *grown = realloc(l->pair, cap * sizeof *grown);

        if (!grown)
            return NULL;
        l->pair = grown;
        l->cap = cap;
    }
    l->pair[l->count] = (lora_pair){ .name = mem_string(name) };
    return l->pair[l->count].name ? &l->pair[l->count++] : NULL;
}

const lora_pair *lora_find(const lora *l, const char *name)
{
    for (size_t i = 0; i < l->count; i++)
        if (strcmp(l->pair[i].name, name) == 0)
            return &l->pair[i];
    return NULL;
}

/* ---- llama.cpp's form ---- */

/* `name` without ".lora_a" or ".lora_b"; *which is 'a' or 'b'. */
static bool split_name(char out[128], char *which, const char *name)
{
    size_t len = strlen(name);

    if (len < 8 || len - 7 >= 128 ||
        (strcmp(name + len - 7, ".lora_a") != 0 && strcmp(name + len - 7, ".lora_b") != 0))
        return false;
    *which = name[len - 1];
    snprintf(out, 128, "%.*s", (int)(len - 7), name);
    return true;
}

static rap_status read_half(lora *l, const gguf_file *g, const gguf_tensor *t, rap_err *err)
{
    char name[128], which;
    lora_pair *p;
    float **half;

    if (!split_name(name, &which, t->name) || t->dims > 2)
        return err_set(
            err, RAP_E_UNSUPPORTED,
            "%s: '%.80s' is no half of a LoRA; an adapter with other tensors is not read",
            gguf_file_path(g), t->name);
    p = lora_pair_of(l, name);
    if (!p)
        return err_memory(err, "reading an adapter");
    half = which == 'a' ? &p->a : &p->b;
    *half = mem_array((size_t)(t->ne[0] * t->ne[1]), sizeof **half);
    if (!*half)
        return err_memory(err, "reading an adapter");
    if (which == 'a') {
        p->in = t->ne[0];
        p->rank = p->rank && p->rank != t->ne[1] ? -1 : t->ne[1];
    } else {
        p->out = t->ne[1];
        p->rank = p->rank && p->rank != t->ne[0] ? -1 : t->ne[0];
    }
    return gguf_to_f32(g, t, *half, err);
}

rap_status lora_read(lora *out, const char *path, rap_err *err)
{
    gguf_file *g = NULL;
    const char *type = "";
    size_t len = 0;
    rap_status status = gguf_file_open(&g, path, err);

    *out = (lora){ .pair = NULL };
    if (status)
        return status;
    if (gguf_get_string(g, "adapter.type", &type, &len, NULL) != RAP_OK || len != 4 ||
        memcmp(type, "lora", 4) != 0)
        status = err_set(err, RAP_E_FORMAT, "%s: is no LoRA adapter (no \"adapter.type\" of lora)",
                         path);
    if (!status)
        status = gguf_get_float(g, "adapter.lora.alpha", &out->alpha, err);
    if (!status && out->alpha <= 0)
        status = err_set(err, RAP_E_FORMAT, "%s: adapter.lora.alpha is %g; it must be above 0",
                         path, out->alpha);
    for (size_t i = 0; !status && i < gguf_tensor_count(g); i++)
        status = read_half(out, g, gguf_tensor_at(g, i), err);
    gguf_file_close(g);
    if (status)
        lora_release(out);
    return status;
}

static void put_half(gguf_writer *w, const char *name, char which, int64_t in, int64_t out,
                     const float *data)
{
    char full[160];
    const int64_t ne[2] = { in, out };

    snprintf(full, sizeof full, "%s.lora_%c", name, which);
    gguf_put_tensor(w, full, GGUF_F32, 2, ne, data);
}

rap_status lora_write(const lora *l, const char *path, const char *architecture, rap_err *err)
{
    gguf_writer *w = gguf_writer_new(architecture);
    rap_status status;

    if (!w)
        return err_memory(err, "writing an adapter");
    gguf_put_string(w, "general.type", "adapter", 7);
    gguf_put_string(w, "adapter.type", "lora", 4);
    gguf_put_float(w, "adapter.lora.alpha", (float)l->alpha);
    for (size_t i = 0; i < l->count; i++) {
        const lora_pair *p = &l->pair[i];

        put_half(w, p->name, 'a', p->in, p->rank, p->a);
        put_half(w, p->name, 'b', p->rank, p->out, p->b);
    }
    status = gguf_writer_save(w, path, err);
    gguf_writer_free(w);
    return status;
}

/* ---- with a model ---- */

static bool all_finite(const float *x, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        if (!isfinite(x[i]))
            return false;
    return true;
}

rap_status lora_check(const lora *l, const char *path, const gguf_file *model, rap_err *err)
{
    if (!l->count)
        return err_set(err, RAP_E_FORMAT, "%s: holds no LoRA", path);
    for (size_t i = 0; i < l->count; i++) {
        const lora_pair *p = &l->pair[i];
        const gguf_tensor *t = gguf_find(model, p->name);

        if (!p->a || !p->b || p->rank < 1)
            return err_set(err, RAP_E_FORMAT, "%s: A and B of '%s' do not go together", path,
                           p->name);
        if (!t)
            return err_set(err, RAP_E_MODEL, "%s: does not fit '%s', which has no '%s'", path,
                           gguf_file_path(model), p->name);
        if (t->dims > 2 || t->ne[0] != p->in || t->ne[1] != p->out)
            return err_set(err, RAP_E_MODEL,
                           "%s: does not fit '%s': '%s' is [%lld, %lld] there, the adapter is for "
                           "[%lld, %lld]",
                           path, gguf_file_path(model), p->name, (long long)t->ne[1],
                           (long long)t->ne[0], (long long)p->out, (long long)p->in);
        if (!all_finite(p->a, p->rank * p->in) || !all_finite(p->b, p->out * p->rank))
            return err_set(err, RAP_E_FORMAT,
                           "%s: the adapter of '%s' holds a number that is not finite", path,
                           p->name);
    }
    return RAP_OK;
}

typedef struct merging {
    const lora *l;
    double scale;
    int threads;
} merging;

static rap_status merged(float **out, const gguf_tensor *t, void *payload, rap_err *err)
{
    const merging *m = payload;
    const lora_pair *p = lora_find(m->l, t->name);
    float *w, *packed, *b;
    factor f;

    if (!p)
        return RAP_OK;
    w = mem_array((size_t)(p->in * p->out), sizeof *w);
    b = mem_array((size_t)(p->out * p->rank), sizeof *b);
    packed = mem_array(factor_reals(p->in, p->rank), sizeof *packed);
    if (w && b && packed) {
        float s = (float)(m->scale * m->l->alpha / (double)p->rank);

        frozen_read(w, t, p->out, m->threads);
        for (int64_t i = 0; i < p->out * p->rank; i++)
            b[i] = s * p->b[i];
        factor_pack(&f, packed, false, p->a, p->in, NN_COLUMNS, p->in, p->rank, m->threads);
        product(w, b, &f, p->out, true, m->threads);
    }
    free(packed);
    free(b);
    *out = w;
    return w && b && packed ? RAP_OK : err_memory(err, "merging an adapter");
}

rap_status lora_merge(const lora *l, double scale, const gguf_file *model, const char *out,
                      int threads, rap_err *err)
{
    merging m = { l, scale, threads };

    return gguf_renumber(model, out, merged, &m, err);
}

/* convert_names.c: whose checkpoint it is, by the names of its tensors: what trainers put in front of them
 * comes off, and models that are known but not read are called by their names. */
#include "convert/convert_inside.h"
#include "formats/state_choose.h"

#include <stdio.h>
#include <string.h>

enum { MAX_DEPTH = 8, MAX_PART = 100 };

/* ---- prefixes ----------------------------------------------------------------------------- */

/* The tensors whose names begin with the same part. */
typedef struct group {
    char prefix[MAX_PART + 2]; /* with the dot */
    size_t count;
    bool averaged;
} group;

static bool same_group(const group *g, const char *name)
{
    size_t len = strlen(g->prefix);
    return len && !strncmp(name, g->prefix, len);
}

/* Averaged weights are better where they are as many. */
static bool is_better(const group *a, const group *b)
{
    return a->count != b->count ? a->count > b->count : a->averaged && !b->averaged;
}

/* The group of most tensors. Names are sorted, so a group's stand together. */
static group largest_group(const state_dict *d)
{
    group best = { .count = 0 }, now = { .count = 0 };
    for (size_t i = 0; i < state_dict_count(d); i++) {
        const char *name = state_dict_at(d, i)->name;
        size_t len = strcspn(name, ".");
        if (same_group(&now, name)) {
            now.count++;
            continue;
        }
        best = is_better(&now, &best) ? now : best;
        now = (group){ .count = 0 };
        if (name[len] == '.' && len > 0 && len <= MAX_PART) {
            memcpy(now.prefix, name, len + 1);
            now.count = 1;
            now.averaged = state_is_averaged(name, len);
        }
    }
    return is_better(&now, &best) ? now : best;
}

/* A tensor that is not in the group; the counter of an average does not count. */
static const char *first_other(const state_dict *d, const group *g, size_t *out_count)
{
    const char *first = NULL;
    *out_count = 0;
    for (size_t i = 0; i < state_dict_count(d); i++) {
        const char *name = state_dict_at(d, i)->name;
        if (same_group(g, name) || !strcmp(name, "n_averaged"))
            continue;
        first = first ? first : name;
        ++*out_count;
    }
    return first;
}

static void tell(conversion *c, const group *g)
{
    size_t others;
    const char *first = first_other(c->in, g, &others);
    if (first)
        convert_remark(c, "took the %s of '%s', without %zu other tensors ('%s'%s)",
                       g->averaged ? "averaged weights" : "weights", g->prefix, others, first,
                       others > 1 ? " …" : "");
}

bool convert_unwrap(conversion *c, state_dict *d, bool recognise(const conversion *c))
{
    for (int depth = 0; depth < MAX_DEPTH && c->status == RAP_OK; depth++) {
        if (recognise(c))
            return true;
        group g = largest_group(d);
        if (g.count < 2 || convert_stranger(c))
            return false;
        tell(c, &g);
        c->status = state_dict_select(d, g.prefix, c->err);
    }
    return false;
}

/* ---- models that are not read -------------------------------------------------------------- */

/* A tensor's name, or its beginning before a '*'. */
static bool has_like(const conversion *c, const char *pattern)
{
    size_t len = strlen(pattern);
    if (!len || pattern[len - 1] != '*')
        return convert_has(c, pattern);
    for (size_t i = 0; i < state_dict_count(c->in); i++)
        if (!strncmp(state_dict_at(c->in, i)->name, pattern, len - 1))
            return true;
    return false;
}

const char *convert_stranger(const conversion *c)
{
    /* A tensor that it has, one that it lacks (NULL: any), and what it is. */
    static const struct {
        const char *has, *lacks, *what;
    } known[] = {
        { "backbone.image_model.*", NULL,
          "YOLO-World in the layout of its authors (mmyolo), which is not read: take "
          "Ultralytics' yolov8s-worldv2.pt or its m, l, x" },
        { "bbox_head.*", NULL,
          "a detector of MMDetection or mmyolo, which is not read: for YOLO-World take "
          "Ultralytics' yolov8s-worldv2.pt or its m, l, x" },
        { "vit.embeddings.cls_token", NULL,
          "a ViT in the layout of Hugging Face, which is not read: "
          "take the one that timm publishes" },
        { "deit.embeddings.cls_token", NULL,
          "a DeiT in the layout of Hugging Face, which is not read: take the one that timm "
          "publishes" },
        { "dist_token", NULL,
          "a distilled DeiT (it has two class tokens), which is not read: take the one without "
          "'distilled' in its name" },
        { "visual.layer1.0.conv1.weight", NULL,
          "a CLIP with a ResNet for pictures, which is not read: take one with a ViT" },
        { "visual.trunk.*", NULL,
          "an open_clip model around a network of timm, which is not read: take "
          "the SigLIP or ViT that Hugging Face or timm publishes" },
        { "model.layers.0.self_attn.q_proj.weight", NULL,
          "a language model: llama.cpp's convert_hf_to_gguf.py makes a GGUF of it" },
        { "language_model.*", NULL,
          "a vision-language model: llama.cpp's convert_hf_to_gguf.py makes a GGUF of it" },
        { "image_encoder.neck.*", NULL, "a SAM, which is not read" },
        { "blocks.0.gamma_1", NULL,
          "a ViT in the layout of its authors (DeiT III, CaiT or BEiT), which is not read: take "
          "the one that timm publishes" },
        { "embeddings.cls_token", "encoder.layer.0.layer_scale1.lambda1",
          "a ViT in the layout of Hugging Face, which is not read: take the one that timm "
          "publishes" },
        { "storage_tokens", NULL, "a DINOv3, which is not read: take a DINOv2" },
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (has_like(c, known[i].has) && !(known[i].lacks && convert_has(c, known[i].lacks)))
            return known[i].what;
    return NULL;
}

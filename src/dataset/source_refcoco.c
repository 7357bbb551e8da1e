/* source_refcoco.c: RefCOCO, RefCOCO+ and RefCOCOg: COCO's instances.json with a pickle of references ("refs": the
 * file refs(unc).p, refs(google).p or refs(umd).p), a list of dicts with "ann_id", "split" and "sentences". Only
 * annotations that a reference of the wanted "split" (default: "train") names are used. A sentence becomes the info
 * where it says how the object looks; one that says where it is ("left", "second from the back") would be wrong
 * in any other picture and is left out.
 *
 * Memory: the references (the pickle is read whole) and the table of images. */
#include "dataset/coco.h"
#include "dataset/templates.h"

#include "base/buf.h"
#include "base/mem.h"
#include "formats/pickle.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

typedef struct reference {
    int64_t annotation;
    pickle_chars sentence; /* len 0: none of use */
} reference;

typedef struct reading {
    source_sink *sink;
    const coco *coco;
    reference *reference; /* [count], in order of annotations */
    size_t count;
} reading;

/* ---- references ---- */

static int is_about_place(pickle_chars text)
{
    static const char *const words[] = {
        "left",   "right", "top",     "bottom",  "front",  "back",     "middle", "center", "corner",
        "side",   "near",  "nearest", "closest", "far",    "farthest", "first",  "second", "third",
        "fourth", "last",  "above",   "below",   "behind", "under",    "upper",  "lower",  "lol"
    };
    size_t at = 0;

    while (at < text.len) {
        size_t end = at;

        while (end < text.len && isalpha((unsigned char)text.bytes[end]))
            end++;
        for (size_t i = 0; end > at && i < sizeof words / sizeof *words; i++)
            if (strlen(words[i]) == end - at &&
                strncasecmp(words[i], text.bytes + at, end - at) == 0)
                return 1;
        at = end > at ? end : at + 1;
    }
    return 0;
}

static pickle_chars choose_sentence(const pickle_value *sentences)
{
    const pickle_chars none = { "", 0 };

    if (!sentences || sentences->kind != PICKLE_LIST)
        return none;
    for (uint32_t i = 0; i < sentences->as.list.count; i++) {
        const pickle_value *text = pickle_get(sentences->as.list.items[i], "sent");

        if (text && text->kind == PICKLE_TEXT && text->as.text.len > 3 && text->as.text.len < 300 &&
            !is_about_place(text->as.text))
            return text->as.text;
    }
    return none;
}

static int by_annotation(const void *a, const void *b)
{
    const reference *x = a, *y = b;

    return x->annotation != y->annotation ? (x->annotation < y->annotation ? -1 : 1) : 0;
}

static rap_status read_references(reading *r, const pickle_value *root, rap_err *err)
{
    const char *split = *r->sink->source->split ? r->sink->source->split : "train";
    const char *path = r->sink->source->refs;

    if (root->kind != PICKLE_LIST || root->as.list.count == 0)
        return err_set(err, RAP_E_FORMAT, "%s: not a list of references", path);
    r->reference = mem_array(root->as.list.count, sizeof *r->reference);
    if (!r->reference)
        return err_memory(err, "reading references");
    for (uint32_t i = 0; i < root->as.list.count; i++) {
        const pickle_value *one = root->as.list.items[i], *id = pickle_get(one, "ann_id");

        if (!id || id->kind != PICKLE_INT)
            return err_set(err, RAP_E_FORMAT, "%s: reference %u has no \"ann_id\"", path, i);
        if (pickle_text_is(pickle_get(one, "split"), split))
            r->reference[r->count++] =
                (reference){ id->as.integer, choose_sentence(pickle_get(one, "sentences")) };
    }
    if (r->count == 0)
        return err_set(err, RAP_E_FORMAT, "%s: no reference of the split \"%s\"", path, split);
    qsort(r->reference, r->count, sizeof *r->reference, by_annotation);
    return RAP_OK;
}

/* ---- annotations ---- */

static int add_info(dataset_item *item, const char *category, pickle_chars sentence)
{
    buf info = BUF_INIT;
    int enough = 1;

    if (sentence.len == 0)
        return 1;
    template_put(&info, "{name} is a {category}: ",
                 &(template_values){ .name = "{name}", .category = category });
    buf_add(&info, sentence.bytes, sentence.len);
    buf_putc(&info, '.');
    enough = !buf_failed(&info) && dataset_item_text(&item->info, buf_text(&info));
    buf_release(&info);
    return enough;
}

static rap_status take(const coco_annotation *a, void *payload, rap_err *err)
{
    reading *r = payload;
    reference key = { .annotation = a->id };
    const reference *found = bsearch(&key, r->reference, r->count, sizeof key, by_annotation);
    const char *source = r->sink->source->name;
    char id[32];
    dataset_item *item;

    if (!found)
        return RAP_OK;
    snprintf(id, sizeof id, "%" PRId64, a->id);
    item = dataset_item_new(source, id, id);
    if (item && !(coco_place(&item->concept, source, r->coco, a->image, a->box) &&
                  coco_place(&item->query, source, r->coco, a->image, a->box) &&
                  dataset_item_text(&item->category, a->category) &&
                  add_info(item, a->category, found->sentence))) {
        dataset_item_free(item);
        item = NULL;
    }
    if (item)
        coco_keep_mask(item, a, r->sink);
    return source_offer(r->sink, item, err);
}

rap_status source_refcoco(source_sink *sink, rap_err *err)
{
    const plan_source *s = sink->source;
    unpickled *u = NULL;
    coco *c = NULL;
    reading r = { .sink = sink };
    rap_status status = unpickle_file(&u, s->refs, PICKLE_MAX_BYTES, err);

    if (status == RAP_OK)
        status = read_references(&r, unpickle_root(u), err);
    if (status == RAP_OK)
        status = coco_open(&c, s->annotations, sink, err);
    r.coco = c;
    if (status == RAP_OK)
        status = coco_annotations(c, take, &r, sink, err);
    free(r.reference);
    coco_close(c);
    unpickle_free(u);
    return status;
}

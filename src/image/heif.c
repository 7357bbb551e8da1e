/* heif.c: reads the boxes of a HEIC or AVIF file that hold its size and the references between its
 * items. A decoder that follows a cycle of items recurses forever, so derived items may refer only
 * to coded ones. The file is decoded in src/decode/heif.c. */
#include "base/mem.h"
#include "image/kind.h"

#include <stdlib.h>
#include <string.h>

enum { HEIF_MAX_ITEMS = 10000 };

#define FOURCC(a, b, c, d) ((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (d))

typedef struct heif_box {
    uint32_t type;
    const uint8_t *body, *end;
} heif_box;

typedef struct heif_item {
    uint32_t id, type;
    bool helps, is_helped; /* is an auxiliary picture (alpha, depth) of another one; has one */
} heif_item;

typedef struct heif {
    heif_item *item; /* [count] */
    size_t count;
    uint32_t primary;
    heif_box properties;   /* ipco: the boxes shared by the items */
    heif_box links;        /* ipma: which item uses which */
    const char *wrong;     /* NULL so far */
    int64_t width, height; /* of the primary item */
} heif;

/* ---- boxes ---- */

/* Reads the box at *at and moves past it; false at the end, or if a box is longer than its parent. */
static bool box_next(heif_box *out, const uint8_t **at, const uint8_t *end)
{
    size_t left = (size_t)(end - *at), head = 8;
    uint64_t size;

    if (left < 8)
        return false;
    size = be32(*at);
    out->type = be32(*at + 4);
    if (size == 1 && left >= 16) {
        size = (uint64_t)be32(*at + 8) << 32 | be32(*at + 12);
        head = 16;
    } else if (size == 0) {
        size = left;
    }
    if (size < head || size > left)
        return false;
    out->body = *at + head;
    out->end = *at + size;
    *at += size;
    return true;
}

/* Reads consecutive big-endian numbers; past the end they are 0 and `short_of` is set. */
typedef struct heif_reader {
    const uint8_t *at, *end;
    bool short_of;
} heif_reader;

static uint32_t take(heif_reader *r, size_t bytes)
{
    uint32_t value = 0;

    if ((size_t)(r->end - r->at) < bytes) {
        r->short_of = true;
        r->at = r->end;
        return 0;
    }
    for (size_t i = 0; i < bytes; i++)
        value = value << 8 | *r->at++;
    return value;
}

static heif_reader reader_of(const heif_box *box, uint32_t *version, uint32_t *flags)
{
    heif_reader r = { box->body, box->end, false };

    *version = take(&r, 1);
    *flags = take(&r, 3);
    return r;
}

/* ---- items ---- */

static heif_item *item_find(const heif *h, uint32_t id)
{
    for (size_t i = 0; i < h->count; i++)
        if (h->item[i].id == id)
            return &h->item[i];
    return NULL;
}

static bool item_is_made(const heif_item *item)
{
    static const uint32_t coded[] = { FOURCC('h', 'v', 'c', '1'), FOURCC('h', 'e', 'v', '1'),
                                      FOURCC('a', 'v', '0', '1'), FOURCC('a', 'v', 'c', '1'),
                                      FOURCC('j', 'p', 'e', 'g'), FOURCC('v', 'v', 'c', '1') };

    for (size_t i = 0; i < sizeof coded / sizeof *coded; i++)
        if (item->type == coded[i])
            return false;
    return true;
}

static void read_item(heif *h, const heif_box *box)
{
    uint32_t version, flags;
    heif_reader r = reader_of(box, &version, &flags);
    heif_item *item = &h->item[h->count];

    if (version < 2)
        return;
    item->id = take(&r, version == 2 ? 2 : 4);
    take(&r, 2);
    item->type = take(&r, 4);
    if (r.short_of || item_find(h, item->id))
        h->wrong = "two items have the same number";
    else
        h->count++;
}

static void read_items(heif *h, const heif_box *box)
{
    uint32_t version, flags;
    heif_reader r = reader_of(box, &version, &flags);
    heif_box inner;

    take(&r, version == 0 ? 2 : 4);
    while (!h->wrong && box_next(&inner, &r.at, r.end)) {
        if (inner.type != FOURCC('i', 'n', 'f', 'e'))
            continue;
        if (h->count < HEIF_MAX_ITEMS)
            read_item(h, &inner);
        else
            h->wrong = "it has too many items";
    }
}

/* An item's references to others: those it is derived from or supplements. */
static void read_reference(heif *h, const heif_box *box, size_t id_size)
{
    heif_reader r = { box->body, box->end, false };
    heif_item *from = item_find(h, take(&r, id_size));
    uint32_t count = take(&r, 2);

    for (uint32_t i = 0; i < count && !h->wrong; i++) {
        heif_item *to = item_find(h, take(&r, id_size));
        if (r.short_of)
            h->wrong = "a reference is cut short";
        else if (box->type == FOURCC('d', 'i', 'm', 'g') && (!to || item_is_made(to)))
            h->wrong = "an item is made of one that is not a coded picture";
        else if (box->type == FOURCC('a', 'u', 'x', 'l') && from && to)
            from->helps = to->is_helped = true;
    }
    if (from && from->helps && from->is_helped)
        h->wrong = "items refer to each other";
}

static void read_references(heif *h, const heif_box *box)
{
    uint32_t version, flags;
    heif_reader r = reader_of(box, &version, &flags);
    heif_box inner;

    while (!h->wrong && box_next(&inner, &r.at, r.end))
        read_reference(h, &inner, version == 0 ? 2 : 4);
    for (size_t i = 0; i < h->count; i++)
        if (h->item[i].helps && h->item[i].is_helped)
            h->wrong = "items refer to each other";
}

/* ---- the size ---- */

/* Property `index`, from 1: stores it if it is a size. */
static void read_size(heif *h, uint32_t index)
{
    const uint8_t *at = h->properties.body;
    uint32_t version, flags, i = 0;
    heif_box box;
    heif_reader r;

    while (++i <= index && box_next(&box, &at, h->properties.end))
        if (i == index && box.type == FOURCC('i', 's', 'p', 'e')) {
            r = reader_of(&box, &version, &flags);
            h->width = take(&r, 4);
            h->height = take(&r, 4);
        }
}

/* Reads the properties of the primary item. */
static void read_links(heif *h)
{
    uint32_t version, flags, count;
    heif_reader r = reader_of(&h->links, &version, &flags);

    count = take(&r, 4);
    for (uint32_t i = 0; i < count && !r.short_of; i++) {
        uint32_t id = take(&r, version == 0 ? 2 : 4), links = take(&r, 1);
        for (uint32_t k = 0; k < links && !r.short_of; k++) {
            uint32_t index = flags & 1 ? take(&r, 2) & 0x7FFF : take(&r, 1) & 0x7F;
            if (id == h->primary)
                read_size(h, index);
        }
    }
}

static void read_properties(heif *h, const heif_box *box)
{
    const uint8_t *at = box->body;
    heif_box inner;

    while (box_next(&inner, &at, box->end)) {
        if (inner.type == FOURCC('i', 'p', 'c', 'o'))
            h->properties = inner;
        if (inner.type == FOURCC('i', 'p', 'm', 'a'))
            h->links = inner;
    }
}

/* ---- the file ---- */

static void read_primary(heif *h, const heif_box *box)
{
    uint32_t version, flags;
    heif_reader r = reader_of(box, &version, &flags);

    h->primary = take(&r, version == 0 ? 2 : 4);
}

/* Reads the items first, whatever the order of the boxes, because references need them. */
static void read_meta(heif *h, const heif_box *meta)
{
    const uint8_t *start = meta->end - meta->body < 4 ? meta->end : meta->body + 4, *at = start;
    heif_box box;

    while (!h->wrong && box_next(&box, &at, meta->end)) {
        if (box.type == FOURCC('i', 'i', 'n', 'f'))
            read_items(h, &box);
        if (box.type == FOURCC('p', 'i', 't', 'm'))
            read_primary(h, &box);
        if (box.type == FOURCC('i', 'p', 'r', 'p'))
            read_properties(h, &box);
    }
    at = start;
    while (!h->wrong && box_next(&box, &at, meta->end))
        if (box.type == FOURCC('i', 'r', 'e', 'f'))
            read_references(h, &box);
    if (!h->wrong && h->links.body && h->properties.body)
        read_links(h);
}

rap_status heif_read(image_facts *facts, const uint8_t *bytes, size_t size, const char *name,
                     rap_err *err)
{
    heif h = { .item = mem_array(HEIF_MAX_ITEMS + 1, sizeof *h.item) };
    const uint8_t *at = bytes;
    int metas = 0;
    heif_box box;

    if (!h.item)
        return err_memory(err, "reading a picture");
    while (!h.wrong && box_next(&box, &at, bytes + size)) {
        if (box.type == FOURCC('m', 'e', 't', 'a') && ++metas == 1)
            read_meta(&h, &box);
    }
    if (metas > 1)
        h.wrong = "it has two item lists";
    free(h.item);
    if (h.wrong || metas == 0 || h.width == 0)
        return image_damaged(err, name, h.wrong);
    facts->width = h.width;
    facts->height = h.height;
    facts->memory = (uint64_t)(h.width > UINT16_MAX ? UINT16_MAX : h.width) *
                    (uint64_t)(h.height > UINT16_MAX ? UINT16_MAX : h.height) * 8;
    return RAP_OK;
}

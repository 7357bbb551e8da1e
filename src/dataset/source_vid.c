/* source_vid.c: ILSVRC-VID: a folder a snippet, an XML a frame (000000.xml …) with <object> elements that carry
 * <trackid>, <name> (a WordNet id) and <bndbox>. Of each track of a snippet two frames are taken, at least "gap"
 * apart where it is that long: concept and query. "annotations" is searched for snippets at any depth up to 4, so
 * that both Annotations/VID/train and one of its parts will do; "images" has the same folders with .JPEG files.
 *
 * Memory: the tracks of one snippet. */
#include "dataset/source.h"
#include "dataset/wordnet.h"

#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "formats/xml.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TRACKS = 64, DEPTH = 4 };

typedef struct frame {
    int number, width, height;
    rap_box box;
} frame;

typedef struct track {
    char id[32], category[64];
    frame first, last;
} track;

typedef struct reading {
    source_sink *sink;
    const char *snippet; /* relative to "annotations" */
    int number;          /* of the frame */
    double width, height;
    char id[32], category[64]; /* of the object that is being read */
    double left, right, top, bottom;
    track track[TRACKS];
    int tracks;
    double done, whole; /* share of the folders that is read; of which this folder is so much */
} reading;

static int is_side(double pixels)
{
    return pixels >= 1 && pixels <= 65535;
}

static int is_near(double pixels)
{
    return pixels > -1e6 && pixels < 1e6;
}

static void add_sighting(reading *r)
{
    frame seen = { .number = r->number };
    char what[256];
    track *t = r->track;

    snprintf(what, sizeof what, "%.180s/%06d.xml, track %s", r->snippet, r->number, r->id);
    r->sink->report->read++;
    if (!*r->id || !*r->category) {
        report_drop(r->sink->report, DROP_REFERENCE, "%s: no <trackid> or <name>", what);
        return;
    }
    if (!is_side(r->width) || !is_side(r->height) || !is_near(r->left) || !is_near(r->top) ||
        !is_near(r->right) || !is_near(r->bottom)) {
        report_drop(r->sink->report, DROP_OUTSIDE, "%s: no box of pixels in a picture", what);
        return;
    }
    seen.width = (int)r->width;
    seen.height = (int)r->height;
    seen.box = (rap_box){ (float)r->left, (float)r->top, (float)(r->right - r->left),
                          (float)(r->bottom - r->top) };
    if (!source_box(&seen.box, seen.width, seen.height, r->sink, what))
        return;
    while (t < r->track + r->tracks && strcmp(t->id, r->id) != 0)
        t++;
    if (t == r->track + TRACKS) {
        report_drop(r->sink->report, DROP_CONCEPTS, "%s: the snippet has more than %d tracks", what,
                    TRACKS);
        return;
    }
    if (t == r->track + r->tracks) {
        r->tracks++;
        *t = (track){ .first = seen, .last = seen };
        memcpy(t->id, r->id, sizeof t->id);
        memcpy(t->category, r->category, sizeof t->category);
    } else {
        t->last = seen;
    }
}

static rap_status element(const char *path, const char *text, void *payload, rap_err *err)
{
    reading *r = payload;
    const struct {
        const char *path;
        double *out;
    } numbers[] = { { "annotation/size/width", &r->width },
                    { "annotation/size/height", &r->height },
                    { "annotation/object/bndbox/xmin", &r->left },
                    { "annotation/object/bndbox/xmax", &r->right },
                    { "annotation/object/bndbox/ymin", &r->top },
                    { "annotation/object/bndbox/ymax", &r->bottom } };

    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (strcmp(path, numbers[i].path) == 0) {
            if (!text_parse_double(numbers[i].out, text))
                return err_set(err, RAP_E_FORMAT, "<%s> is \"%.40s\", not a number", path, text);
            return RAP_OK;
        }
    if (strcmp(path, "annotation/object/trackid") == 0) {
        report_copy(r->id, sizeof r->id, text);
    } else if (strcmp(path, "annotation/object/name") == 0) {
        report_copy(r->category, sizeof r->category, wordnet_word(text));
    } else if (strcmp(path, "annotation/object") == 0) {
        add_sighting(r);
        r->id[0] = r->category[0] = '\0';
        r->left = r->right = r->top = r->bottom = 0;
    }
    return RAP_OK;
}

static int place(dataset_place *out, const reading *r, const frame *f)
{
    char name[32], *path;
    int enough;

    snprintf(name, sizeof name, "%06d.JPEG", f->number);
    path = *r->snippet ? path_join(r->snippet, name) : mem_string(name);
    out->width = f->width;
    out->height = f->height;
    enough = path && dataset_item_place(out, r->sink->source->name, path, f->box);
    free(path);
    return enough;
}

static rap_status offer_track(reading *r, const track *t, rap_err *err)
{
    char *id;
    dataset_item *item;

    if (t->last.number - t->first.number < r->sink->source->gap ||
        t->first.number == t->last.number) {
        report_drop(r->sink->report, DROP_NO_PAIR, "%s, track %s", r->snippet, t->id);
        return RAP_OK;
    }
    id = *r->snippet ? path_join(r->snippet, t->id) : mem_string(t->id);
    item = id ? dataset_item_new(r->sink->source->name, id, id) : NULL;
    free(id);
    if (item && !(dataset_item_scene(item, r->sink->source->name, r->snippet) &&
                  place(&item->concept, r, &t->first) && place(&item->query, r, &t->last) &&
                  dataset_item_text(&item->category, t->category))) {
        dataset_item_free(item);
        item = NULL;
    }
    return source_offer(r->sink, item, err);
}

static rap_status read_snippet(reading *r, const char *folder, char **name, size_t count,
                               rap_err *err)
{
    rap_status status = RAP_OK;

    r->tracks = 0;
    for (size_t i = 0; status == RAP_OK && i < count; i++) {
        char *path;
        long number;
        char stem[32];
        rap_err why = { 0 };

        snprintf(stem, sizeof stem, "%.*s", (int)strcspn(name[i], "."), name[i]);
        if (strcmp(path_extension(name[i]), "xml") != 0 || !text_parse_long(&number, stem) ||
            number < 0 || number > 1000000)
            continue;
        path = path_join(folder, name[i]);
        if (!path)
            return err_memory(err, "reading a snippet");
        r->number = (int)number;
        r->width = r->height = 0;
        status = xml_read(path, element, r, &why);
        if (status != RAP_OK) /* the callback does not know the file */
            err_set(err, status, "%s%s%s", strstr(why.text, path) ? "" : path,
                    strstr(why.text, path) ? "" : ": ", why.text);
        free(path);
    }
    for (int t = 0; status == RAP_OK && t < r->tracks; t++)
        status = offer_track(r, &r->track[t], err);
    r->done += r->whole;
    return status == RAP_OK ? source_progress(r->sink, r->done, err) : status;
}

/* A folder with XML files is a snippet; others are searched. */
static rap_status search(reading *r, const char *folder, const char *relative, int depth,
                         rap_err *err)
{
    char **name = NULL;
    size_t count = 0, files = 0;
    double whole = r->whole;
    rap_status status = source_list(&name, &count, folder, err);

    for (size_t i = 0; i < count; i++)
        files += strcmp(path_extension(name[i]), "xml") == 0;
    r->snippet = relative;
    if (status == RAP_OK && files > 0)
        status = read_snippet(r, folder, name, count, err);
    if (count > 0)
        r->whole = whole / (double)count;
    for (size_t i = 0; status == RAP_OK && files == 0 && depth < DEPTH && i < count; i++) {
        char *below = path_join(folder, name[i]);
        char *inside = *relative ? path_join(relative, name[i]) : mem_string(name[i]);

        if (!below || !inside)
            status = err_memory(err, "reading snippets");
        else if (file_is_folder(below))
            status = search(r, below, inside, depth + 1, err);
        free(below);
        free(inside);
    }
    r->whole = whole;
    source_list_free(name, count);
    return status;
}

rap_status source_vid(source_sink *sink, rap_err *err)
{
    reading *r = mem_array(1, sizeof *r);
    rap_status status;

    if (!r)
        return err_memory(err, "reading snippets");
    r->sink = sink;
    r->whole = 1;
    status = search(r, sink->source->annotations, "", 0, err);
    free(r);
    return status;
}

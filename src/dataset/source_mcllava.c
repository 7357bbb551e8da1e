/* source_mcllava.c: MC-LLaVA: concept_type.json maps a concept to "two_concept" or "three_concept", below which lie
 * concept/train/CONCEPT and concept/test/CONCEPT ("split": "train", the default, or "test") and multi/A_B with
 * pictures of several. The first training picture is the concept; the others of the split are queries, and of the
 * test split also the pictures of multi/ whose folder names it. Without concept_type.json, which the data set was once
 * published without, the folders are searched. Masks (*_mask.png) are no pictures of the concept. "annotations" may
 * be a database.json in the official format that gives categories and infos.
 *
 * Memory: the list of concepts, and the names of one folder. */
#include "dataset/object_folder.h"
#include "dataset/official.h"
#include "dataset/rename.h"

#include "base/file.h"
#include "base/mem.h"
#include "formats/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct reading {
    source_sink *sink;
    json_t *types, *database;
    const char *split;
} reading;

typedef struct together { /* of a folder below multi/ */
    const reading *r;
    const char *folder, *concept;
} together;

/* The first picture of the folder below `images` as a path; free(). NULL: none, or no such folder. */
static char *first_picture(const char *images, const char *folder)
{
    char *whole = path_join(images, folder), **name = NULL, *found = NULL;
    size_t count = 0;

    if (whole && source_list(&name, &count, whole, NULL) == RAP_OK)
        for (size_t i = 0; i < count && !found; i++)
            if (source_is_picture(name[i]) && !source_is_mask(name[i]))
                found = path_join(folder, name[i]);
    source_list_free(name, count);
    free(whole);
    return found;
}

/* "A_B" names A and B. */
static int names(const char *folder, const char *concept)
{
    size_t len = strlen(concept);

    for (const char *at = folder; (at = strstr(at, concept)); at++)
        if ((at == folder || at[-1] == '_') && (at[len] == '\0' || at[len] == '_'))
            return 1;
    return 0;
}

/* The others that the folder names are in its pictures too. */
static int add_company(dataset_item *item, const char *picture, void *payload)
{
    const together *t = payload;
    const char *other;
    json_t *type;
    int enough = 1;

    json_object_foreach(t->r->types, other, type)
    {
        if (enough && strcmp(other, t->concept) != 0 && names(t->folder, other))
            enough = dataset_item_companion(item, t->r->sink->source->name, other);
    }
    return enough;
}

static rap_status read_folder(const reading *r, object_folder f, rap_err *err)
{
    char *whole = path_join(r->sink->source->images, f.folder);
    rap_status status = RAP_OK;

    if (!whole)
        status = err_memory(err, "reading concepts");
    else if (file_is_folder(whole))
        status = object_folder_read(&f, r->sink, err);
    free(whole);
    return status;
}

static rap_status read_multi(const reading *r, object_folder f, const char *type,
                             const char *concept, rap_err *err)
{
    char multi[300], *whole, **name = NULL;
    size_t count = 0;
    rap_status status = RAP_OK;

    snprintf(multi, sizeof multi, "%.280s/multi", type);
    whole = path_join(r->sink->source->images, multi);
    if (whole && file_is_folder(whole))
        status = source_list(&name, &count, whole, err);
    for (size_t i = 0; status == RAP_OK && i < count; i++)
        if (names(name[i], concept)) {
            char *inside = path_join(multi, name[i]);
            together t = { r, name[i], concept };

            f.folder = inside;
            f.identity = concept;
            f.add = add_company;
            f.payload = &t;
            status = inside ? read_folder(r, f, err) : err_memory(err, "reading concepts");
            free(inside);
        }
    source_list_free(name, count);
    free(whole);
    return status;
}

static rap_status read_concept(const reading *r, const char *concept, const char *type,
                               rap_err *err)
{
    char train[600], queries[600], *first;
    buf info = BUF_INIT;
    object_folder f = { .folder = queries, .identity = concept };
    rap_status status = RAP_OK;

    snprintf(train, sizeof train, "%.255s/concept/train/%.255s", type, concept);
    snprintf(queries, sizeof queries, "%.255s/concept/%s/%.255s", type, r->split, concept);
    if (!source_path(train, r->sink))
        return RAP_OK;
    first = first_picture(r->sink->source->images, train);
    if (!first) {
        report_drop(r->sink->report, DROP_NO_PICTURE, "%s: no picture in it", train);
        return RAP_OK;
    }
    rename_word(&info, official_field(r->database, concept, "info"), concept);
    f.category = official_field(r->database, concept, "category");
    f.info = buf_text(&info);
    if (strcmp(r->split, "test") == 0)
    f.concept = first;
    if (buf_failed(&info))
        status = err_memory(err, "reading concepts");
    if (status == RAP_OK)
        status = read_folder(r, f, err);
    if (status == RAP_OK && f.concept)
        status = read_multi(r, f, type, concept, err);
    buf_release(&info);
    free(first);
    return status;
}

/* Where the data set came without concept_type.json: the concepts that have a training folder. */
static rap_status find_concepts(json_t **out, const char *images, rap_err *err)
{
    static const char *const type[] = { "two_concept", "three_concept" };
    rap_status status = (*out = json_object()) ? RAP_OK : err_memory(err, "reading concepts");

    for (size_t t = 0; status == RAP_OK && t < sizeof type / sizeof *type; t++) {
        char folder[64], *train, **name = NULL;
        size_t count = 0;

        snprintf(folder, sizeof folder, "%s/concept/train", type[t]);
        if (!(train = path_join(images, folder)))
            status = err_memory(err, "reading concepts");
        else if (file_is_folder(train))
            status = source_list(&name, &count, train, err);
        for (size_t i = 0; i < count; i++)
            json_object_set_new(*out, name[i], json_string(type[t]));
        source_list_free(name, count);
        free(train);
    }
    if (status == RAP_OK && json_object_size(*out) == 0)
        status =
            err_set(err, RAP_E_NOT_FOUND,
                    "%s: neither concept_type.json nor two_concept/concept/train is there: not "
                    "MC-LLaVA's layout",
                    images);
    return status;
}

rap_status source_mcllava(source_sink *sink, rap_err *err)
{
    const plan_source *s = sink->source;
    reading r = { .sink = sink, .split = *s->split ? s->split : "train" };
    const char *concept;
    json_t *type;
    size_t done = 0;
    char *path = NULL;
    rap_status status = RAP_OK;

    if (strcmp(r.split, "train") != 0 && strcmp(r.split, "test") != 0)
        status = err_set(err, RAP_E_FORMAT, "%s: \"split\" of \"%s\" is \"%s\", not train or test",
                         sink->plan->file, s->name, r.split);
    if (status == RAP_OK && !(path = path_join(s->images, "concept_type.json")))
        status = err_memory(err, "reading concepts");
    if (status == RAP_OK)
        status = file_exists(path) ? json_read(&r.types, path, 16 << 20, err)
                                   : find_concepts(&r.types, s->images, err);
    if (status == RAP_OK)
        status = official_open(&r.database, s->annotations, err);
    json_object_foreach(r.types, concept, type)
    {
        if (status == RAP_OK && json_is_string(type))
            status = read_concept(&r, concept, json_string_value(type), err);
        if (status == RAP_OK)
            status = source_progress(sink, (double)++done / (double)json_object_size(r.types), err);
    }
    json_decref(r.types);
    json_decref(r.database);
    free(path);
    return status;
}

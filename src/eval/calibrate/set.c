/* set.c: reads the concepts and photos of a set from the three layouts of a folder. */
#include "base/file.h"
#include "base/mem.h"
#include "base/path_find.h"
#include "base/text_fold.h"
#include "eval/calibrate/calibrate.h"
#include "formats/json.h"
#include "image/image.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define SET_JSON_LIMIT (256u << 20)
enum { SET_MAX = 1000000 };

/* ---- folders ---- */

static int is_named_picture(const char *name)
{
    static const char *const known[] = {
        "jpg", "jpeg", "png", "webp", "gif", "heic", "heif", "avif"
    };
    const char *extension = path_extension(name);

    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcasecmp(extension, known[i]) == 0)
            return 1;
    return 0;
}

/* By its name, else by its content. A file with the name of a picture that is none fails when it is read. */
int calibrate_is_picture(const char *path)
{
    uint8_t head[256];
    file_state state;
    FILE *file = is_named_picture(path) || !file_identify(&state, path) ? NULL : fopen(path, "rbe");
    size_t size = file ? fread(head, 1, sizeof head, file) : 0;

    if (file)
        fclose(file);
    return is_named_picture(path) || image_is_picture(head, size);
}

void calibrate_list_free(char **list, int count)
{
    for (int i = 0; i < count; i++)
        free(list[i]);
    free(list);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int is_wanted(const char *folder, const char *name, int folders)
{
    char *path;
    int wanted;

    if (*name == '.')
        return 0;
    path = path_join(folder, name);
    wanted =
        path && file_is_folder(path) == (folders != 0) && (folders || calibrate_is_picture(path));
    free(path);
    return wanted;
}

static rap_status append(char ***list, int *count, const char *name, rap_err *err)
{
    char **larger = *list;

    if ((*count & (*count + 1)) == 0) /* 0, 1, 3, 7, …: the list is full */
        larger = realloc(larger, ((size_t)*count * 2 + 2) * sizeof *larger);
    if (!larger)
        return err_memory(err, "listing a folder");
    *list = larger;
    larger[*count] = mem_string(name);
    return larger[*count] ? (++*count, RAP_OK) : err_memory(err, "listing a folder");
}

rap_status calibrate_list(char ***out, int *out_count, const char *folder, int folders,
                          rap_err *err)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;
    rap_status status = RAP_OK;

    *out = NULL;
    *out_count = 0;
    if (!dir)
        return err_set(err, errno == ENOENT ? RAP_E_NOT_FOUND : RAP_E_IO, "%s: %s", folder,
                       strerror(errno));
    while (status == RAP_OK && (entry = readdir(dir)) != NULL) {
        if (*out_count == SET_MAX)
            status = err_set(err, RAP_E_LIMIT, "%s: more than %d entries", folder, SET_MAX);
        else if (is_wanted(folder, entry->d_name, folders))
            status = append(out, out_count, entry->d_name, err);
    }
    closedir(dir);
    if (status != RAP_OK) {
        calibrate_list_free(*out, *out_count);
        *out = NULL;
        *out_count = 0;
    } else if (*out_count > 1) {
        qsort(*out, (size_t)*out_count, sizeof **out, by_name);
    }
    return status;
}

/* ---- concepts and photos ---- */

/* Takes `picture`. The official "<bo>" is called bo. */
static rap_status add_concept(calibrate_set *s, const char *name, char *picture, rap_err *err)
{
    size_t len = strlen(name), brackets = len > 2 && name[0] == '<' && name[len - 1] == '>';
    calibrate_concept *more = realloc(s->concept, ((size_t)s->concepts + 1) * sizeof *more);

    if (more)
    s->concept = more;
    if (!more || !(more[s->concepts].name = mem_string_n(name + brackets, len - 2 * brackets))) {
        free(picture);
        return err_memory(err, "reading a set");
    }
    more[s->concepts++].picture = picture;
    return RAP_OK;
}

/* Most often it is spelt the same. */
static int find_concept(const calibrate_set *s, const char *name)
{
    for (int i = 0; i < s->concepts; i++)
        if (strcmp(s->concept[i].name, name) == 0)
            return i;
    for (int i = 0; i < s->concepts; i++)
        if (text_same_name(s->concept[i].name, name))
            return i;
    return -1;
}

/* The photo with this path, usually the last one; else a new one. Takes `picture`. */
static calibrate_photo *photo_of(calibrate_set *s, char *picture)
{
    calibrate_photo *more;

    for (int i = s->photos - 1; picture && i >= 0; i--)
        if (strcmp(s->photo[i].picture, picture) == 0) {
            free(picture);
            return &s->photo[i];
        }
    more = picture ? realloc(s->photo, ((size_t)s->photos + 1) * sizeof *more) : NULL;
    if (!more) {
        free(picture);
        return NULL;
    }
    s->photo = more;
    more[s->photos] = (calibrate_photo){ picture, NULL, 0 };
    return &more[s->photos++];
}

static rap_status add_object(calibrate_set *s, char *picture, int concept, rap_box box,
                             rap_err *err)
{
    calibrate_photo *p = photo_of(s, picture);
    calibrate_object *more = p ? realloc(p->object, ((size_t)p->objects + 1) * sizeof *more) : NULL;

    if (!more)
        return err_memory(err, "reading a set");
    p->object = more;
    more[p->objects++] = (calibrate_object){ box, concept };
    return RAP_OK;
}

/* ---- database.json ---- */

/* A picture as the official format names it: relative to the file's folder, or to the folder above. */
static char *locate(const char *folder, const char *name)
{
    char *path = path_find(folder, name), *above;

    if (path && !file_exists(path) && (above = path_join(folder, "..")) != NULL) {
        char *other = path_find(above, name);

        if (other && file_exists(other)) {
            free(path);
            path = other;
            other = NULL;
        }
        free(other);
        free(above);
    }
    return path;
}

/* Names and pictures only: the rest of the file is checked by the import. */
static rap_status read_database(calibrate_set *s, rap_err *err)
{
    json_t *root = NULL, *value;
    const char *key;
    rap_status status = json_read(&root, s->database, SET_JSON_LIMIT, err);

    if (status == RAP_OK && !json_is_object(json_object_get(root, "concept_dict")))
        status = err_set(err, RAP_E_FORMAT, "%s: has no object 'concept_dict'", s->database);
    json_object_foreach(json_object_get(root, "concept_dict"), key, value)
    {
        const char *name = json_string_value(json_object_get(value, "name"));
        const char *picture = json_string_value(json_object_get(value, "image"));

        if (status == RAP_OK && (!name || !picture))
            status =
                err_set(err, RAP_E_FORMAT, "%s: '%s' has no name or no image", s->database, key);
        if (status == RAP_OK)
            status = add_concept(s, name, locate(s->folder, picture), err);
    }
    json_decref(root);
    return status;
}

/* ---- photos from lists ---- */

static rap_status read_box(rap_box *out, const json_t *list, const char *file, rap_err *err)
{
    double v[4];

    *out = (rap_box){ 0, 0, 0, 0 };
    if (!list)
        return RAP_OK;
    for (size_t i = 0; i < 4; i++) {
        const json_t *number = json_array_get(list, i);

        v[i] = json_number_value(number);
        if (json_array_size(list) != 4 || !json_is_number(number) || v[i] < 0 || v[i] > 1e6)
            return err_set(err, RAP_E_FORMAT, "%s: a box must be four numbers, in pixels", file);
    }
    *out = (rap_box){ (float)v[0], (float)v[1], (float)v[2], (float)v[3] };
    return RAP_OK;
}

/* "" is an object that is not a concept of the set. */
static rap_status read_name(int *out, const calibrate_set *s, const json_t *value, const char *file,
                            rap_err *err)
{
    const char *name = json_string_value(value);

    *out = -1;
    if (!name)
        return err_set(err, RAP_E_FORMAT, "%s: an item has no name, or one that is not a text",
                       file);
    if (*name && (*out = find_concept(s, name)) < 0)
        return err_set(err, RAP_E_FORMAT, "%s: '%s' is not in database.json", file, name);
    return RAP_OK;
}

/* An array of {image, box, name} (retrieval.json) or {image, boxes, names} (detection.json). */
static rap_status read_item(calibrate_set *s, const json_t *item, const char *file, rap_err *err)
{
    const char *shown = json_string_value(json_object_get(item, "image"));
    const json_t *names = json_object_get(item, "names"), *boxes = json_object_get(item, "boxes");
    const json_t *name = json_object_get(item, "name");
    size_t count = name ? 1 : json_array_size(names);
    rap_status status = RAP_OK;

    if (!shown || (!name && !json_is_array(names)))
        return err_set(err, RAP_E_FORMAT, "%s: an item has no image or no name", file);
    if (count == 0 && !photo_of(s, path_find(s->folder, shown)))
        return err_memory(err, "reading a set");
    for (size_t i = 0; status == RAP_OK && i < count; i++) {
        rap_box box;
        int concept;

        status = read_name(&concept, s, name ? name : json_array_get(names, i), file, err);
        if (status == RAP_OK)
            status = read_box(&box, name ? json_object_get(item, "box") : json_array_get(boxes, i),
                              file, err);
        if (status == RAP_OK)
            status = add_object(s, path_find(s->folder, shown), concept, box, err);
    }
    return status;
}

/* only_new: skips photos that are already in the set. */
static rap_status read_items(calibrate_set *s, const char *name, int only_new, int *out_found,
                             rap_err *err)
{
    char *file = path_join(s->folder, name), *path;
    int known = s->photos;
    json_t *list = NULL;
    rap_status status = RAP_OK;

    *out_found = file && file_exists(file);
    if (*out_found)
        status = json_read_any(&list, file, SET_JSON_LIMIT, err);
    if (list && !json_is_array(list))
        status = err_set(err, RAP_E_FORMAT, "%s: must be a JSON array of items", file);
    for (size_t i = 0; status == RAP_OK && i < json_array_size(list); i++) {
        const json_t *item = json_array_get(list, i);
        const char *shown = json_string_value(json_object_get(item, "image"));
        int seen = 0;

        path = only_new && shown ? path_find(s->folder, shown) : NULL;
        for (int p = 0; path && p < known && !seen; p++)
            seen = strcmp(s->photo[p].picture, path) == 0;
        free(path);
        if (!seen)
            status = read_item(s, item, file, err);
    }
    json_decref(list);
    free(file);
    return status;
}

/* queries.json: { "photo.jpg": ["name", …] }. */
static rap_status read_queries(calibrate_set *s, int *out_found, rap_err *err)
{
    char *file = path_join(s->folder, "queries.json");
    json_t *root = NULL, *names, *name;
    const char *shown;
    size_t i;
    rap_status status = RAP_OK;

    *out_found = file && file_exists(file);
    if (*out_found)
        status = json_read(&root, file, SET_JSON_LIMIT, err);
    json_object_foreach(root, shown, names)
    {
        if (status == RAP_OK && !json_is_array(names))
            status = err_set(err, RAP_E_FORMAT, "%s: '%s' must be a list of names", file, shown);
        if (status == RAP_OK && !photo_of(s, path_find(s->folder, shown)))
            status = err_memory(err, "reading a set");
        json_array_foreach(names, i, name)
        {
            int concept = -1;

            if (status == RAP_OK)
                status = read_name(&concept, s, name, file, err);
            if (status == RAP_OK)
                status = add_object(s, path_find(s->folder, shown), concept, (rap_box){ 0 }, err);
        }
    }
    json_decref(root);
    free(file);
    return status;
}

/* ---- photos in the folder of the remembered picture ---- */

/* Every other picture of `folder` shows concept number `concept`. */
static rap_status add_others(calibrate_set *s, int concept, const char *folder,
                             const char *remembered, rap_err *err)
{
    char **list = NULL;
    int count = 0;
    rap_status status = calibrate_list(&list, &count, folder, 0, err);

    for (int i = 0; status == RAP_OK && i < count; i++)
        if (strcmp(list[i], path_base(remembered)) != 0)
            status = add_object(s, path_join(folder, list[i]), concept, (rap_box){ 0 }, err);
    calibrate_list_free(list, count);
    return status;
}

/* The other pictures in a folder that two concepts share may show either. */
static rap_status read_beside(calibrate_set *s, rap_err *err)
{
    rap_status status = RAP_OK;

    for (int i = 0; status == RAP_OK && i < s->concepts; i++) {
        char *mine = s->concept[i].picture ? path_folder(s->concept[i].picture) : NULL;
        int alone = mine != NULL;

        for (int j = 0; alone && j < s->concepts; j++) {
            char *other =
                j != i && s->concept[j].picture ? path_folder(s->concept[j].picture) : NULL;

            alone = !other || strcmp(mine, other) != 0;
            free(other);
        }
        if (alone)
            status = add_others(s, i, mine, s->concept[i].picture, err);
        free(mine);
    }
    return status;
}

/* ---- a folder of folders ---- */

static rap_status read_folder(calibrate_set *s, const char *name, rap_err *err)
{
    char *folder = path_join(s->folder, name), **list = NULL;
    int count = 0;
    rap_status status =
        folder ? calibrate_list(&list, &count, folder, 0, err) : err_memory(err, "reading a set");

    if (status == RAP_OK && count > 0) {
        status = add_concept(s, name, path_join(folder, list[0]), err);
        if (status == RAP_OK)
            status = add_others(s, s->concepts - 1, folder, list[0], err);
    }
    calibrate_list_free(list, count);
    free(folder);
    return status;
}

static rap_status read_folders(calibrate_set *s, rap_err *err)
{
    char **list = NULL;
    int count = 0;
    rap_status status = calibrate_list(&list, &count, s->folder, 1, err);

    for (int i = 0; status == RAP_OK && i < count; i++)
        status = read_folder(s, list[i], err);
    calibrate_list_free(list, count);
    if (status == RAP_OK && s->concepts == 0)
        status = err_set(err, RAP_E_NOT_FOUND,
                         "%s: has neither a database.json nor folders with pictures, one for each "
                         "concept",
                         s->folder);
    return status;
}

/* ---- the whole set ---- */

static rap_status read_lists(calibrate_set *s, rap_err *err)
{
    int found = 0, also = 0;
    rap_status status = read_items(s, "retrieval.json", 0, &found, err);

    if (status == RAP_OK) /* detection.json also lists photos without known concepts */
        status = read_items(s, "detection.json", 1, &also, err);
    if (status == RAP_OK && !found && !also)
        status = read_queries(s, &found, err);
    if (status == RAP_OK && !found && !also)
        status = read_beside(s, err);
    return status;
}

static rap_status check(const calibrate_set *s, rap_err *err)
{
    int shown = 0;

    for (int t = 0; t < s->concepts; t++) {
        int found = 0;

        for (int p = 0; p < s->photos; p++)
            for (int i = 0; i < s->photo[p].objects; i++)
        found |= s->photo[p].object[i].concept == t;
        shown += found;
    }
    if (shown >= 2)
        return RAP_OK;
    return err_set(
        err, RAP_E_FORMAT,
        "%s: %d of its %d concepts have a photo besides their remembered picture; at least "
        "two are needed, and ten or more are recommended",
        s->folder, shown, s->concepts);
}

rap_status calibrate_set_read(calibrate_set *out, const char *folder, rap_err *err)
{
    rap_status status = RAP_OK;

    memset(out, 0, sizeof *out);
    if (!file_is_folder(folder))
        return err_set(err, RAP_E_NOT_FOUND, "%s: no such folder", folder);
    out->folder = mem_string(folder);
    out->database = path_join(folder, "database.json");
    if (!out->folder || !out->database)
        return err_memory(err, "reading a set");
    if (file_exists(out->database)) {
        status = read_database(out, err);
        if (status == RAP_OK)
            status = read_lists(out, err);
    } else {
        free(out->database);
        out->database = NULL;
        status = read_folders(out, err);
    }
    return status == RAP_OK ? check(out, err) : status;
}

void calibrate_set_release(calibrate_set *s)
{
    if (!s)
        return;
    for (int i = 0; i < s->concepts; i++) {
        free(s->concept[i].name);
        free(s->concept[i].picture);
    }
    for (int i = 0; i < s->photos; i++) {
        free(s->photo[i].picture);
        free(s->photo[i].object);
    }
    free(s->concept);
    free(s->photo);
    free(s->folder);
    free(s->database);
    memset(s, 0, sizeof *s);
}

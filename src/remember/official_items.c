/* official_items.c: see official_items.h. Reading order: release, one concept, concept_dict, path_to_concept. */
#include "remember/official_items.h"

#include "base/mem.h"
#include "base/text_fold.h"

#include <stdlib.h>
#include <string.h>

void items_release(items *all)
{
    for (size_t i = 0; i < all->count; i++) {
        item *it = &all->item[i];

        for (size_t n = 0; n < it->shots; n++) {
            free(it->shot[n].picture);
            free(it->shot[n].encoder);
            free(it->shot[n].data);
        }
        free(it->shot);
        free(it->name);
        free(it->folded);
        free((void *)it->concept.aliases);
    }
    free(all->item);
    *all = (items){ NULL, 0, 0 };
}

/* ---- reading the JSON ---- */

/* A text field; `needed` ones must be there. */
static rap_status read_text(const char **out, const json_t *object, const char *field, bool needed,
                            rap_err *err)
{
    const json_t *value = json_object_get(object, field);

    if (!value || json_is_null(value)) {
        if (needed)
            return err_set(err, RAP_E_FORMAT, "the field '%s' is missing", field);
        return RAP_OK;
    }
    if (!json_is_string(value))
        return err_set(err, RAP_E_FORMAT, "the field '%s' is not text", field);
    *out = json_string_value(value);
    return RAP_OK;
}

static rap_status read_aliases(item *out, const json_t *object, rap_err *err)
{
    const json_t *list = json_object_get(object, "aliases");
    const char **aliases;

    if (!list || json_is_null(list))
        return RAP_OK;
    if (!json_is_array(list))
        return err_set(err, RAP_E_FORMAT, "the field 'aliases' is not a list");
    aliases = mem_array(json_array_size(list) + 1, sizeof *aliases);
    if (!aliases)
        return err_memory(err, "reading aliases");
    out->concept.aliases = aliases;
    for (size_t i = 0; i < json_array_size(list); i++) {
        aliases[i] = json_string_value(json_array_get(list, i));
        if (!aliases[i])
            return err_set(err, RAP_E_FORMAT,
                           "the field 'aliases' holds something that is not text");
    }
    return RAP_OK;
}

static rap_status read_box(rap_box *out, const json_t *list, rap_err *err)
{
    float number[4];

    if (!list || json_is_null(list))
        return RAP_OK;
    if (!json_is_array(list) || json_array_size(list) != 4)
        return err_set(err, RAP_E_FORMAT, "the field 'box' is not a list of four numbers");
    for (size_t i = 0; i < 4; i++) {
        const json_t *value = json_array_get(list, i);
        if (!json_is_number(value) || json_number_value(value) < 0 ||
            json_number_value(value) > 1e6)
            return err_set(err, RAP_E_FORMAT, "the field 'box' holds what is no pixel");
        number[i] = (float)json_number_value(value);
    }
    *out = (rap_box){ number[0], number[1], number[2], number[3] };
    return RAP_OK;
}

static rap_status read_name(item *out, const json_t *object, rap_err *err)
{
    const char *text = NULL;
    rap_status status = read_text(&text, object, "name", true, err);

    if (status == RAP_OK)
        status = name_check(&out->name, "name", text, err);
    if (status == RAP_OK && !(out->folded = text_fold_name(out->name)))
        status = err_memory(err, "reading a name");
    out->concept.name = out->name;
    return status;
}

/* Takes ownership of `picture`. */
static rap_status add_shot(item *out, char *picture, rap_box box, rap_err *err)
{
    shot *grown = realloc(out->shot, (out->shots + 1) * sizeof *grown);

    if (!grown) {
        free(picture);
        return err_memory(err, "reading a database.json");
    }
    out->shot = grown;
    grown[out->shots++] = (shot){ .picture = picture, .view.box = box };
    return RAP_OK;
}

static rap_status read_item(item *out, const json_t *object, const char *json_path, rap_err *err)
{
    const char *picture = NULL;
    char *place = NULL;
    rap_box box = { 0, 0, 0, 0 };
    rap_status status;

    if (!json_is_object(object))
        return err_set(err, RAP_E_FORMAT, "is not an object");
    status = read_name(out, object, err);
    if (status == RAP_OK)
        status = read_text(&picture, object, "image", true, err);
    out->concept.info = out->concept.category = "";
    if (status == RAP_OK)
        status = read_text(&out->concept.info, object, "info", false, err);
    if (status == RAP_OK)
        status = read_text(&out->concept.category, object, "category", false, err);
    if (status == RAP_OK)
        status = read_aliases(out, object, err);
    if (status == RAP_OK)
        status = read_box(&box, json_object_get(object, "box"), err);
    if (status == RAP_OK)
        status = picture_locate(&place, json_path, picture, err);
    if (status == RAP_OK)
        status = add_shot(out, place, box, err);
    out->boxes = json_object_get(object, "boxes");
    return status;
}

static rap_status read_dict(items *out, const transfer *t, const json_t *root, rap_err *err)
{
    json_t *dict = json_object_get(root, "concept_dict"), *value;
    const char *key;
    rap_status status = RAP_OK;

    if (!json_is_object(dict))
        return err_set(err, RAP_E_FORMAT, "%s: has no object 'concept_dict'", t->path);
    out->item = mem_array(json_object_size(dict) + 1, sizeof *out->item);
    if (!out->item)
        return err_memory(err, "reading a database.json");
    json_object_foreach(dict, key, value)
    {
        item *it = &out->item[out->count++];
        it->key = key;
        status = transfer_blame(t, key, read_item(it, value, t->path, err), err);
        if (status != RAP_OK)
            break;
    }
    return status;
}

/* ---- path_to_concept ---- */

/* The number of each item by its key and, where that is another text, by its folded name. */
static rap_status number_items(json_t *by_key, json_t *by_name, const items *all, rap_err *err)
{
    for (size_t i = 0; i < all->count; i++)
        if (json_object_set_new(by_key, all->item[i].key, json_integer((json_int_t)i)) != 0 ||
            json_object_set_new(by_name, all->item[i].folded, json_integer((json_int_t)i)) != 0)
            return err_memory(err, "reading a database.json");
    return RAP_OK;
}

/* *out is NULL if concept_dict has none of this name. */
static rap_status find_item(item **out, items *all, const json_t *by_key, const json_t *by_name,
                            const char *concept, rap_err *err)
{
    const json_t *number = json_object_get(by_key, concept);
    char *folded = NULL;

    *out = NULL;
    if (!number) {
        if (!(folded = text_fold_name(concept)))
            return err_memory(err, "reading a database.json");
        number = json_object_get(by_name, folded);
        free(folded);
    }
    if (number)
        *out = &all->item[json_integer_value(number)];
    return RAP_OK;
}

/* Skips a picture that the concept already has, by any path. */
static rap_status add_view(item *it, const transfer *t, const char *path, rap_err *err)
{
    char *place = NULL;
    rap_box box = { 0, 0, 0, 0 };
    rap_status status = picture_locate(&place, t->path, path, err);

    for (size_t i = 0; status == RAP_OK && i < it->shots; i++)
        if (strcmp(it->shot[i].picture, place) == 0) {
            free(place);
            return RAP_OK;
        }
    if (status == RAP_OK)
        status = read_box(&box, json_object_get(it->boxes, path), err);
    if (status == RAP_OK)
        return add_shot(it, place, box, err);
    free(place);
    return status;
}

static rap_status read_paths(items *out, const transfer *t, json_t *paths, const json_t *by_key,
                             const json_t *by_name, rap_err *err)
{
    json_t *value;
    const char *path;

    json_object_foreach(paths, path, value)
    {
        item *it = NULL;
        rap_status status = RAP_OK;

        if (!json_is_string(value))
            return err_set(err, RAP_E_FORMAT, "%s: path_to_concept: '%s' is mapped to no name",
                           t->path, path);
        status = find_item(&it, out, by_key, by_name, json_string_value(value), err);
        if (status == RAP_OK && it)
            status = transfer_blame(t, it->key, add_view(it, t, path, err), err);
        if (status != RAP_OK)
            return status;
        out->strays += !it;
    }
    return RAP_OK;
}

rap_status items_read(items *out, const transfer *t, json_t *root, rap_err *err)
{
    json_t *paths = json_object_get(root, "path_to_concept");
    json_t *by_key = json_object(), *by_name = json_object();
    rap_status status = read_dict(out, t, root, err);

    if (status == RAP_OK && paths && !json_is_object(paths) && !json_is_null(paths))
        status =
            err_set(err, RAP_E_FORMAT, "%s: the field 'path_to_concept' is not an object", t->path);
    if (status == RAP_OK && (!by_key || !by_name))
        status = err_memory(err, "reading a database.json");
    if (status == RAP_OK && json_is_object(paths)) {
        status = number_items(by_key, by_name, out, err);
        if (status == RAP_OK)
            status = read_paths(out, t, paths, by_key, by_name, err);
    }
    json_decref(by_key);
    json_decref(by_name);
    return status;
}

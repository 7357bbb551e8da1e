/* list_map.c: files that are an object:
 *   {picture: [concept…]}                          captions, as the official caption script reads them
 *   {picture: [[concept…]…]}                       the same with several sets of concepts for a picture (RePIC, four)
 *   {concept: {picture: {question, options, correct_answer}}}   visual questions (official, Yo'LLaVA)
 *   {concept: {number: {question, option, correct_answer}}}     questions without a picture (official)
 *   {picture: {Human, AI}} and {picture: [{Human, AI}…]}        MC-LLaVA, Yo'LLaVA's conversations
 *   {picture: [[question, answer]…]}               MyVLM
 * The first entry decides which; all must be alike. */
#include "eval/published/list_inside.h"

#include "formats/json.h"

#include <stdio.h>
#include <string.h>

typedef rap_status entry_reader(list_reading *r, const char *key, const json_t *value,
                                rap_err *err);

static bool is_texts(const json_t *value)
{
    size_t count = json_array_size(value);

    for (size_t i = 0; i < count; i++)
        if (!json_is_string(json_array_get(value, i)))
            return false;
    return count > 0;
}

/* ---- captions ---- */

static rap_status add_caption(list_reading *r, const char *picture, const json_t *names,
                              rap_err *err)
{
    json_t *item = list_start(r);

    list_set(item, "picture", picture);
    list_set(item, "question", LIST_CAPTION_QUESTION);
    if (item)
        json_object_set(item, "names", (json_t *)names);
    return list_add(r, item, err);
}

static rap_status caption_entry(list_reading *r, const char *key, const json_t *value, rap_err *err)
{
    rap_status status = RAP_OK;
    json_t *one;

    if (is_texts(value) || (json_is_array(value) && json_array_size(value) == 0))
        return add_caption(r, key, value, err);
    if (json_is_string(value)) {
        one = json_array();
        json_array_append(one, (json_t *)value);
        status = add_caption(r, key, one, err);
        json_decref(one);
        return status;
    }
    for (size_t i = 0; status == RAP_OK && i < json_array_size(value); i++) {
        if (!is_texts(json_array_get(value, i)))
            return list_wrong(r, err, "neither a concept nor a list of concepts");
        status = add_caption(r, key, json_array_get(value, i), err);
    }
    return json_is_array(value) ? status : list_wrong(r, err, "neither a concept nor a list");
}

/* ---- questions ---- */

static rap_status add_open(list_reading *r, const char *picture, const char *question,
                           const char *answer, rap_err *err)
{
    json_t *item = list_start(r);

    list_set(item, "picture", picture);
    list_set(item, "question", strncmp(question, "<image>\n", 8) == 0 ? question + 8 : question);
    list_set(item, "expected", answer);
    if (strlen(answer) != 1)
        r->out->kind = LIST_OPEN;
    return list_add(r, item, err);
}

static rap_status pairs_entry(list_reading *r, const char *key, const json_t *value, rap_err *err)
{
    rap_status status = RAP_OK;

    if (!json_is_array(value))
        return list_wrong(r, err, "not a list of [question, answer]");
    for (size_t i = 0; status == RAP_OK && i < json_array_size(value); i++) {
        const json_t *pair = json_array_get(value, i);

        if (json_array_size(pair) != 2 || !is_texts(pair))
            return list_wrong(r, err, "entry %zu is not [question, answer]", i);
        status = add_open(r, key, json_string_value(json_array_get(pair, 0)),
                          json_string_value(json_array_get(pair, 1)), err);
    }
    return status;
}

static rap_status turn(list_reading *r, const char *key, const json_t *value, rap_err *err)
{
    const char *question = NULL, *answer = NULL;
    rap_status status = list_need(&question, r, value, "Human", err);

    if (status == RAP_OK)
        status = list_need(&answer, r, value, "AI", err);
    return status == RAP_OK ? add_open(r, key, question, answer, err) : status;
}

static rap_status turns_entry(list_reading *r, const char *key, const json_t *value, rap_err *err)
{
    rap_status status = RAP_OK;

    if (!json_is_array(value))
        return turn(r, key, value, err);
    for (size_t i = 0; status == RAP_OK && i < json_array_size(value); i++)
        status = turn(r, key, json_array_get(value, i), err);
    return status;
}

static rap_status choice(list_reading *r, const char *concept, const char *key, const json_t *value,
                         rap_err *err)
{
    const json_t *options = json_object_get(value, "options");
    const char *question = NULL, *expected = NULL;
    json_t *item;
    rap_status status = list_need(&question, r, value, "question", err);

    if (status == RAP_OK)
        status = list_need(&expected, r, value, "correct_answer", err);
    if (status != RAP_OK)
        return status;
    item = list_start(r);
    if (options) /* the key is a picture only in the files of visual questions */
        list_set(item, "picture", key);
    list_set(item, "concept", concept);
    list_set(item, "expected", expected);
    status = list_choice(r, item, question, concept,
                         options ? options : json_object_get(value, "option"), err);
    if (status == RAP_OK && !json_object_get(json_object_get(item, "options"), expected))
        status = list_wrong(r, err, "\"correct_answer\" is none of the options");
    if (status == RAP_OK)
        return list_add(r, item, err);
    json_decref(item);
    return status;
}

static rap_status choices_entry(list_reading *r, const char *concept, const json_t *value,
                                rap_err *err)
{
    rap_status status = RAP_OK;
    const char *key;
    json_t *one;

    if (!json_is_object(value))
        return list_wrong(r, err, "not an object of questions");
    json_object_foreach((json_t *)value, key, one)
    {
        snprintf(r->place, sizeof r->place, "%.100s / %.120s", concept, key);
        if (status == RAP_OK)
            status = choice(r, concept, key, one, err);
    }
    return status;
}

/* ---- which shape ---- */

static const json_t *first_value(const json_t *object)
{
    return json_object_iter_value(json_object_iter((json_t *)object));
}

/* Do lists of two texts ask and answer, or are they concepts? A question has a question mark. */
static bool are_pairs(const list_reading *r, const json_t *map)
{
    const char *key;
    json_t *value;

    if (r->kind)
        return strcmp(r->kind, "caption") != 0;
    json_object_foreach((json_t *)map, key, value)
    {
        for (size_t i = 0; i < json_array_size(value); i++) {
            const json_t *pair = json_array_get(value, i);
            const char *text = json_string_value(json_array_get(pair, 0));

            if (json_array_size(pair) == 2 && text && strchr(text, '?'))
                return true;
        }
    }
    return false;
}

static entry_reader *choose(list_reading *r, const json_t *map)
{
    const json_t *first = first_value(map);
    const json_t *inner = json_is_array(first) ? json_array_get(first, 0) : first_value(first);

    r->out->kind = LIST_CHOICE;
    if (json_is_object(first) && json_object_get(inner, "question"))
        return choices_entry;
    if (json_object_get(first, "Human") || (json_is_array(first) && json_is_object(inner)))
        return turns_entry;
    if (json_is_array(inner) && are_pairs(r, map))
        return pairs_entry;
    r->out->kind = LIST_CAPTION;
    return json_is_string(first) || json_is_array(first) ? caption_entry : NULL;
}

rap_status list_read_map(list_reading *r, json_t *map, rap_err *err)
{
    entry_reader *read;
    rap_status status = RAP_OK;
    const char *key;
    json_t *value;

    if (json_object_get(map, "concept_dict"))
        return err_set(err, RAP_E_FORMAT,
                       "%s: this is a database of concepts, not a list of questions: give its "
                       "folder with --database",
                       r->file);
    read = choose(r, map);
    if (!read && json_object_size(map) > 0)
        return err_set(err, RAP_E_FORMAT,
                       "%s: no published list has entries of this shape; docs/accuracy.md shows "
                       "those that are read",
                       r->file);
    json_object_foreach(map, key, value)
    {
        snprintf(r->place, sizeof r->place, "\"%.200s\"", key);
        if (status == RAP_OK)
            status = read(r, key, value, err);
    }
    return status;
}

/* items.c: the fields of each task's items, and reading them. */
#include "eval/items.h"

#include "base/file.h"
#include "formats/json.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define ITEMS_LIMIT (256u << 20) /* bytes of a file */

/* ---- kinds of fields ---- */

static bool is_text(const json_t *value)
{
    return json_is_string(value);
}

static bool is_question(const json_t *value)
{
    return json_is_string(value) && json_string_length(value) > 0;
}

static bool is_answer(const json_t *value)
{
    return json_is_string(value) || json_is_boolean(value);
}

static bool is_list_of(bool (*is)(const json_t *), const json_t *value)
{
    size_t count = json_array_size(value);

    for (size_t i = 0; i < count; i++)
        if (!is(json_array_get(value, i)))
            return false;
    return json_is_array(value);
}

static bool is_number(const json_t *value)
{
    return json_is_number(value) && fabs(json_number_value(value)) < 1e9;
}

static bool is_texts(const json_t *value)
{
    return is_list_of(is_text, value);
}

static bool is_box(const json_t *value)
{
    return json_array_size(value) == 4 && is_list_of(is_number, value);
}

static bool is_boxes(const json_t *value)
{
    return is_list_of(is_box, value);
}

/* ---- tasks ---- */

typedef struct item_field {
    const char *name; /* NULL: no more */
    bool (*is)(const json_t *value);
    const char *what; /* the type of the value */
    bool optional;
} item_field;

#define TEXT "a text"
#define TEXTS "a list of texts"

static const struct {
    const char *task, *file;
    item_field field[6]; /* the last is empty */
} tasks[] = {
    { "caption",
      "captions.json",
      { { "image", is_question, TEXT, false },
        { "question", is_text, TEXT, true },
        { "names", is_texts, TEXTS, false } } },
    { "recognition",
      "recognition.json",
      { { "image", is_question, TEXT, false },
        { "question", is_question, TEXT, false },
        { "correct_answer", is_answer, "true, false, \"yes\" or \"no\"", false } } },
    { "vqa",
      "vqa.json",
      { { "image", is_question, TEXT, false },
        { "question", is_question, TEXT, false },
        { "answer", is_text, TEXT, false },
        { "options", is_texts, TEXTS, true } } },
    { "mine",
      "mine.json",
      { { "image", is_question, TEXT, false },
        { "names", is_texts, TEXTS, false },
        { "question", is_question, TEXT, false },
        { "answer", is_text, TEXT, false },
        { "options", is_texts, TEXTS, true } } },
    { "text_qa",
      "text_qa.json",
      { { "question", is_question, TEXT, false },
        { "answer", is_text, TEXT, false },
        { "options", is_texts, TEXTS, true } } },
    { "retrieval",
      "retrieval.json",
      { { "image", is_question, TEXT, false },
        { "box", is_box, "four numbers of pixels", false },
        { "name", is_text, TEXT, false } } },
    { "detection",
      "detection.json",
      { { "image", is_question, TEXT, false },
        { "boxes", is_boxes, "a list of boxes of four numbers", false } } },
};

static int find(const char *task)
{
    for (int i = 0; i < (int)(sizeof tasks / sizeof *tasks); i++)
        if (strcmp(tasks[i].task, task) == 0)
            return i;
    return -1;
}

const char *items_file(const char *task)
{
    int i = find(task);

    return i < 0 ? NULL : tasks[i].file;
}

/* ---- reading ---- */

static rap_status check(const json_t *item, size_t number, const item_field *field,
                        const char *path, rap_err *err)
{
    if (!json_is_object(item))
        return err_set(err, RAP_E_FORMAT, "%s: item %zu is not an object", path, number);
    for (; field->name; field++) {
        const json_t *value = json_object_get(item, field->name);

        if ((!value || json_is_null(value)) && field->optional)
            continue;
        if (!value)
            return err_set(err, RAP_E_FORMAT, "%s: item %zu has no \"%s\"", path, number,
                           field->name);
        if (!field->is(value))
            return err_set(err, RAP_E_FORMAT, "%s: item %zu: \"%s\" must be %s", path, number,
                           field->name, field->what);
    }
    return RAP_OK;
}

static rap_status read_checked(json_t **out, const char *path, const item_field *field,
                               rap_err *err)
{
    rap_status status;

    if (!file_exists(path))
        return err_set(err, RAP_E_NOT_FOUND, "%s: no such file; is this an evaluation set?", path);
    status = json_read_any(out, path, ITEMS_LIMIT, err);
    if (status == RAP_OK && !json_is_array(*out))
        status = err_set(err, RAP_E_FORMAT, "%s: must be a JSON array of items", path);
    for (size_t i = 0; status == RAP_OK && i < json_array_size(*out); i++)
        status = check(json_array_get(*out, i), i, field, path, err);
    return status;
}

rap_status items_load(json_t **out, const char *folder, const char *task, rap_err *err)
{
    int i = find(task);
    char *path;
    rap_status status;

    *out = NULL;
    if (i < 0)
        return err_set(err, RAP_E_ARGUMENT, "unknown task '%s'", task);
    path = path_join(folder, tasks[i].file);
    status = path ? read_checked(out, path, tasks[i].field, err)
                  : err_memory(err, "reading an evaluation set");
    if (status != RAP_OK) {
        json_decref(*out);
        *out = NULL;
    }
    free(path);
    return status;
}

json_t *items_concepts(const json_t *item)
{
    static const char *const field[] = { "concept", "name" };
    json_t *names = json_object_get(item, "names"), *out = json_array();

    for (size_t i = 0; out && i < json_array_size(names); i++)
        if (json_is_string(json_array_get(names, i)))
            json_array_append(out, json_array_get(names, i));
    for (size_t i = 0; out && !names && i < sizeof field / sizeof *field; i++)
        if (json_is_string(json_object_get(item, field[i])))
            json_array_append(out, json_object_get(item, field[i]));
    return out;
}

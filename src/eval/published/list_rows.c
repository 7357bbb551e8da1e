/* list_rows.c: files that are a list:
 *   [[picture, concepts, caption, question?]…]             captions, as the official script and RePIC's write them
 *   [{question?, option?, answer, correct_answer: text}…]  answers to questions, as the official scripts write them
 *   [{image, question, concept?, type?, correct_answer: bool, answer?}…]  recognition, with answers or without
 *   [{question, answer: text}…]                            MC-LLaVA's text-only questions (qa.json)
 * The first item decides which; all must be alike. */
#include "eval/published/list_inside.h"

#include "formats/json.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

typedef rap_status row_reader(list_reading *r, const json_t *row, rap_err *err);

/* A name, or a list of names, as a new list of texts. */
static rap_status names_of(json_t **out, const list_reading *r, const json_t *value, rap_err *err)
{
    json_t *names = json_array();
    size_t count = json_is_array(value) ? json_array_size(value) : 1;
    rap_status status = names ? RAP_OK : err_memory(err, "reading a list");

    for (size_t i = 0; status == RAP_OK && i < count; i++) {
        const json_t *name = json_is_array(value) ? json_array_get(value, i) : value;

        if (!json_is_string(name) || json_string_length(name) == 0)
            status = list_wrong(r, err, "the concepts are not texts");
        else if (json_array_append(names, (json_t *)name) != 0)
            status = err_memory(err, "reading a list");
    }
    if (status == RAP_OK)
        *out = names;
    else
        json_decref(names);
    return status;
}

static rap_status caption_row(list_reading *r, const json_t *row, rap_err *err)
{
    const char *text[4] = { NULL };
    json_t *names = NULL, *item;
    rap_status status;

    for (size_t i = 0; i < 4 && i < json_array_size(row); i++)
        text[i] = json_string_value(json_array_get(row, i));
    if (!json_is_array(row))
        return list_wrong(r, err, "not a list [picture, concepts, caption]");
    if (json_array_size(row) < 3 || !text[0] || !text[2])
        return list_wrong(r, err, "not [picture, concepts, caption] with two texts");
    status = names_of(&names, r, json_array_get(row, 1), err);
    if (status != RAP_OK)
        return status;
    item = list_start(r);
    list_set(item, "picture", text[0]);
    list_set(item, "answer", text[2]);
    list_set(item, "question", text[3] ? text[3] : LIST_CAPTION_QUESTION);
    json_object_set_new(item, "names", names);
    return list_add(r, item, err);
}

/* true, false, "yes" and "no"; other texts are no answer to it: −1. */
static int as_bool(const json_t *value)
{
    const char *text = json_string_value(value);

    if (json_is_boolean(value))
        return json_is_true(value);
    if (text && strcasecmp(text, "yes") == 0)
        return 1;
    return text && strcasecmp(text, "no") == 0 ? 0 : -1;
}

static rap_status recognition_row(list_reading *r, const json_t *row, rap_err *err)
{
    const char *question = NULL, *type = list_text(row, "type");
    int yes = as_bool(json_object_get(row, "correct_answer"));
    json_t *item, *answer = json_object_get(row, "answer");
    rap_status status = list_need(&question, r, row, "question", err);

    if (status != RAP_OK)
        return status;
    if (yes < 0)
        return list_wrong(r, err, "\"correct_answer\" is neither true, false, yes nor no");
    if (type && strcmp(type, "positive") != 0 && strcmp(type, "negative") != 0)
        return list_wrong(r, err, "\"type\" is neither \"positive\" nor \"negative\"");
    if (answer && !json_is_string(answer))
        return list_wrong(r, err, "\"answer\" is not a text");
    item = list_start(r);
    list_set(item, "picture", list_text(row, "image"));
    list_set(item, "question", strncmp(question, "<image>\n", 8) == 0 ? question + 8 : question);
    list_set(item, "concept", list_text(row, "concept"));
    list_set(item, "answer", json_string_value(answer));
    if (item) {
        json_object_set_new(item, "yes", json_boolean(yes));
        json_object_set_new(item, "negative",
                            json_boolean(type ? strcmp(type, "negative") == 0 : !yes));
    }
    return list_add(r, item, err);
}

static rap_status answer_row(list_reading *r, const json_t *row, rap_err *err)
{
    const char *answer = NULL, *expected = NULL, *picture = list_text(row, "img_path");
    const json_t *options = json_object_get(row, "option");
    json_t *item;
    rap_status status = list_need(&answer, r, row, "answer", err);

    if (status == RAP_OK)
        status = list_need(&expected, r, row, "correct_answer", err);
    if (status != RAP_OK)
        return status;
    if (!options)
        options = json_object_get(row, "options");
    item = list_start(r);
    list_set(item, "picture", picture ? picture : list_text(row, "image"));
    list_set(item, "question", list_text(row, "question"));
    list_set(item, "answer", answer);
    list_set(item, "expected", expected);
    if (item && json_is_object(options))
        json_object_set(item, "options", (json_t *)options);
    return list_add(r, item, err);
}

static rap_status question_row(list_reading *r, const json_t *row, rap_err *err)
{
    const char *question = NULL, *expected = NULL;
    json_t *item;
    rap_status status = list_need(&question, r, row, "question", err);

    if (status == RAP_OK)
        status = list_need(&expected, r, row, "answer", err);
    if (status != RAP_OK)
        return status;
    item = list_start(r);
    list_set(item, "question", question);
    list_set(item, "expected", expected);
    return list_add(r, item, err);
}

/* Answers of one letter are a choice. */
static list_kind kind_of_expected(const json_t *rows, const char *field)
{
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const char *text = list_text(json_array_get(rows, i), field);

        if (text && strlen(text) != 1)
            return LIST_OPEN;
    }
    return LIST_CHOICE;
}

static row_reader *choose(list_reading *r, const json_t *rows)
{
    const json_t *first = json_array_get(rows, 0);
    const json_t *right = json_object_get(first, "correct_answer");

    if (json_is_array(first)) {
        r->out->kind = LIST_CAPTION;
        return caption_row;
    }
    if (as_bool(right) >= 0) {
        r->out->kind = LIST_RECOGNITION;
        return recognition_row;
    }
    if (right || json_object_get(first, "option")) {
        r->out->kind = kind_of_expected(rows, "correct_answer");
        return answer_row;
    }
    if (json_object_get(first, "question") && json_object_get(first, "answer")) {
        r->out->kind = kind_of_expected(rows, "answer");
        return question_row;
    }
    return NULL;
}

rap_status list_read_rows(list_reading *r, const json_t *rows, rap_err *err)
{
    row_reader *read = choose(r, rows);
    rap_status status = RAP_OK;

    if (!read && json_array_size(rows) > 0)
        return err_set(err, RAP_E_FORMAT,
                       "%s: item 0 is neither [picture, concepts, caption] nor an object with "
                       "\"correct_answer\" and \"answer\" or \"question\"",
                       r->file);
    for (size_t i = 0; status == RAP_OK && i < json_array_size(rows); i++) {
        snprintf(r->place, sizeof r->place, "item %zu", i);
        status = read(r, json_array_get(rows, i), err);
    }
    return status;
}

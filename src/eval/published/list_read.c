/* list_read.c: from a file to a list: which shape it has, and what the readers of the shapes share. */
#include "eval/published/list_inside.h"

#include "base/buf.h"
#include "base/file.h"
#include "formats/json.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define FILE_LIMIT (256u << 20) /* bytes */

/* ---- kinds and items ---- */

static const char *const kinds[LIST_KINDS] = { "caption", "recognition", "choice", "open" };

const char *list_kind_name(list_kind kind)
{
    return kinds[kind];
}

bool list_kind_named(list_kind *out, const char *name)
{
    for (int i = 0; i < LIST_KINDS; i++)
        if (strcmp(kinds[i], name) == 0) {
            *out = (list_kind)i;
            return true;
        }
    return false;
}

size_t list_count(const list *l)
{
    return json_array_size(l->items);
}

const json_t *list_item(const list *l, size_t i)
{
    return json_array_get(l->items, i);
}

const char *list_text(const json_t *item, const char *field)
{
    return json_string_value(json_object_get(item, field));
}

const char **list_answers(const list *l)
{
    size_t count = list_count(l);
    const char **answer = calloc(count + 1, sizeof *answer);

    for (size_t i = 0; answer && i < count; i++)
        answer[i] = list_text(list_item(l, i), "answer");
    return answer;
}

void list_release(list *l)
{
    json_decref(l->items);
    memset(l, 0, sizeof *l);
}

/* ---- what the readers share ---- */

rap_status list_wrong(const list_reading *r, rap_err *err, const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return err_set(err, RAP_E_FORMAT, "%s: %s: %s", r->file, r->place, text);
}

rap_status list_need(const char **out, const list_reading *r, const json_t *object,
                     const char *field, rap_err *err)
{
    const json_t *value = json_object_get(object, field);

    *out = json_string_value(value);
    if (!value)
        return list_wrong(r, err, "there is no \"%s\"", field);
    return *out ? RAP_OK : list_wrong(r, err, "\"%s\" is not a text", field);
}

json_t *list_start(const list_reading *r)
{
    json_t *item = json_object();

    if (item)
        json_object_set_new(item, "place", json_any_text(r->place));
    return item;
}

void list_set(json_t *item, const char *field, const char *text)
{
    if (item && text)
        json_object_set_new(item, field, json_any_text(text));
}

rap_status list_add(list_reading *r, json_t *item, rap_err *err)
{
    if (!item || json_array_append_new(r->out->items, item) != 0)
        return err_memory(err, "reading a list");
    return RAP_OK;
}

/* Adds `text` with the word "sks" as <concept>; unchanged where the list names no concept. */
static void add_named(buf *out, const char *text, const char *concept)
{
    for (const char *at; concept && (at = strstr(text, "sks")); text = at + 3) {
        buf_add(out, text, (size_t)(at - text));
        buf_printf(out, "<%s>", concept);
    }
    buf_puts(out, text);
}

rap_status list_choice(const list_reading *r, json_t *item, const char *question,
                       const char *concept, const json_t *options, rap_err *err)
{
    buf text = BUF_INIT;
    const char *letter;
    json_t *option;
    rap_status status = RAP_OK;

    if (json_object_size(options) == 0)
        return list_wrong(r, err, "there are no options, an object of texts by letter");
    buf_puts(&text, "Question: ");
    add_named(&text, question, concept);
    buf_puts(&text, "\nOptions:\n");
    json_object_foreach((json_t *)options, letter, option)
    {
        if (!json_is_string(option)) {
            status = list_wrong(r, err, "option \"%.20s\" is not a text", letter);
            break;
        }
        buf_printf(&text, "%s. %s\n", letter, json_string_value(option));
    }
    buf_puts(&text, "Please give a single character from the options above. \n");
    if (status == RAP_OK && buf_failed(&text))
        status = err_memory(err, "reading a list");
    list_set(item, "question", buf_text(&text));
    json_object_set(item, "options", (json_t *)options);
    buf_release(&text);
    return status;
}

/* ---- reading ---- */

static bool is_table(const char *name)
{
    size_t len = strlen(name);

    return len > 4 && strcasecmp(name + len - 4, ".csv") == 0;
}

static rap_status read_json(list_reading *r, const char *text, size_t len, rap_err *err)
{
    json_t *root = NULL;
    rap_status status = json_parse_any(&root, text, len, r->file, err);

    if (status == RAP_OK) /* a JSON text is a list or an object */
        status = json_is_array(root) ? list_read_rows(r, root, err) : list_read_map(r, root, err);
    json_decref(root);
    return status;
}

/* All of the items have answers, or none. */
static rap_status check_answered(list_reading *r, rap_err *err)
{
    size_t count = list_count(r->out), answers = 0;

    if (count == 0)
        return err_set(err, RAP_E_FORMAT, "%s: the list is empty", r->file);
    for (size_t i = 0; i < count; i++)
        answers += list_text(list_item(r->out, i), "answer") != NULL;
    r->out->answered = answers > 0;
    for (size_t i = 0; answers > 0 && answers < count && i < count; i++)
        if (!list_text(list_item(r->out, i), "answer"))
            return err_set(err, RAP_E_FORMAT,
                           "%s: %s has no \"answer\", though %zu of the %zu items have one",
                           r->file, list_text(list_item(r->out, i), "place"), answers, count);
    return RAP_OK;
}

rap_status list_parse(list *out, const char *text, size_t len, const char *name, const char *kind,
                      rap_err *err)
{
    list_reading r = { .out = out, .file = name, .kind = kind };
    list_kind given = LIST_CAPTION;
    rap_status status;

    memset(out, 0, sizeof *out);
    if (kind && !list_kind_named(&given, kind))
        return err_set(err, RAP_E_ARGUMENT,
                       "'%s' is no kind of list: caption, recognition, choice or open", kind);
    if (!(out->items = json_array()))
        return err_memory(err, "reading a list");
    status = is_table(name) ? list_read_table(&r, text, len, err) : read_json(&r, text, len, err);
    if (status == RAP_OK)
        status = check_answered(&r, err);
    if (status == RAP_OK && kind && given >= LIST_CHOICE && out->kind >= LIST_CHOICE)
        out->kind = given; /* a question with one right answer, either way */
    if (status == RAP_OK && kind && given != out->kind)
        return err_set(err, RAP_E_ARGUMENT,
                       "%s: by its shape this is a list of the kind %s, not %s", name,
                       kinds[out->kind], kind);
    return status;
}

rap_status list_read(list *out, const char *path, const char *kind, rap_err *err)
{
    char *text = NULL;
    size_t len = 0;
    rap_status status;

    memset(out, 0, sizeof *out);
    status = file_read_stream(&text, &len, path, FILE_LIMIT, err);
    if (status == RAP_OK)
        status = list_parse(out, text, len, path, kind, err);
    free(text);
    return status;
}

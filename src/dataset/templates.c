/* templates.c: reads the wordings, draws one, puts the values in. */
#include "dataset/templates.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#ifndef RAP_SOURCE_TEMPLATES
#define RAP_SOURCE_TEMPLATES "src/dataset/templates.txt"
#endif
#ifndef RAP_INSTALLED_TEMPLATES
#define RAP_INSTALLED_TEMPLATES "/usr/share/rap/dataset/templates.txt"
#endif

enum { LIMIT = 1 << 20 }; /* bytes of a file of templates */

typedef struct place {
    char *name;
    char **wording; /* [count] */
    size_t count;
} place;

struct templates {
    place *place;
    size_t count;
};

static const char *const known[] = {
    "grounding.question", "grounding.answer",     "recognition.question", "recognition.yes",
    "recognition.no",     "caption.question",     "caption.answer",       "description.question",
    "description.answer", "qa.category.question", "qa.category.answer",   "qa.info.question",
    "qa.info.answer"
};
static const char *const fields[] = { "name", "info", "category", "box", "caption" };

static place *find(const templates *t, const char *name)
{
    for (size_t i = 0; i < t->count; i++)
        if (strcmp(t->place[i].name, name) == 0)
            return &t->place[i];
    return NULL;
}

static void empty(place *p)
{
    for (size_t i = 0; i < p->count; i++)
        free(p->wording[i]);
    free(p->wording);
    p->wording = NULL;
    p->count = 0;
}

/* The place of that name, emptied; NULL when memory ran out. */
static place *begin_place(templates *t, const char *name)
{
    place *grown, *found = find(t, name);

    if (found) {
        empty(found);
        return found;
    }
    grown = realloc(t->place, (t->count + 1) * sizeof *grown);
    if (!grown)
        return NULL;
    t->place = grown;
    grown[t->count] = (place){ .name = mem_string(name) };
    return grown[t->count].name ? &grown[t->count++] : NULL;
}

static rap_status add_wording(place *p, const char *text, rap_err *err)
{
    char **grown = realloc(p->wording, (p->count + 1) * sizeof *grown);

    if (!grown)
        return err_memory(err, "reading templates");
    p->wording = grown;
    grown[p->count] = mem_string(text);
    return grown[p->count] ? (p->count++, RAP_OK) : err_memory(err, "reading templates");
}

static bool is_known(const char *name, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(list[i], name) == 0)
            return true;
    return false;
}

/* "{nmae}" would be written into every sample. */
static rap_status check_fields(const char *text, const char *path, int line, rap_err *err)
{
    for (const char *at = strchr(text, '{'); at; at = strchr(at + 1, '{')) {
        size_t len = strcspn(at + 1, "{}");
        char field[32] = "";

        if (at[1 + len] == '}' && len < sizeof field)
            memcpy(field, at + 1, len);
        if (!is_known(field, fields, sizeof fields / sizeof *fields))
            return err_set(err, RAP_E_FORMAT,
                           "%s:%d: {%.*s} is not one of {name}, {info}, {category}, {box}, "
                           "{caption}",
                           path, line, (int)(len < 30 ? len : 30), at + 1);
    }
    return RAP_OK;
}

static rap_status read_line(templates *t, place **current, char *text, const char *path, int line,
                            rap_err *err)
{
    size_t len = strlen(text);
    rap_status status;

    while (len > 0 && strchr(" \t\r", text[len - 1]))
        text[--len] = '\0';
    if (len == 0 || *text == '#')
        return RAP_OK;
    if (*text == '[' && text[len - 1] == ']') {
        text[len - 1] = '\0';
        if (!is_known(text + 1, known, sizeof known / sizeof *known))
            return err_set(err, RAP_E_FORMAT, "%s:%d: no place is called [%s]", path, line,
                           text + 1);
        *current = begin_place(t, text + 1);
        return *current ? RAP_OK : err_memory(err, "reading templates");
    }
    if (!*current)
        return err_set(err, RAP_E_FORMAT, "%s:%d: a wording before the first [place]", path, line);
    status = check_fields(text, path, line, err);
    return status == RAP_OK ? add_wording(*current, text, err) : status;
}

static rap_status read_file(templates *t, const char *path, rap_err *err)
{
    char *text = NULL, *next;
    size_t size = 0;
    place *current = NULL;
    int line = 0;
    rap_status status = file_read(&text, &size, path, LIMIT, err);

    if (status == RAP_OK && (strlen(text) != size || !text_is_utf8(text)))
        status = err_set(err, RAP_E_FORMAT, "%s: not UTF-8 text", path);
    for (char *at = text; status == RAP_OK && at && *at; at = next) {
        next = at + strcspn(at, "\n");
        if (*next)
            *next++ = '\0';
        status = read_line(t, &current, at, path, ++line, err);
    }
    for (size_t i = 0; status == RAP_OK && i < t->count; i++)
        if (t->place[i].count == 0)
            status = err_set(err, RAP_E_FORMAT, "%s: [%s] has no wording", path, t->place[i].name);
    free(text);
    return status;
}

rap_status templates_open(templates **out, const char *path, rap_err *err)
{
    templates *t = mem_array(1, sizeof *t);
    const char *own =
        file_exists(RAP_SOURCE_TEMPLATES) ? RAP_SOURCE_TEMPLATES : RAP_INSTALLED_TEMPLATES;
    rap_status status = t ? read_file(t, own, err) : err_memory(err, "reading templates");

    for (size_t i = 0; status == RAP_OK && i < sizeof known / sizeof *known; i++)
        if (!find(t, known[i]))
            status = err_set(err, RAP_E_FORMAT, "%s: [%s] is missing", own, known[i]);
    if (status == RAP_OK && path)
        status = read_file(t, path, err);
    *out = status == RAP_OK ? t : NULL;
    if (status != RAP_OK)
        templates_free(t);
    return status;
}

void templates_free(templates *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->count; i++) {
        empty(&t->place[i]);
        free(t->place[i].name);
    }
    free(t->place);
    free(t);
}

void templates_list(buf *out, const templates *t)
{
    for (size_t i = 0; i < t->count; i++) {
        buf_printf(out, "[%s]\n", t->place[i].name);
        for (size_t j = 0; j < t->place[i].count; j++)
            buf_printf(out, "%s\n", t->place[i].wording[j]);
    }
}

/* By its letters: "an hour" and the like are no categories; "a uniform", "a unicycle" and "a European" are said with y. */
static bool takes_an(const char *noun)
{
    return *noun && strchr("aeiouAEIOU", *noun) && strncasecmp(noun, "uni", 3) != 0 &&
           strncasecmp(noun, "eu", 2) != 0 && strncasecmp(noun, "use", 3) != 0 &&
           strncasecmp(noun, "ute", 3) != 0 && strncasecmp(noun, "one", 3) != 0;
}

static bool ends_in_a(const buf *out)
{
    size_t len = out->len;

    return len >= 2 && out->data[len - 1] == ' ' && strchr("aA", out->data[len - 2]) &&
           (len == 2 || out->data[len - 3] == ' ');
}

static void put_category(buf *out, const char *category)
{
    if (ends_in_a(out) && takes_an(category)) {
        buf_truncate(out, out->len - 1);
        buf_puts(out, "n ");
    }
    buf_puts(out, category);
}

void template_put(buf *out, const char *text, const template_values *v)
{
    const char *const value[] = { v->name, v->info, v->category, v->box, v->caption };

    while (*text) {
        size_t i = 0, count = sizeof fields / sizeof *fields;

        for (; i < count; i++) {
            size_t len = strlen(fields[i]);

            if (*text == '{' && strncmp(text + 1, fields[i], len) == 0 && text[len + 1] == '}') {
                if (value[i] && value[i] == v->category)
                    put_category(out, value[i]);
                else
                    buf_puts(out, value[i] ? value[i] : "");
                text += len + 2;
                break;
            }
        }
        if (i == count)
            buf_putc(out, *text++);
    }
}

rap_status templates_fill(buf *out, const templates *t, const char *name, draw *d,
                          const template_values *values, rap_err *err)
{
    const place *p = find(t, name);

    if (!p)
        return err_set(err, RAP_E_ARGUMENT, "no place of the templates is called %s", name);
    template_put(out, p->wording[draw_below(d, p->count)], values);
    return buf_failed(out) ? err_memory(err, "writing a sample") : RAP_OK;
}

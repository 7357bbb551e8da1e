/* sample.c: samples to JSON and back. */
#include "dataset/sample.h"

#include "base/file.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IMAGE_MARK "<image>\n"

/* ---- out ---- */

static void add_text(buf *out, const char *text, rap_status *status)
{
    json_t *value = json_string(text);
    char *quoted = value ? json_dumps(value, JSON_ENCODE_ANY) : NULL;

    json_decref(value);
    if (!quoted)
        *status = RAP_E_FORMAT;
    else
        buf_puts(out, quoted);
    free(quoted);
}

static void add_field(buf *out, const char *before, const char *text, rap_status *status)
{
    buf_puts(out, before);
    add_text(out, text, status);
}

static void add_turn(buf *out, const sample *s, int i, rap_status *status)
{
    buf human = BUF_INIT;

    buf_printf(&human, "%s%s", i == 0 && s->image ? IMAGE_MARK : "", s->turn[i].human);
    add_field(out, i ? ", {\"from\": \"human\", \"value\": " : "{\"from\": \"human\", \"value\": ",
              buf_text(&human), status);
    add_field(out, "}, {\"from\": \"gpt\", \"value\": ", s->turn[i].gpt, status);
    buf_putc(out, '}');
    if (buf_failed(&human))
        *status = RAP_E_MEMORY;
    buf_release(&human);
}

static void add_concept(buf *out, const sample_concept *c, int first, rap_status *status)
{
    add_field(out, first ? "" : ", ", c->picture, status);
    add_field(out, ": {\"name\": ", c->name, status);
    add_field(out, ", \"info\": ", c->info, status);
    add_field(out, ", \"category\": ", c->category, status);
    buf_putc(out, '}');
}

rap_status sample_write(buf *out, const sample *s, rap_err *err)
{
    rap_status status = RAP_OK;

    add_field(out, "{\"id\": ", s->id, &status);
    if (s->image)
        add_field(out, ", \"image\": ", s->image, &status);
    buf_puts(out, ", \"conversations\": [");
    for (int i = 0; i < s->turns; i++)
        add_turn(out, s, i, &status);
    buf_puts(out, "]");
    if (s->concepts > 0)
        buf_puts(out, ", \"extra\": {");
    for (int i = 0; i < s->concepts; i++)
        add_concept(out, &s->concept[i], i == 0, &status);
    if (s->concepts > 0)
        buf_puts(out, "}");
    add_field(out, ", \"type\": ", s->type, &status);
    buf_putc(out, '}');
    if (status == RAP_E_FORMAT)
        return err_set(err, RAP_E_FORMAT, "sample %s: a text that is not valid UTF-8", s->id);
    return status != RAP_OK || buf_failed(out) ? err_memory(err, "writing a sample") : RAP_OK;
}

/* ---- in ---- */

static const char *text_at(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

static rap_status wrong(const char *where, const char *what, rap_err *err)
{
    return err_set(err, RAP_E_FORMAT, "%s: not a sample of the RAP format: %s", where, what);
}

static rap_status read_turns(sample *s, const char *where, rap_err *err)
{
    const json_t *turns = json_object_get(s->json, "conversations");
    size_t count = json_array_size(turns);

    if (count < 2 || count % 2 != 0)
        return wrong(where, "\"conversations\" is not a list of human and gpt turns in pairs", err);
    if (count / 2 > SAMPLE_TURNS)
        return err_set(err, RAP_E_LIMIT, "%s: %zu turns; the limit is %d", where, count / 2,
                       SAMPLE_TURNS);
    for (size_t i = 0; i < count; i++) {
        const json_t *turn = json_array_get(turns, i);
        const char *from = text_at(turn, "from"), *value = text_at(turn, "value");

        if (strcmp(from, i % 2 ? "gpt" : "human") != 0)
            return wrong(where, "turns do not alternate between \"human\" and \"gpt\"", err);
        if (!json_is_string(json_object_get(turn, "value")))
            return wrong(where, "a turn has no \"value\"", err);
        if (i == 0 && s->image && strncmp(value, IMAGE_MARK, strlen(IMAGE_MARK)) == 0)
            value += strlen(IMAGE_MARK);
        *(i % 2 ? &s->turn[i / 2].gpt : &s->turn[i / 2].human) = value;
    }
    s->turns = (int)(count / 2);
    return RAP_OK;
}

static rap_status read_concepts(sample *s, const char *where, rap_err *err)
{
    json_t *extra = json_object_get(s->json, "extra"), *value;
    const char *picture;

    if (!extra || json_is_null(extra))
        return RAP_OK;
    if (!json_is_object(extra))
        return wrong(where, "\"extra\" is not an object", err);
    if (json_object_size(extra) > SAMPLE_CONCEPTS)
        return err_set(err, RAP_E_LIMIT, "%s: %zu concepts; the limit is %d", where,
                       json_object_size(extra), SAMPLE_CONCEPTS);
    json_object_foreach(extra, picture, value)
    {
        if (!json_is_object(value))
            return wrong(where, "a concept of \"extra\" is not an object", err);
        s->concept[s->concepts++] =
            (sample_concept){ picture, text_at(value, "name"), text_at(value, "info"),
                              text_at(value, "category") };
    }
    return RAP_OK;
}

rap_status sample_read(sample *out, json_t *json, const char *where, rap_err *err)
{
    json_t *id;
    rap_status status;

    memset(out, 0, sizeof *out);
    if (!json_is_object(json))
        return wrong(where, "an object is expected", err);
    out->json = json_incref(json);
    id = json_object_get(json, "id");
    if (json_is_integer(id)) { /* some published files number their samples */
        char number[24];

        snprintf(number, sizeof number, "%" JSON_INTEGER_FORMAT, json_integer_value(id));
        json_object_set_new(json, "id", json_string(number));
    }
    out->id = text_at(json, "id");
    out->type = text_at(json, "type");
    out->image = json_string_value(json_object_get(json, "image"));
    status = read_turns(out, where, err);
    if (status == RAP_OK)
        status = read_concepts(out, where, err);
    if (status != RAP_OK)
        sample_release(out);
    return status;
}

void sample_release(sample *s)
{
    json_decref(s->json);
    memset(s, 0, sizeof *s);
}

/* ---- files ---- */

char *sample_data_file(const char *folder, const char *stem)
{
    static const char *const extension[] = { "json", "jsonl" };

    for (size_t i = 0; i < 2; i++) {
        char name[64], *path;

        snprintf(name, sizeof name, "%s.%s", stem, extension[i]);
        path = path_join(folder, name);
        if (path && file_exists(path))
            return path;
        free(path);
    }
    return NULL;
}

struct sample_file {
    char *path;
    json_walk *walk;
    bool array;
};

rap_status sample_file_open(sample_file **out, const char *path, rap_err *err)
{
    sample_file *f = mem_array(1, sizeof *f);
    char first = 0;
    rap_status status;

    *out = NULL;
    if (!f || !(f->path = mem_string(path))) {
        free(f);
        return err_memory(err, "reading samples");
    }
    status = json_walk_open(&f->walk, path, err);
    if (status == RAP_OK)
        status = json_walk_peek(&first, f->walk, err);
    f->array = first == '[';
    if (status == RAP_OK && f->array)
        status = json_walk_enter(f->walk, '[', err);
    if (status == RAP_OK)
        *out = f;
    else
        sample_file_close(f);
    return status;
}

rap_status sample_file_next(sample *out, bool *out_more, sample_file *f, rap_err *err)
{
    json_t *json = NULL;
    char first = 0, where[512];
    rap_status status;

    memset(out, 0, sizeof *out);
    *out_more = false;
    if (f->array)
        status = json_walk_item(out_more, f->walk, err);
    else if ((status = json_walk_peek(&first, f->walk, err)) == RAP_OK)
        *out_more = first != 0;
    if (status != RAP_OK || !*out_more)
        return status != RAP_OK ? status : json_walk_end(f->walk, err);
    status = json_walk_value(&json, f->walk, err);
    if (status == RAP_OK) {
        snprintf(where, sizeof where, "%s:%ld", f->path, json_walk_line(f->walk));
        status = sample_read(out, json, where, err);
    }
    json_decref(json);
    if (status != RAP_OK)
        *out_more = false;
    return status;
}

void sample_file_close(sample_file *f)
{
    if (!f)
        return;
    json_walk_close(f->walk);
    free(f->path);
    free(f);
}

/* wire.c: see wire.h: one function per result. */
#include "wire/wire.h"

#include "wire/put.h"

/* ---- concepts ---- */

static json_t *texts(const char *const *text)
{
    json_t *list = json_array();

    for (; text && *text; text++)
        put_next(&list, json_any_text(*text));
    return list;
}

/* Which texts a model wrote. */
static json_t *automatic(int flags)
{
    json_t *list = json_array();

    if (flags & RAP_AUTOMATIC_INFO)
        put_next(&list, json_string("info"));
    if (flags & RAP_AUTOMATIC_CATEGORY)
        put_next(&list, json_string("category"));
    return list;
}

json_t *wire_record(const rap_record *r)
{
    json_t *out = json_object();

    put_count(&out, "id", r->id);
    put_text(&out, "name", r->name);
    put_text(&out, "category", r->category);
    put_text(&out, "info", r->info);
    put_value(&out, "automatic", automatic(r->automatic));
    put_value(&out, "aliases", texts(r->aliases));
    put_count(&out, "views", r->views);
    put_text(&out, "created", r->created);
    put_text(&out, "updated", r->updated);
    return out;
}

/* Texts that a model proposed; NULL: none. */
static void put_proposed(json_t **out, const char *info, const char *category)
{
    if (info)
        put_text(out, "info", info);
    if (category)
        put_text(out, "category", category);
}

json_t *wire_remembered(int64_t id, const char *name, const char *info, const char *category)
{
    json_t *out = json_object();

    put_count(&out, "id", id);
    put_text(&out, "name", name);
    put_proposed(&out, info, category);
    return out;
}

json_t *wire_remembered_views(int64_t id, const char *name, int views, const char *info,
                              const char *category)
{
    json_t *out = wire_remembered(id, name, info, category);

    put_count(&out, "views", views);
    return out;
}

json_t *wire_not_remembered(const char *name, const char *error)
{
    json_t *out = json_object();

    put_text(&out, "name", name);
    put_text(&out, "error", error);
    return out;
}

json_t *wire_remembered_all(json_t *remembered, json_t *skipped, json_t *failed)
{
    json_t *out = json_object();

    put_value(&out, "remembered", json_incref(remembered));
    put_value(&out, "skipped", json_incref(skipped));
    put_value(&out, "failed", json_incref(failed));
    return out;
}

json_t *wire_changed(const char *name, const char *info, const char *category)
{
    json_t *out = json_object();

    put_text(&out, "name", name);
    put_proposed(&out, info, category);
    return out;
}

json_t *wire_corrected(const char *name, int is_it)
{
    json_t *out = json_object();

    put_text(&out, "name", name);
    put_value(&out, "is", json_boolean(is_it));
    return out;
}

json_t *wire_forgotten(const char *const *names)
{
    json_t *out = json_object();

    put_value(&out, "forgotten", texts(names));
    return out;
}

json_t *wire_imported(const rap_import_report *report)
{
    json_t *out = json_object();

    put_count(&out, "added", report->added);
    put_count(&out, "updated", report->updated);
    put_count(&out, "skipped", report->skipped);
    put_count(&out, "views", report->views);
    return out;
}

json_t *wire_file(const char *path)
{
    json_t *out = json_object();

    put_text(&out, "file", path);
    return out;
}

json_t *wire_text(const char *text)
{
    return json_any_text(text);
}

/* ---- matches ---- */

static json_t *box(rap_box b)
{
    json_t *out = json_array();

    put_next(&out, json_any_number((double)b.x));
    put_next(&out, json_any_number((double)b.y));
    put_next(&out, json_any_number((double)b.w));
    put_next(&out, json_any_number((double)b.h));
    return out;
}

static json_t *match(const rap_match *m)
{
    json_t *out = json_object();

    put_text(&out, "name", m->name);
    put_number(&out, "distance", (double)m->distance);
    put_number(&out, "score", (double)m->score);
    put_value(&out, "box", box(m->box));
    put_text(&out, "reason", rap_reason_text(m->reason));
    put_text(&out, "category", m->category);
    put_count(&out, "ambiguous", m->ambiguous);
    if (m->verified >= 0)
        put_number(&out, "verified", (double)m->verified);
    return out;
}

static json_t *region(const rap_region *r)
{
    json_t *out = json_object();

    put_value(&out, "box", box(r->box));
    put_number(&out, "confidence", (double)r->confidence);
    put_text(&out, "label", r->label);
    return out;
}

json_t *wire_matches(const rap_matches *matches)
{
    json_t *out = json_object(), *found = json_array(), *regions = json_array();
    json_t *denied = json_array(), *times = json_object();

    for (size_t i = 0; i < matches->count; i++)
        put_next(&found, match(&matches->match[i]));
    for (size_t i = 0; i < matches->denied_count; i++)
        put_next(&denied, match(&matches->denied[i]));
    for (size_t i = 0; i < matches->region_count; i++)
        put_next(&regions, region(&matches->region[i]));
    put_number(&times, "detect", matches->detect_ms);
    put_number(&times, "embed", matches->embed_ms);
    put_number(&times, "search", matches->search_ms);
    put_number(&times, "verify", matches->verify_ms);
    put_value(&out, "matches", found);
    put_value(&out, "denied", denied);
    put_value(&out, "regions", regions);
    put_count(&out, "width", matches->width);
    put_count(&out, "height", matches->height);
    put_value(&out, "milliseconds", times);
    return out;
}

json_t *wire_embedding(const rap_embedding *e)
{
    json_t *out = json_object(), *feature = json_array(), *tokens = json_array();

    for (int i = 0; i < e->dim; i++)
        put_next(&feature, json_any_number((double)e->feature[i]));
    for (int i = 0; i < e->token_count; i++)
        put_next(&tokens, json_integer(e->token[i]));
    put_text(&out, "encoder", e->encoder);
    put_count(&out, "dim", e->dim);
    put_value(&out, "feature", feature);
    if (e->token_count > 0)
        put_value(&out, "tokens", tokens);
    else
        json_decref(tokens);
    return out;
}

/* ---- answers ---- */

static json_t *recognised(int value)
{
    return value < 0 ? json_null() : json_boolean(value);
}

static void put_answer(json_t **out, const rap_answer *a)
{
    json_t *times = json_object();

    put_number(&times, "retrieve", a->retrieve_ms);
    put_number(&times, "first_token", a->first_token_ms);
    put_number(&times, "total", a->total_ms);
    put_text(out, "answer", a->text);
    put_value(out, "retrieved", wire_matches(a->matches));
    put_value(out, "recognised", recognised(a->recognised));
    put_value(out, "used", texts(a->used));
    put_value(out, "unknown", texts(a->unknown));
    put_value(out, "already_given", texts(a->already_given));
    put_value(out, "edited", texts(a->edited));
    put_value(out, "forgotten", texts(a->forgotten));
    put_count(out, "dropped", a->dropped);
    put_value(out, "dropped_names", texts(a->dropped_names));
    put_count(out, "pictures_dropped", a->pictures_dropped);
    put_value(out, "without_picture", texts(a->without_picture));
    put_text(out, "finish", rap_finish_text(a->finish));
    put_count(out, "prompt_tokens", a->prompt_tokens);
    put_count(out, "kept_tokens", a->kept_tokens);
    put_count(out, "answer_tokens", a->answer_tokens);
    put_count(out, "images_encoded", a->images_encoded);
    put_text(out, "profile", a->profile);
    put_text(out, "model", a->model);
    put_value(out, "milliseconds", times);
}

json_t *wire_answer(const rap_answer *a)
{
    json_t *out = json_object();

    put_answer(&out, a);
    return out;
}

json_t *wire_token(const char *text, size_t len)
{
    json_t *out = json_object();

    put_value(&out, "token", json_stringn(text, len));
    return out;
}

json_t *wire_turn(const char *question, const rap_answer *answer, const char *error)
{
    json_t *out = json_object();

    put_text(&out, "question", question);
    if (answer)
        put_answer(&out, answer);
    else
        put_text(&out, "answer", NULL);
    if (error)
        put_text(&out, "error", error);
    return out;
}

json_t *wire_command(const char *command, json_t *result, const char *error)
{
    json_t *out = json_object();

    put_text(&out, "command", command);
    if (error)
        put_text(&out, "error", error);
    else
        put_value(&out, "result", result);
    return out;
}

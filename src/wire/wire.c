/* wire.c: one function a result. Numbers that JSON cannot say (NaN) become null. */
#include "wire/wire.h"

#include <math.h>

json_t *wire_record(const rap_record *record)
{
    json_t *aliases = json_array();

    for (const char *const *a = record->aliases; a && *a; a++)
        json_array_append_new(aliases, json_string(*a));
    return json_pack("{s:I, s:s, s:s, s:s, s:o, s:i, s:s, s:s}", "id", (json_int_t)record->id,
                     "name", record->name, "category", record->category, "info", record->info,
                     "aliases", aliases, "views", record->views, "created", record->created,
                     "updated", record->updated);
}

static json_t *json_box(rap_box b)
{
    return json_pack("[f, f, f, f]", (double)b.x, (double)b.y, (double)b.w, (double)b.h);
}

static json_t *json_number_or_null(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *json_match(const rap_match *m)
{
    return json_pack("{s:s, s:o, s:f, s:o, s:s, s:s, s:i}", "name", m->name, "distance",
                     json_number_or_null((double)m->distance), "score", (double)m->score, "box",
                     json_box(m->box), "reason", rap_reason_text(m->reason), "category",
                     m->category, "ambiguous", m->ambiguous);
}

json_t *wire_matches(const rap_matches *matches)
{
    json_t *found = json_array(), *regions = json_array();

    for (size_t i = 0; i < matches->count; i++)
        json_array_append_new(found, json_match(&matches->match[i]));
    for (size_t i = 0; i < matches->region_count; i++) {
        const rap_region *r = &matches->region[i];

        json_array_append_new(regions,
                              json_pack("{s:o, s:f, s:s}", "box", json_box(r->box), "confidence",
                                        (double)r->confidence, "label", r->label));
    }
    return json_pack("{s:o, s:o, s:i, s:i, s:{s:f, s:f, s:f}}", "matches", found, "regions",
                     regions, "width", matches->width, "height", matches->height, "milliseconds",
                     "detect", matches->detect_ms, "embed", matches->embed_ms, "search",
                     matches->search_ms);
}

json_t *wire_answer(const rap_answer *a)
{
    return json_pack("{s:s, s:o, s:i, s:i, s:i, s:i, s:{s:f, s:f, s:f}}", "answer", a->text,
                     "retrieved", wire_matches(a->matches), "dropped", a->dropped, "prompt_tokens",
                     a->prompt_tokens, "answer_tokens", a->answer_tokens, "images_encoded",
                     a->images_encoded, "milliseconds", "retrieve", a->retrieve_ms, "first_token",
                     a->first_token_ms, "total", a->total_ms);
}

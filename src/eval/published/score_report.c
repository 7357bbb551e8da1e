/* score_report.c: a score as a table in percent for people, and as JSON for programs. */
#include "eval/published/score.h"

#include "formats/json.h"

static const char *const unit[LIST_KINDS] = { "captions", "questions", "questions", "questions" };

void score_print(FILE *out, const score_report *s)
{
    fprintf(out, "%s: %d %s; the majority answer is \"%s\"\n\n", list_kind_name(s->kind), s->items,
            unit[s->kind], s->majority);
    fprintf(out, "%-32s %8s %10s %9s\n", "measure (%)", "answers", "no memory", "majority");
    for (int i = 0; i < s->rows; i++) {
        const score_row *r = &s->row[i];

        fprintf(out, "%-32s %8.1f %10.1f %9.1f\n", r->measure, 100 * r->value[SCORE_GIVEN],
                100 * r->value[SCORE_NO_MEMORY], 100 * r->value[SCORE_MAJORITY]);
    }
    if (s->notes > 0)
        fputc('\n', out);
    for (int i = 0; i < s->notes; i++)
        fprintf(out, "%s\n", s->note[i]);
}

json_t *score_json(const score_report *s)
{
    json_t *measures = json_array(), *notes = json_array();

    for (int i = 0; i < s->rows; i++) {
        const score_row *r = &s->row[i];

        json_array_append_new(measures, json_pack("{s:s, s:f, s:f, s:f}", "measure", r->measure,
                                                  "answers", r->value[SCORE_GIVEN], "no_memory",
                                                  r->value[SCORE_NO_MEMORY], "majority",
                                                  r->value[SCORE_MAJORITY]));
    }
    for (int i = 0; i < s->notes; i++)
        json_array_append_new(notes, json_any_text(s->note[i]));
    return json_pack("{s:s, s:i, s:o, s:o, s:o}", "kind", list_kind_name(s->kind), "items",
                     s->items, "majority", json_any_text(s->majority), "measures", measures,
                     "notes", notes);
}

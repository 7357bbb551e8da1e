/* paper.c: see paper.h.
 *
 * Reading order: a cell's name and numbers (add_cell), the rows' order, then what is written. */
#include "eval/paper.h"

#include "base/file.h"
#include "base/mem.h"
#include "eval/bars.h"
#include "formats/json.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CELL_BYTES = 4 << 20 };

const char *const paper_measures[PAPER_MEASURES] = { "caption F1", "recognition",
                                                     "visual questions", "text questions" };

static const char *const measure_at[PAPER_MEASURES] = { "caption.f1", "recognition.weighted",
                                                        "vqa.accuracy", "text_qa.accuracy" };
static const char *const items_at[PAPER_MEASURES] = { "items.caption", "items.recognition",
                                                      "items.vqa", "items.text_qa" };

/* The methods of the main table, in its order, and what holds of each whatever is measured. */
static const struct method {
    const char *name, *title, *edit, *text;
    int positives; /* −1: measured; so are negatives, with positives −1 */
} methods[] = {
    { "rap", "RAP", "yes", "yes", 1 },
    { "head", "head (MyVLM's way)", "no: learn again", "no", -1 },
    { "soft-tokens", "soft tokens (Yo'LLaVA's way)", "no: learn again", "what was learnt", -1 },
    { "lora", "fine-tuning (LoRA)", "no: learn again, all", "what was learnt", -1 },
    { "zero-shot", "memory in the prompt of a base", "yes", "yes", 1 },
    { "no memory", "no memory", "–", "no", 0 },
};
enum { METHODS = sizeof methods / sizeof *methods };

static int method_of(const char *name)
{
    for (int i = 0; i < METHODS; i++)
        if (strcmp(methods[i].name, name) == 0)
            return i;
    return -1;
}

/* ---- a cell ---- */

/* While cells are read, mean is the sum and spread the sum of squares. */
static void add_value(paper_mean *m, const json_t *value)
{
    double x = json_number_value(value);

    if (!json_is_number(value))
        return;
    m->mean += x;
    m->spread += x * x;
    m->cells++;
}

static void settle(paper_mean *m)
{
    double n = m->cells;

    if (m->cells == 0)
        return;
    m->mean /= n;
    m->spread = n > 1 ? sqrt(fmax(0, (m->spread - n * m->mean * m->mean) / (n - 1))) : 0;
}

static paper_row *row_of(paper *p, const char *name, int concepts)
{
    paper_row *grown;

    for (int i = 0; i < p->rows; i++)
        if (p->row[i].concepts == concepts && strcmp(p->row[i].name, name) == 0)
            return &p->row[i];
    grown = realloc(p->row, (size_t)(p->rows + 1) * sizeof *grown);
    if (!grown)
        return NULL;
    p->row = grown;
    grown += p->rows++;
    *grown = (paper_row){ .concepts = concepts };
    snprintf(grown->name, sizeof grown->name, "%.63s", name);
    return grown;
}

static rap_status add_cell(paper *p, const char *name, int concepts, const json_t *scores,
                           const json_t *report, rap_err *err)
{
    paper_row *row = row_of(p, name, concepts);
    const json_t *method = json_object_get(report, "method");

    if (!row)
        return err_memory(err, "reading results");
    for (int m = 0; m < PAPER_MEASURES; m++) {
        row->items[m] = (int)json_integer_value(json_at(report, items_at[m]));
        if (row->items[m] > 0)
            add_value(&row->measure[m], json_at(scores, measure_at[m]));
    }
    add_value(&row->precision, json_at(scores, "caption.precision"));
    add_value(&row->recall, json_at(scores, "caption.recall"));
    add_value(&row->positives, json_object_get(method, "positives"));
    add_value(&row->negatives, json_object_get(method, "negatives"));
    add_value(&row->seconds, json_object_get(method, "seconds"));
    add_value(&row->bytes, json_object_get(method, "bytes"));
    return RAP_OK;
}

static rap_status add_cost(paper *p, const json_t *cost)
{
    for (int i = 0; i < p->rows; i++)
        if (strcmp(p->row[i].name, "rap") == 0) {
            add_value(&p->row[i].seconds, json_object_get(cost, "seconds"));
            add_value(&p->row[i].bytes, json_object_get(cost, "bytes"));
        }
    return RAP_OK;
}

/* "soft-tokens-10-s1" is a method, 10 concepts and a seed. */
static rap_status add_named(paper *p, const char *name, const json_t *report, rap_err *err)
{
    char method[64];
    const char *seed = strstr(name, "-s"), *dash;
    rap_status status;
    int concepts;

    while (seed && strstr(seed + 1, "-s"))
        seed = strstr(seed + 1, "-s");
    if (strncmp(name, "ablation_", 9) == 0)
        return add_cell(p, name + 9, 0, report, report, err);
    for (dash = seed; dash && dash > name && dash[-1] != '-'; dash--)
        continue;
    concepts = dash ? (int)strtol(dash, NULL, 10) : 0;
    if (concepts <= 0 || dash - name < 2)
        return RAP_OK; /* another program's file */
    snprintf(method, sizeof method, "%.*s", (int)(dash - name - 1), name);
    if (method_of(method) < 0)
        return RAP_OK;
    status = add_cell(p, method, concepts, report, report, err);
    if (!status && strcmp(method, "rap") == 0)
        status =
            add_cell(p, "no memory", concepts, json_object_get(report, "baseline"), report, err);
    p->concepts = concepts > p->concepts ? concepts : p->concepts;
    return status;
}

static rap_status read_cell(paper *p, const char *folder, const char *file, rap_err *err)
{
    char name[128], *path = path_join(folder, file);
    json_t *report = NULL;
    rap_status status =
        path ? json_read_any(&report, path, CELL_BYTES, err) : err_memory(err, "reading results");

    snprintf(name, sizeof name, "%.*s", (int)(strlen(file) - 5), file);
    if (!status)
        status = add_named(p, name, report, err);
    json_decref(report);
    free(path);
    return status;
}

/* ---- all cells ---- */

static int by_place(const void *a, const void *b)
{
    const paper_row *x = a, *y = b;
    int m, n;

    if ((x->concepts == 0) != (y->concepts == 0))
        return x->concepts == 0 ? 1 : -1;
    if (x->concepts == 0)
        return strcmp(x->name, y->name);
    if (x->concepts != y->concepts)
        return x->concepts < y->concepts ? -1 : 1;
    m = method_of(x->name);
    n = method_of(y->name);
    return (m > n) - (m < n);
}

static rap_status read_cells(paper *p, const char *cells, rap_err *err)
{
    DIR *dir = opendir(cells);
    rap_status status = RAP_OK;

    if (!dir)
        return err_set(err, errno == ENOENT ? RAP_E_NOT_FOUND : RAP_E_IO,
                       "%s: no such folder; examples/paper_table.sh fills it", cells);
    for (struct dirent *e; status == RAP_OK && (e = readdir(dir));)
        if (strcmp(path_extension(e->d_name), "json") == 0 && strcmp(e->d_name, "cost.json") != 0)
            status = read_cell(p, cells, e->d_name, err);
    closedir(dir);
    return status;
}

rap_status paper_read(paper *out, const char *folder, rap_err *err)
{
    char *cells = path_join(folder, "cells"), *cost = cells ? path_join(cells, "cost.json") : NULL;
    json_t *json = NULL;
    rap_status status = cost ? RAP_OK : err_memory(err, "reading results");

    *out = (paper){ .row = NULL };
    if (!status)
        status = read_cells(out, cells, err);
    if (!status && file_exists(cost))
        status = json_read_any(&json, cost, CELL_BYTES, err);
    if (!status && json)
        status = add_cost(out, json);
    if (!status && out->rows == 0)
        status = err_set(err, RAP_E_NOT_FOUND, "%s: no results there", cells);
    if (out->rows > 1)
        qsort(out->row, (size_t)out->rows, sizeof *out->row, by_place);
    for (int i = 0; i < out->rows; i++) {
        paper_row *r = &out->row[i];
        paper_mean *all[] = { &r->precision, &r->recall,  &r->positives,
                              &r->negatives, &r->seconds, &r->bytes };

        for (int m = 0; m < PAPER_MEASURES; m++)
            settle(&r->measure[m]);
        for (size_t k = 0; k < sizeof all / sizeof *all; k++)
            settle(all[k]);
    }
    json_decref(json);
    free(cells);
    free(cost);
    if (status)
        paper_release(out);
    return status;
}

void paper_release(paper *p)
{
    free(p->row);
    *p = (paper){ .row = NULL };
}

/* ---- tables ---- */

static void put_mean(FILE *out, const paper_mean *m)
{
    if (m->cells == 0)
        fputs(" – |", out);
    else if (m->cells == 1)
        fprintf(out, " %.3f |", m->mean);
    else
        fprintf(out, " %.3f ± %.3f |", m->mean, m->spread);
}

static void put_needs(FILE *out, const paper_row *r, const struct method *m)
{
    if (m->positives >= 0)
        fprintf(out, " %d | 0 |", m->positives);
    else
        fprintf(out, " %.0f | %.0f |", r->positives.mean, r->negatives.mean);
    if (r->seconds.cells)
        fprintf(out, " %.1f |", r->seconds.mean);
    else
        fputs(" – |", out);
    if (r->bytes.cells)
        fprintf(out, " %.1f |", r->bytes.mean / 1000);
    else
        fputs(" – |", out);
}

static void main_table(FILE *out, const paper *p)
{
    const paper_row *first = NULL;

    for (int i = 0; i < p->rows && !first; i++)
        first = p->row[i].concepts == p->concepts ? &p->row[i] : NULL;
    fprintf(out, "%d concepts; %d captions, %d recognition, %d visual and %d text questions.\n\n",
            p->concepts, first->items[0], first->items[1], first->items[2], first->items[3]);
    fputs("| method | caption F1 | recognition | visual questions | text questions | positives | "
          "negatives | seconds a concept | kB a concept | edits | text-only questions |\n"
          "|---|---|---|---|---|---|---|---|---|---|---|\n",
          out);
    for (int i = 0; i < p->rows; i++) {
        const paper_row *r = &p->row[i];
        const struct method *m;

        if (r->concepts != p->concepts)
            continue; /* also those of trainings, which are no methods */
        m = &methods[method_of(r->name)];
        fprintf(out, "| %s |", m->title);
        for (int k = 0; k < PAPER_MEASURES; k++)
            put_mean(out, &r->measure[k]);
        put_needs(out, r, m);
        fprintf(out, " %s | %s |\n", m->edit, m->text);
    }
}

static void growth_table(FILE *out, const paper *p)
{
    fputs("\n| concepts | method | caption F1 | recognition | visual questions | text questions |\n"
          "|---|---|---|---|---|---|\n",
          out);
    for (int i = 0; i < p->rows; i++) {
        const paper_row *r = &p->row[i];

        if (r->concepts == 0)
            continue;
        fprintf(out, "| %d | %s |", r->concepts, methods[method_of(r->name)].title);
        for (int k = 0; k < PAPER_MEASURES; k++)
            put_mean(out, &r->measure[k]);
        fputc('\n', out);
    }
}

static void ablation_table(FILE *out, const paper *p)
{
    fputs("\n| ablation | caption precision | recall | F1 | recognition | visual questions | text "
          "questions |\n|---|---|---|---|---|---|---|\n",
          out);
    for (int i = 0; i < p->rows; i++) {
        const paper_row *r = &p->row[i];

        if (r->concepts > 0)
            continue;
        fprintf(out, "| %s |", r->name);
        put_mean(out, &r->precision);
        put_mean(out, &r->recall);
        for (int k = 0; k < PAPER_MEASURES; k++)
            put_mean(out, &r->measure[k]);
        fputc('\n', out);
    }
}

/* How many numbers of concepts were measured, the main table's included. */
static int sizes(const paper *p)
{
    int count = 0, last = 0;

    for (int i = 0; i < p->rows; i++)
        if (p->row[i].concepts > 0 && p->row[i].concepts != last) {
            last = p->row[i].concepts;
            count++;
        }
    return count;
}

void paper_print(FILE *out, const paper *p)
{
    if (p->concepts > 0)
        main_table(out, p);
    if (sizes(p) > 1)
        growth_table(out, p);
    if (p->row[p->rows - 1].concepts == 0)
        ablation_table(out, p);
}

/* ---- JSON ---- */

static json_t *mean_json(const paper_mean *m)
{
    return m->cells ? json_pack("{s:f, s:f, s:i}", "mean", m->mean, "spread", m->spread, "cells",
                                m->cells)
                    : json_null();
}

json_t *paper_json(const paper *p)
{
    json_t *rows = json_array();

    for (int i = 0; i < p->rows; i++) {
        const paper_row *r = &p->row[i];
        json_t *one = json_pack(
            "{s:s, s:i, s:o, s:o, s:o, s:o, s:o, s:o}", "name", r->name, "concepts", r->concepts,
            "caption_precision", mean_json(&r->precision), "caption_recall", mean_json(&r->recall),
            "positives", mean_json(&r->positives), "negatives", mean_json(&r->negatives), "seconds",
            mean_json(&r->seconds), "bytes", mean_json(&r->bytes));

        for (int k = 0; k < PAPER_MEASURES; k++)
            json_object_set_new(one, paper_measures[k], mean_json(&r->measure[k]));
        json_array_append_new(rows, one);
    }
    return json_pack("{s:i, s:o}", "concepts", p->concepts, "rows", rows);
}

/* ---- the figure ---- */

static void add_bars(bar_group *g, const paper *p, int measure)
{
    for (int m = 0; m < METHODS; m++)
        for (int i = 0; i < p->rows && g->bars < BARS; i++) {
            const paper_row *r = &p->row[i];
            bar *b = &g->bar[g->bars];

            if (r->concepts == 0 || method_of(r->name) != m || r->measure[measure].cells == 0)
                continue;
            b->share = r->measure[measure].mean;
            b->items = r->items[measure];
            snprintf(b->label, sizeof b->label, "%.16s, %d", r->name, r->concepts);
            g->bars++;
        }
}

rap_status paper_draw(int *out_drawn, const paper *p, const char *png, rap_err *err)
{
    bar_group *group = mem_array(PAPER_MEASURES, sizeof *group);
    rap_status status;

    *out_drawn = 0;
    if (sizes(p) < 2) {
        free(group);
        return RAP_OK;
    }
    if (!group)
        return err_memory(err, "drawing results");
    for (int m = 0; m < PAPER_MEASURES; m++) {
        snprintf(group[m].title, sizeof group[m].title,
                 "%s in %%, by method and number of concepts (items)", paper_measures[m]);
        add_bars(&group[m], p, m);
    }
    status = bars_draw(group, PAPER_MEASURES, png, err);
    *out_drawn = status == RAP_OK;
    free(group);
    return status;
}

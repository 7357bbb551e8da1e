/* report.c: prints the results as a table; wire/measure.c has the JSON. */
#include "eval/eval.h"

static void open_set_row(FILE *out, int concepts, const char *policy, const calibrate_scores *s)
{
    fprintf(out, "%8d %-8s %8.3f %8.3f %8.3f %8.3f %15.3f\n", concepts, policy, s->recall1,
            s->recall2, s->recall, s->recall_open, s->false_positives);
}

static void open_set_table(FILE *out, const eval_report *e)
{
    const calibrate_report *t = &e->open_set;

    if (t->standard.photos == 0)
        return;
    fprintf(out, "\n%8s %-8s %8s %8s %8s %8s %15s\n", "concepts", "policy", "recall@1", "recall@2",
            "given", "no limit", "false positives");
    open_set_row(out, t->concepts, "default", &t->standard);
    open_set_row(out, t->concepts, "paper", &t->paper);
    for (int i = 0; i < t->steps; i++) {
        open_set_row(out, t->step[i].concepts, "default", &t->step[i].standard);
        open_set_row(out, t->step[i].concepts, "paper", &t->step[i].paper);
    }
    if (*e->note)
        fprintf(out, "%s\n", e->note);
}

/* A column a measure that was taken, a row a size of the store. */
static void growth_table(FILE *out, const eval_report *e)
{
    if (e->steps == 0)
        return;
    fprintf(out, "\n%8s", "concepts");
    for (int m = 0; m < EVAL_GROWTH_MEASURES; m++) {
        int items;

        eval_growth_value(&items, &e->step[e->steps - 1], &eval_growth_measures[m]);
        if (items > 0)
            fprintf(out, " %11s %6s", eval_growth_measures[m].name, "items");
    }
    fputc('\n', out);
    for (int i = 0; i < e->steps; i++) {
        fprintf(out, "%8d", e->step[i].concepts);
        for (int m = 0; m < EVAL_GROWTH_MEASURES; m++) {
            int items, all;
            double value = eval_growth_value(&items, &e->step[i], &eval_growth_measures[m]);

            eval_growth_value(&all, &e->step[e->steps - 1], &eval_growth_measures[m]);
            if (all > 0)
                fprintf(out, " %11.3f %6d", value, items);
        }
        fputc('\n', out);
    }
}

static void row(FILE *out, const char *task, const char *measure, double memory, double baseline,
                int n)
{
    if (n > 0)
        fprintf(out, "%-12s %-12s %8.3f %12.3f %7d\n", task, measure, memory, baseline, n);
}

static void described_table(FILE *out, const eval_described *d)
{
    if (d->concepts == 0)
        return;
    fprintf(out, "\n%-24s %8s %12s %10s %7s %9s\n", "described from a picture", "kind",
            "main colour", "colours P", "R", "category");
    fprintf(out, "%-24d %8.3f %12.3f %10.3f %7.3f %9.3f\n", d->concepts, d->kind, d->main_colour,
            d->colour_precision, d->colour_recall, d->category);
}

void eval_print_table(FILE *out, const eval_report *e)
{
    const eval_scores *m = &e->memory, *b = &e->baseline;
    const eval_counts *n = &e->counts;

    fprintf(out, "%-12s %-12s %8s %12s %7s\n", "task", "measure", "memory", "no memory", "items");
    row(out, "caption", "precision", m->caption_precision, b->caption_precision, n->captions);
    row(out, "caption", "recall", m->caption_recall, b->caption_recall, n->captions);
    row(out, "caption", "f1", m->caption_f1, b->caption_f1, n->captions);
    for (int i = 1; i < EVAL_MANY; i++) {
        char measure[16];

        snprintf(measure, sizeof measure, "f1 of %d%s", i, i == EVAL_MANY - 1 ? "+" : "");
        row(out, "caption", measure, m->caption_f1_of[i], b->caption_f1_of[i], n->captions_of[i]);
    }
    row(out, "recognition", "positive", m->recognition_positive, b->recognition_positive,
        n->recognition);
    row(out, "recognition", "negative", m->recognition_negative, b->recognition_negative,
        n->recognition);
    row(out, "recognition", "weighted", m->recognition_weighted, b->recognition_weighted,
        n->recognition);
    row(out, "vqa", "accuracy", m->vqa, b->vqa, n->vqa);
    row(out, "text_qa", "accuracy", m->text_qa, b->text_qa, n->text_qa);
    row(out, "mine", "accuracy", m->mine, b->mine, n->mine);
    row(out, "retrieval", "top1", m->top1, b->top1, n->retrieval);
    row(out, "retrieval", "top2", m->top2, b->top2, n->retrieval);
    row(out, "detection", "recall", m->detection_recall, b->detection_recall, n->detection);
    growth_table(out, e);
    open_set_table(out, e);
    described_table(out, &e->described);
}

/* measure.c: see measure.h. */
#include "wire/measure.h"

#include "wire/put.h"

#include <stdio.h>

/* ---- eval ---- */

/* {"1": …, "2": …}: of photos with so many concepts; null: there are none */
static json_t *by_number(const double value[EVAL_MANY])
{
    json_t *out = json_object();
    char key[8];

    for (int i = 1; i < EVAL_MANY; i++) {
        snprintf(key, sizeof key, "%d", i);
        put_number(&out, key, value[i]);
    }
    return out;
}

static json_t *scores(const eval_scores *s)
{
    json_t *out = json_object(), *caption = json_object(), *recognition = json_object();
    json_t *vqa = json_object(), *text_qa = json_object(), *mine = json_object(),
           *retrieval = json_object();
    json_t *detection = json_object();

    put_number(&caption, "precision", s->caption_precision);
    put_number(&caption, "recall", s->caption_recall);
    put_number(&caption, "f1", s->caption_f1);
    put_value(&caption, "f1_of", by_number(s->caption_f1_of));
    put_number(&recognition, "positive", s->recognition_positive);
    put_number(&recognition, "negative", s->recognition_negative);
    put_number(&recognition, "weighted", s->recognition_weighted);
    put_number(&vqa, "accuracy", s->vqa);
    put_number(&text_qa, "accuracy", s->text_qa);
    put_number(&mine, "accuracy", s->mine);
    put_number(&retrieval, "top1", s->top1);
    put_number(&retrieval, "top2", s->top2);
    put_number(&detection, "recall", s->detection_recall);
    put_value(&out, "caption", caption);
    put_value(&out, "recognition", recognition);
    put_value(&out, "vqa", vqa);
    put_value(&out, "text_qa", text_qa);
    put_value(&out, "mine", mine);
    put_value(&out, "retrieval", retrieval);
    put_value(&out, "detection", detection);
    return out;
}

static json_t *counts(const eval_counts *n)
{
    json_t *out = json_object();

    put_count(&out, "caption", n->captions);
    put_count(&out, "recognition", n->recognition);
    put_count(&out, "vqa", n->vqa);
    put_count(&out, "text_qa", n->text_qa);
    put_count(&out, "mine", n->mine);
    put_count(&out, "retrieval", n->retrieval);
    put_count(&out, "detection", n->detection);
    return out;
}

static json_t *open_set_policy(const calibrate_scores *s)
{
    json_t *out = json_object();

    put_number(&out, "recall1", s->recall1);
    put_number(&out, "recall2", s->recall2);
    put_number(&out, "recall", s->recall);
    put_number(&out, "recall_without_threshold", s->recall_open);
    put_number(&out, "false_positives", s->false_positives);
    put_count(&out, "ambiguous", s->marked);
    put_count(&out, "objects", s->objects);
    put_count(&out, "photos_without", s->photos);
    return out;
}

static json_t *open_set_size(int concepts, const calibrate_scores *standard,
                             const calibrate_scores *paper)
{
    json_t *out = json_object();

    put_count(&out, "concepts", concepts);
    put_value(&out, "default", open_set_policy(standard));
    put_value(&out, "paper", open_set_policy(paper));
    return out;
}

static json_t *open_set(const calibrate_report *t)
{
    json_t *out = open_set_size(t->concepts, &t->standard, &t->paper), *growth = json_array();

    for (int i = 0; i < t->steps; i++)
        put_next(&growth,
                 open_set_size(t->step[i].concepts, &t->step[i].standard, &t->step[i].paper));
    put_value(&out, "growth", growth);
    return out;
}

static json_t *growth(const eval_report *report)
{
    json_t *out = json_array();

    for (int i = 0; i < report->steps; i++) {
        json_t *one = scores(&report->step[i].scores);

        put_count(&one, "concepts", report->step[i].concepts);
        put_value(&one, "items", counts(&report->step[i].counts));
        json_array_append_new(out, one);
    }
    return out;
}

static json_t *described(const eval_described *d)
{
    json_t *out = json_object();

    put_count(&out, "concepts", d->concepts);
    put_number(&out, "kind", d->kind);
    put_number(&out, "main_colour", d->main_colour);
    put_number(&out, "colour_precision", d->colour_precision);
    put_number(&out, "colour_recall", d->colour_recall);
    put_number(&out, "category", d->category);
    put_number(&out, "milliseconds", d->milliseconds);
    return out;
}

json_t *wire_eval(const eval_report *report)
{
    json_t *out = scores(&report->memory);

    put_value(&out, "baseline", scores(&report->baseline));
    put_value(&out, "items", counts(&report->counts));
    if (report->steps > 0)
        put_value(&out, "growth", growth(report));
    if (report->open_set.standard.photos > 0)
        put_value(&out, "open_set", open_set(&report->open_set));
    if (report->described.concepts > 0)
        put_value(&out, "describe", described(&report->described));
    return out;
}

/* ---- calibrate ---- */

static json_t *fit(const calibrate_fit *f)
{
    json_t *out = json_object();

    put_number(&out, "threshold", (double)f->threshold);
    put_number(&out, "crowding", (double)f->crowding);
    put_number(&out, "ambiguity", (double)f->ambiguity);
    put_number(&out, "inner_crop", (double)(f->crops > 1 ? f->inner : 0));
    put_count(&out, "inner_crop_count", f->crops - 1);
    put_value(&out, "center", json_boolean(f->center != NULL));
    put_value(&out, "scatter", json_boolean(f->scatter != NULL));
    put_number(&out, "recall", f->recall);
    put_number(&out, "false_positives", f->false_positives);
    return out;
}

static void put_effect(json_t **out, const char *name, const calibrate_effect *e)
{
    json_t *one = json_object();

    put_number(&one, "recall", e->recall);
    put_number(&one, "false_positives", e->false_positives);
    put_value(out, name, one);
}

static json_t *verified(const calibrate_verified *v)
{
    json_t *out = json_object();

    put_count(&out, "right", v->right);
    put_count(&out, "wrong", v->wrong);
    put_number(&out, "area", v->area);
    put_number(&out, "threshold", (double)v->threshold);
    put_number(&out, "kept", v->kept);
    put_number(&out, "passed", v->passed);
    put_number(&out, "milliseconds", v->milliseconds);
    put_effect(&out, "before", &v->before);
    put_effect(&out, "after", &v->after);
    put_effect(&out, "open_before", &v->open_before);
    put_effect(&out, "open_after", &v->open_after);
    return out;
}

json_t *wire_calibration(const calibrate_set *set, const calibrate_fit *before,
                         const calibrate_fit *after, const calibrate_verified *verify,
                         const char *written)
{
    json_t *out = json_object();

    put_count(&out, "concepts", set->concepts);
    put_count(&out, "places", after->objects);
    put_count(&out, "open", after->open);
    put_count(&out, "photos", after->photos);
    put_value(&out, "before", fit(before));
    put_value(&out, "after", fit(after));
    put_number(&out, "misnamed", after->misnamed);
    put_number(&out, "caught", after->caught);
    if (verify)
        put_value(&out, "verify", verified(verify));
    put_text(&out, "written", written);
    return out;
}

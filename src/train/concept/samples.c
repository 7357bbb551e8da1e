/* samples.c: see samples.h. The wordings are those of data sets (dataset/templates.txt). */
#include "train/concept/samples.h"

#include "base/buf.h"
#include "base/mem.h"
#include "dataset/templates.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct making {
    sample_list *out;
    const samples_options *o;
    templates *wording;
    template_values values;
    draw draw;
} making;

static rap_status add(making *m, const material_picture *p, const char *question,
                      const char *answer, rap_err *err)
{
    concept_sample *grown = mem_grow(m->out->item, m->out->count, &m->out->room, sizeof *grown);

    if (!grown)
        return err_memory(err, "making samples");
    m->out->item = grown;
    grown += m->out->count++;
    *grown = (concept_sample){ p, mem_string(question), mem_string(answer) };
    return grown->question && grown->answer ? RAP_OK : err_memory(err, "making samples");
}

static rap_status add_worded(making *m, const material_picture *p, const char *question,
                             const char *answer, rap_err *err)
{
    buf q = BUF_INIT, a = BUF_INIT;
    rap_status status = templates_fill(&q, m->wording, question, &m->draw, &m->values, err);

    if (!status)
        status = templates_fill(&a, m->wording, answer, &m->draw, &m->values, err);
    if (!status)
        status = buf_failed(&q) || buf_failed(&a) ? err_memory(err, "making samples")
                                                  : add(m, p, buf_text(&q), buf_text(&a), err);
    buf_release(&q);
    buf_release(&a);
    return status;
}

static rap_status add_positives(making *m, const material *from, size_t negatives, rap_err *err)
{
    size_t least = (negatives + 1) / 2, yes = 0;
    rap_status status = RAP_OK;

    for (size_t i = 0; !status && i < from->pictures; i++) {
        const material_picture *p = &from->picture[i];

        m->values.caption = p->caption ? p->caption : m->values.name;
        if (p->caption || !p->turned)
            status = add_worded(m, p, "caption.question", "caption.answer", err);
    }
    while (!status && from->pictures && (yes < from->pictures || (m->o->negatives && yes < least)))
        status = add_worded(m, &from->picture[yes++ % from->pictures], "recognition.question",
                            "recognition.yes", err);
    return status;
}

static rap_status add_text(making *m, const material *from, rap_err *err)
{
    rap_status status = RAP_OK;

    for (int i = 0; !status && *m->values.info && i < 4; i++)
        status = add_worded(m, NULL, i % 2 ? "description.question" : "qa.info.question",
                            "qa.info.answer", err);
    for (size_t i = 0; !status && i < from->questions; i++)
        status = add(m, NULL, from->question[i].question, from->question[i].answer, err);
    return status;
}

rap_status samples_make(sample_list *out, const rap_record *c, const material *m,
                        const material_picture *const *negative, size_t negatives,
                        const samples_options *o, rap_err *err)
{
    making make = { .out = out, .o = o, .draw = draw_for(o->seed, "concept", c->name) };
    buf name = BUF_INIT;
    rap_status status = templates_open(&make.wording, NULL, err);

    *out = (sample_list){ .item = NULL };
    buf_printf(&name, "<%s>", c->name);
    if (!status && buf_failed(&name))
        status = err_memory(err, "making samples");
    make.values =
        (template_values){ .name = buf_text(&name), .info = c->info, .category = c->category };
    if (!status)
        status = add_positives(&make, m, o->negatives ? negatives : 0, err);
    for (size_t i = 0; !status && o->negatives && i < negatives; i++)
        status = add_worded(&make, negative[i], "recognition.question", "recognition.no", err);
    if (!status && o->text)
        status = add_text(&make, m, err);
    templates_free(make.wording);
    buf_release(&name);
    if (status)
        samples_release(out);
    return status;
}

void samples_release(sample_list *l)
{
    for (size_t i = 0; i < l->count; i++) {
        free(l->item[i].question);
        free(l->item[i].answer);
    }
    free(l->item);
    *l = (sample_list){ .item = NULL };
}

/* growth.c: the same photos while more and more is remembered. */
#include "base/mem.h"
#include "eval/calibrate/inside.h"

#include <stdlib.h>
#include <string.h>

static rap_status measure_both(trust_scores *usual, trust_scores *paper, const trust_view *v,
                               const trust_fit *f, int k, rap_err *err)
{
    trust_way way = { .judge = trust_fit_judge(f),
                      .policy = RAP_POLICY_DEFAULT,
                      .ambiguity = f->ambiguity,
                      .limit = k };
    rap_status status = trust_measure(usual, v, &way, err);

    way.policy = RAP_POLICY_PAPER;
    return status == RAP_OK ? trust_measure(paper, v, &way, err) : status;
}

/* A store of `size` concepts: some of the set's things, spread evenly, or all of them and distractors. */
static rap_status measure_size(trust_step *out, const trust_set *set, const trust_seen *seen,
                               const trust_fit *f, int k, const trust_vectors *more, int size,
                               rap_err *err)
{
    int mine = size < set->things ? size : set->things;
    char *stored = mem_array((size_t)set->things + 1, 1);
    trust_view v = { 0 };
    rap_status status = stored ? RAP_OK : err_memory(err, "measuring retrieval");

    for (int i = 0; stored && i < mine; i++)
        stored[(size_t)i * (size_t)set->things / (size_t)mine] = 1;
    if (status == RAP_OK)
        status = trust_view_open(&v, set, seen, f->cuts, stored, more, size - mine, err);
    if (status == RAP_OK)
        status = measure_both(&out->usual, &out->paper, &v, f, k, err);
    out->concepts = size;
    trust_view_close(&v);
    free(stored);
    return status;
}

rap_status trust_grow(trust_report *out, const trust_set *set, const trust_seen *seen,
                      const trust_fit *settings, int k, const trust_vectors *more, int growth,
                      rap_err *err)
{
    static const int sizes[TRUST_STEPS] = { 10, 100, 1000, 10000 };
    trust_step whole = { 0 };
    rap_status status = trust_fit_fits(settings, seen, err);

    memset(out, 0, sizeof *out);
    if (status != RAP_OK)
        return status;
    if (more && more->count > 0 && more->dim != seen->dim)
        return err_set(err, RAP_E_FORMAT,
                       "the distractors have %d numbers each, the encoder makes %d", more->dim,
                       seen->dim);
    status = measure_size(&whole, set, seen, settings, k, NULL, set->things, err);
    out->concepts = set->things;
    out->usual = whole.usual;
    out->paper = whole.paper;
    for (int i = 0; status == RAP_OK && growth && i < TRUST_STEPS; i++) {
        if (sizes[i] > set->things + (more ? more->count : 0))
            break;
        status = measure_size(&out->step[out->steps], set, seen, settings, k, more, sizes[i], err);
        out->steps += status == RAP_OK;
    }
    return status;
}

/* negatives.c: see negatives.h. */
#include "train/concept/negatives.h"

#include "base/mem.h"
#include "dataset/random.h"

#include <stdlib.h>

typedef struct ranked {
    const material_picture *picture;
    double likeness;
} ranked;

static int by_likeness(const void *a, const void *b)
{
    double x = ((const ranked *)a)->likeness, y = ((const ranked *)b)->likeness;

    return (x < y) - (x > y);
}

static double likeness(const material_picture *p, const float *like, int dim)
{
    double best = -1;

    for (int i = 0; i < p->features; i++) {
        double sum = 0;

        for (int k = 0; k < dim; k++)
            sum += (double)p->feature[i * dim + k] * (double)like[k];
        best = sum > best ? sum : best;
    }
    return best;
}

rap_status negatives_choose(const material_picture **out, size_t *out_count, const material *m,
                            const float *like, int dim, size_t most, uint64_t seed,
                            const char *name, rap_err *err)
{
    ranked *list = mem_array(m->pictures + 1, sizeof *list);
    draw d = draw_for(seed, "negatives", name);
    size_t hard = m->pictures > most ? most / 2 : m->pictures;

    if (!list)
        return err_memory(err, "choosing negatives");
    for (size_t i = 0; i < m->pictures; i++)
        list[i] = (ranked){ &m->picture[i], likeness(&m->picture[i], like, dim) };
    qsort(list, m->pictures, sizeof *list, by_likeness);
    for (size_t i = hard; i < m->pictures; i++) {
        size_t k = i + draw_below(&d, m->pictures - i);
        ranked kept = list[i];

        list[i] = list[k];
        list[k] = kept;
    }
    *out_count = m->pictures < most ? m->pictures : most;
    for (size_t i = 0; i < *out_count; i++)
        out[i] = list[i].picture;
    free(list);
    return RAP_OK;
}

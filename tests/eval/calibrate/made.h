/* made.h: a set of invented features, so that measuring can be tested without a model: every concept is a
 * direction, every photo of it that direction with noise, all of them on top of a direction they share. */
#ifndef RAP_TESTS_CALIBRATE_MADE_H
#define RAP_TESTS_CALIBRATE_MADE_H

#include "base/mem.h"
#include "eval/calibrate/calibrate.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MADE_DIM = 24, MADE_PHOTOS = 4 };

typedef struct made {
    calibrate_set set;
    calibrate_features seen;
} made;

/* −1 to 1, the same sequence for the same seed. */
static float made_noise(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return (float)(*seed >> 8) / 8388608.0f - 1;
}

static void made_unit(float *x)
{
    double n = 0;

    for (int i = 0; i < MADE_DIM; i++)
        n += (double)x[i] * x[i];
    for (int i = 0; i < MADE_DIM; i++)
        x[i] = (float)(x[i] / sqrt(n));
}

/* Concept t lies at a direction of its own plus `common` times the shared one. */
static void made_feature(float *out, uint32_t concept, float common, float noise, uint32_t *seed)
{
    uint32_t own = concept * 7919u + 17;

    for (int i = 0; i < 8; i++)
        made_noise(&own);
    for (int i = 0; i < MADE_DIM; i++)
        out[i] = made_noise(&own) + noise * made_noise(seed) + (i == 0 ? common : 0);
    made_unit(out);
}

__attribute__((unused)) static void made_open(made *m, int from, int concepts, float common,
                                              float noise)
{
    uint32_t seed = (uint32_t)from + 1;

    memset(m, 0, sizeof *m);
    m->set.folder = mem_string("made");
    m->set.concept = calloc((size_t)concepts, sizeof *m->set.concept);
    m->set.photo = calloc((size_t)concepts * MADE_PHOTOS, sizeof *m->set.photo);
    m->set.concepts = concepts;
    m->seen = (calibrate_features){ .dim = MADE_DIM, .crops = 1, .concepts = concepts };
    m->seen.concept = calloc((size_t)concepts * MADE_DIM, sizeof(float));
    m->seen.region = calloc((size_t)concepts * MADE_PHOTOS * MADE_DIM, sizeof(float));
    m->seen.box = calloc((size_t)concepts * MADE_PHOTOS, sizeof(rap_box));
    m->seen.whole = calloc((size_t)concepts * MADE_PHOTOS, sizeof(int));
    m->seen.first = calloc((size_t)concepts * MADE_PHOTOS + 1, sizeof(int));
    for (int t = 0; t < concepts; t++) {
        m->set.concept[t].name = calloc(1, 16);
        snprintf(m->set.concept[t].name, 16, "concept%d", t);
        made_feature(m->seen.concept + t * MADE_DIM, (uint32_t)(from + t), common, noise, &seed);
        for (int p = 0; p < MADE_PHOTOS; p++) {
            int i = m->set.photos++;

            m->set.photo[i].picture = mem_string("photo");
            m->set.photo[i].object = calloc(1, sizeof(calibrate_object));
            m->set.photo[i].object->concept = t;
            m->set.photo[i].objects = 1;
            made_feature(m->seen.region + i * MADE_DIM, (uint32_t)(from + t), common, noise,
                         &seed);
            m->seen.whole[i] = 1;
            m->seen.first[i + 1] = ++m->seen.regions;
        }
    }
    m->seen.photos = m->set.photos;
}

__attribute__((unused)) static void made_close(made *m)
{
    calibrate_set_release(&m->set);
    calibrate_features_release(&m->seen);
}

#endif

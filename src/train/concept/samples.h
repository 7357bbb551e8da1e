/* samples.h: questions with answers about the pictures of a concept. */
#ifndef RAP_TRAIN_CONCEPT_SAMPLES_H
#define RAP_TRAIN_CONCEPT_SAMPLES_H

#include "train/concept/material.h"

typedef struct concept_sample {
    const material_picture *picture; /* NULL: none */
    char *question, *answer;
} concept_sample;

typedef struct sample_list {
    concept_sample *item; /* [count] */
    size_t count, room;
} sample_list;

typedef struct samples_options {
    bool negatives; /* "no" about those pictures */
    bool text;      /* questions without a picture */
    uint64_t seed;
} samples_options;

/* Of each positive a caption and "yes"; of each negative "no"; as many yes as half the no's, so that positives are asked
 * about again. negative [negatives] lent, as are the pictures of `m`. */
rap_status samples_make(sample_list *out, const rap_record *c, const material *m,
                        const material_picture *const *negative, size_t negatives,
                        const samples_options *o, rap_err *err);
void samples_release(sample_list *l);

#endif

/* material.h: what is learnt from: pictures that show a concept, with captions and questions where there are some, and
 * pictures that do not. */
#ifndef RAP_TRAIN_CONCEPT_MATERIAL_H
#define RAP_TRAIN_CONCEPT_MATERIAL_H

#include "train/concept/school.h"
#include "train/concept/sequence.h"

/* A picture. */
typedef struct material_picture {
    image pixels;     /* only of those that are shown as files (keep_pixels) */
    photo_rows shown; /* as the decoder takes it in; empty unless it is wanted */
    char *caption;    /* NULL: none */
    float *
        feature; /* [features, dim] of length 1: of the concept here, or of every region of a negative */
    int features;
    int turned; /* 1: a changed copy of another picture (augmentation) */
} material_picture;

typedef struct material_question {
    char *question, *answer;
} material_question;

typedef struct material {
    material_picture *picture; /* [pictures] */
    size_t pictures, room;
    material_question *question; /* [questions] without a picture */
    size_t questions, question_room;
} material;

typedef struct material_options {
    const char *
        pictures; /* NULL, or a folder: NAME/x.jpg, with a caption in x.txt; questions in NAME/qa.json */
    const char *negatives; /* NULL: the views of the other concepts; else a folder of pictures */
    int most_negatives;
    bool features, shown, keep_pixels; /* what is made of each picture */
    bool augment;                      /* changed copies of the positives */
    uint64_t seed;
    rap_on_progress *on_progress;
    void *payload;
} material_options;

/* The stored views of the concept and what the folder of pictures has of it. */
rap_status material_of_concept(material *out, school *s, const rap_record *c,
                               const material_options *o, rap_err *err);
/* Pictures that show none of the concepts, or, from the views of the store, none but `except`'s others. */
rap_status material_negatives(material *out, school *s, const char *except,
                              const material_options *o, rap_err *err);
void material_release(material *m); /* NULL-safe fields */

#endif

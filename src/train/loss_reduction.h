/* loss_reduction.h: what counts alike in the loss. Answers are a word here and a paragraph there, so the mean over tokens is
 * mostly about the long ones; the last of these is what InternVL 2.5 (arXiv 2412.05271) calls square averaging. */
#ifndef RAP_TRAIN_LOSS_REDUCTION_H
#define RAP_TRAIN_LOSS_REDUCTION_H

typedef enum loss_reduction {
    REDUCTION_TOKEN,  /* each token of the answers, as LLaVA and the paper have it */
    REDUCTION_ANSWER, /* each answer: a token of one of n tokens counts 1 / n */
    REDUCTION_SQUARE  /* in between: 1 / √n */
} loss_reduction;

#endif

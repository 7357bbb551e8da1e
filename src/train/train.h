/* train.h: trains a LoRA on a data set in the RAP format, for a profile's language model.
 *
 * FOLDER gets adapter.gguf, mmproj.gguf when the projector is trained too, loss.jsonl, loss.png, adapter-best.gguf when samples are held out, and, while it runs, checkpoint.gguf; the same call goes on from there. On one
 * thread, and as the sums are made, on any number, the losses are those of a run that was never interrupted. */
#ifndef RAP_TRAIN_TRAIN_H
#define RAP_TRAIN_TRAIN_H

#include "base/err.h"
#include "train/loss_reduction.h"

#include <stdbool.h>
#include <stdint.h>

/* Is LLaVA's projector trained too, in full? Auto: where it can be and the samples have pictures. Off is the default of
 * these options, since its callers take the adapter alone; that of `rap train` is auto. */
typedef enum train_projector { TRAIN_PROJECTOR_OFF, TRAIN_PROJECTOR_AUTO, TRAIN_PROJECTOR_ON } train_projector;

typedef struct train_options {
    const char *data, *profile, *folder; /* profile NULL: the user's default */
    const char *const *lora;             /* as in rap_engine_options: what it goes on top of */
    const char *from;                    /* NULL; else an adapter of this rank and alpha whose numbers it begins with */
    int rank;                            /* 128 */
    double alpha, dropout;               /* 256, 0.05 */
    double lr, warmup, clip;             /* 1e-4; 0.03 of the steps; 1: the gradient's length at most, 0: none */
    train_projector projector;           /* off */
    double projector_lr;                 /* 2e-5 */
    bool bf16;                           /* products with frozen weights in bf16 */
    bool half;                           /* adapter.gguf in f16; the checkpoint stays in f32 */
    int epochs, batch;                   /* 1, 64 */
    int max_tokens, max_concepts;        /* 2048, 2 */
    int rows;                            /* tokens computed at once; 0: max_tokens */
    double validation;   /* share of the samples that is held out; 0: none; −1: the set's own validation file, if any */
    int validate_every;  /* steps; 0: at the end of each epoch */
    int patience;        /* evaluations without a lower loss before it stops; 0: it never stops early */
    loss_reduction reduction; /* what counts alike in the loss: tokens */
    uint64_t seed;
    int threads, save_every; /* 0: all; steps between checkpoints, 50 */
    bool recompute, dry_run;
    bool force;    /* begin when memory looks too small */
    size_t memory; /* bytes that are free; 0: what the machine says */
    rap_on_progress *on_progress; /* `what` is a line about the step; done and total count steps */
    void *payload;
} train_options;
#define TRAIN_OPTIONS_INIT \
    {                                                                                                  \
        .rank = 128, .alpha = 256, .dropout = 0.05, .lr = 1e-4, .warmup = 0.03, .clip = 1,              \
        .projector_lr = 2e-5, .epochs = 1, .batch = 64, .max_tokens = 2048, .max_concepts = 2,          \
        .validation = -1, .seed = 1, .save_every = 50                                                  \
    }

typedef struct train_result {
    uint64_t samples, tokens, answers, pictures;         /* of one epoch */
    uint64_t from_cache;                                 /* pictures whose features an earlier training has kept */
    uint64_t many_concepts, too_long, no_answer;         /* left out */
    char first_long[64];                                 /* id of the first that is too long */
    int longest;                                         /* tokens of a sample */
    int64_t steps, from_step;                            /* all; done before this call */
    uint64_t trained;                                    /* numbers of the LoRA */
    int adapters;                                        /* of the profile, which the LoRA goes on top of */
    uint64_t projector;                                  /* numbers of the projector; 0: it is not trained */
    char why_not[160];                                   /* it is not, where there are pictures */
    double bytes, more;                                  /* peak memory, estimated; of it not taken yet when it starts */
    double first_loss, last_loss, tokens_per_second, seconds;
    uint64_t held_out;                                   /* samples that are only evaluated */
    double validation, best;                             /* the last and the lowest loss on them; NAN: none */
    int64_t best_step;
    bool stopped_early;
} train_result;

/* RAP_E_CANCELLED: stopped by on_progress; the checkpoint of the last whole step is there. */
rap_status train_run(train_result *out, const train_options *o, rap_err *err);

#endif

/* tune.h: fine-tuning on concepts: a data set without memory out of the store's concepts, and a LoRA trained on it. */
#ifndef RAP_TRAIN_CONCEPT_TUNE_H
#define RAP_TRAIN_CONCEPT_TUNE_H

#include "train/concept/concept.h"

/* out FOLDER gets data/ (the samples and pictures) and adapter.gguf. */
rap_status concept_tune(concept_result *out, const concept_options *o, rap_err *err);

#endif

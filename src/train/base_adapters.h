/* base_adapters.h: the adapters that a profile names. To a training they are part of the frozen model: what it learns goes on top
 * of them. */
#ifndef RAP_TRAIN_BASE_ADAPTERS_H
#define RAP_TRAIN_BASE_ADAPTERS_H

#include "engine/profile.h"
#include "train/lora.h"

typedef struct base_adapters {
    lora lora[VLM_LORAS];
    float scale[VLM_LORAS];
    int count;
} base_adapters;

/* Reads them and checks that they fit the model. */
rap_status base_adapters_open(base_adapters *out, const profile *p, const gguf_file *model, rap_err *err);
void base_adapters_close(base_adapters *a);

/* A name of their bytes and scales, in hex; "" without any. */
rap_status base_adapters_name(char out[65], const profile *p, rap_err *err);

#endif

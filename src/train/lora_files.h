/* lora_files.h: what `rap lora` does, from file to file. `model`: the GGUF that the adapter is for; NULL: the language model
 * (for the projector: the mmproj) of the profile, which is the user's default when NULL. */
#ifndef RAP_TRAIN_LORA_FILES_H
#define RAP_TRAIN_LORA_FILES_H

#include "base/err.h"

typedef struct lora_files {
    const char *from, *model, *profile, *out;
    const char *base;   /* of export: what PEFT calls the base model */
    const char *layout; /* of export: where that has its decoder, "llama" (NULL) or "llava", see peft.h */
    double scale;       /* of merge */
    int threads;        /* 0: all */
} lora_files;

rap_status lora_files_export(const lora_files *f, rap_err *err);    /* adapter.gguf to PEFT's folder */
rap_status lora_files_import(const lora_files *f, rap_err *err);    /* PEFT's folder to adapter.gguf */
rap_status lora_files_projector(const lora_files *f, rap_err *err); /* non_lora_trainables.bin to mmproj.gguf */
rap_status lora_files_merge(const lora_files *f, rap_err *err);     /* adapter.gguf or PEFT's folder, into a model */

#endif

/* peft_names.h: linear layers by the names that PEFT and GGUF give them. For peft_write.c and peft_read.c. */
#ifndef RAP_TRAIN_PEFT_NAMES_H
#define RAP_TRAIN_PEFT_NAMES_H

#include "train/shape.h"

typedef struct peft_place {
    int64_t layer;
    linear_kind kind;
} peft_place;

const char *peft_module(linear_kind kind); /* "self_attn.q_proj" */
/* "blk.3.attn_q.weight" */
bool place_of_gguf(peft_place *out, const shape *s, const char *name);
/* "base_model.model.model.layers.3.self_attn.q_proj.lora_A.weight"; *half: 'A' or 'B'. */
bool place_of_peft(peft_place *out, char *half, const shape *s, const char *name);

/* Row of the GGUF where row r of Hugging Face's weight stands. */
int64_t gguf_row(const shape *s, linear_kind kind, int64_t r);

#endif

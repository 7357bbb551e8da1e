/* adapter.h: what was trained, as files: adapter.gguf in llama.cpp's form, and PEFT's adapter_model.safetensors with
 * adapter_config.json. */
#ifndef RAP_TRAIN_ADAPTER_H
#define RAP_TRAIN_ADAPTER_H

#include "train/decoder.h"

/* Tensors "blk.0.attn_q.weight.lora_a" [rank, in] and ".lora_b" [out, rank], as PyTorch writes shapes. */
/* half: in f16, half the size. */
rap_status adapter_write(const char *path, const decoder *d, int rank, double alpha, bool half, rap_err *err);

#endif

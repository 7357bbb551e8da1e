/* peft.h: adapters in the form of Hugging Face's PEFT: a folder with adapter_model.safetensors and adapter_config.json.
 *
 * Hugging Face rotates the pair (i, i + head/2) of a head, the GGUF of a llama the pair (2i, 2i + 1): there the rows of B of
 * queries and keys change places on the way. */
#ifndef RAP_TRAIN_PEFT_H
#define RAP_TRAIN_PEFT_H

#include "train/lora.h"

/* Where the decoder is in Hugging Face's model: "model.layers" (a language model, and LLaVA by its authors), or
 * "model.language_model.layers" (LlavaForConditionalGeneration). PEFT leaves out what has another name, with a warning. */
typedef enum peft_layout { PEFT_LLAMA, PEFT_LLAVA } peft_layout;

/* `base`: base_model_name_or_path, what PEFT calls the base model; may be "". */
rap_status peft_write(const char *folder, const lora *l, const gguf_file *model, const char *base,
                      peft_layout layout, rap_err *err);
/* `path`: the folder, or a .safetensors or .bin file beside its adapter_config.json. */
rap_status peft_read(lora *out, const char *path, const gguf_file *model, rap_err *err);

/* LLaVA's non_lora_trainables.bin (or mm_projector.bin): the projector put into a copy of a mmproj GGUF. */
rap_status projector_import(const char *path, const gguf_file *mmproj, const char *out, rap_err *err);

#endif

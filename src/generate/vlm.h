/* vlm.h: a vision-language model through llama.cpp and mtmd: the weights (vlm) apart from a run (session, in
 * session.h).
 *
 * A vlm may be used by several threads: each session decodes on its own, pictures are encoded one at a time. */
#ifndef RAP_GENERATE_VLM_H
#define RAP_GENERATE_VLM_H

#include "base/err.h"
#include "generate/prompt.h"
#include "image/image.h"
#include "vision/tower.h"

#include <stdbool.h>

typedef struct vlm vlm;

typedef struct vlm_lora {
    const char *path;
    float scale;
} vlm_lora;

enum { VLM_LORAS = 16 }; /* adapters at most */

/* What encodes pictures. */
typedef enum vlm_vision {
    VLM_VISION_AUTO, /* our own engine where it knows the family and no GPU would do it, else mtmd */
    VLM_VISION_OWN,  /* vision/tower.h; RAP_E_UNSUPPORTED for other families                      */
    VLM_VISION_MTMD
} vlm_vision;

typedef struct vlm_options {
    const char *model;  /* model.gguf, or the first of its parts (…-00001-of-0000N.gguf)        */
    const char *mmproj; /* NULL: a text-only model                                              */
    const vlm_lora *lora; /* [loras]                                                              */
    size_t loras;
    const char *style;  /* "rap" (style fields below) or "chat" (the model's own chat template) */
    prompt_style turns; /* for style "rap"; of it, style "chat" takes system and memory_first   */
    int context;        /* tokens of a conversation at most. 0: what the model and memory bear  */
    int image_tokens;   /* of one picture at most, where a model lets that be chosen. 0: 1024 for
                           * models with positions in two dimensions, else the model's own bound  */
    int concept_tokens; /* of one concept's picture at most, where its size decides. 0: 256; −1: no bound */
    int gpu_layers; /* layers to put on a GPU, where there is one. 0: all; −1: none         */
    int threads;    /* at most; 0: all. Small models use fewer                              */
    vlm_vision vision;
    precision precision; /* of our own engine's vision                                           */
    /* The files' SHA-256 when known (profile.json lists them); NULL: computed when first asked for. */
    const char *model_sha256, *mmproj_sha256;
} vlm_options;

/* Every file is checked (magic, counts, shapes against its own metadata, sizes against the file) before ggml sees it: a
 * damaged one is RAP_E_FORMAT, never an abort. llama.cpp's log is dropped. */
rap_status vlm_open(vlm **out, const vlm_options *options, rap_err *err);
void vlm_close(vlm *v);
/* Of model, mmproj, the bound of picture tokens, what encodes them and llama.cpp's version: keys the image-token cache. "" when a file could
 * not be read again: cache nothing. */
const char *vlm_fingerprint(vlm *v);
int vlm_has_vision(const vlm *v);
/* What encodes pictures: "mtmd", or our own engine in a precision: "own f32", "own bf16", "own int8". "" without vision. */
const char *vlm_vision_name(const vlm *v);
int vlm_context(const vlm *v); /* tokens a conversation may hold */
/* Drops what closed conversations left behind, because a concept in them is to be forgotten. */
void vlm_forget(vlm *v);

/* Encodes a picture into projected tokens, with what is needed to use them later: out [floats], free(). They are
 * opaque and go back in as session_picture.tokens. */
rap_status vlm_encode(vlm *v, const image *im, float **out, size_t *out_floats, rap_err *err);
/* The same for a concept's picture: downscaled, or only the overview of its tiles, where it would take more than
 * vlm_options.concept_tokens. */
rap_status vlm_encode_concept(vlm *v, const image *im, float **out, size_t *out_floats,
                              rap_err *err);
/* Whether this is what vlm_encode() made, with this model. */
bool vlm_fits_tokens(vlm *v, const float *tokens, size_t floats);

#endif

/* vlm.h: a vision-language model through llama.cpp and mtmd: the weights (vlm) apart from a run
 * (session, in session.h).
 *
 * A vlm may be used by several threads: each session decodes on its own, pictures are encoded one at a time. */
#ifndef RAP_GENERATE_VLM_H
#define RAP_GENERATE_VLM_H

#include "base/err.h"
#include "generate/prompt.h"
#include "image/image.h"

typedef struct vlm vlm;

typedef struct vlm_options {
    const char *model;  /* model.gguf                                                  */
    const char *mmproj; /* NULL: a text-only model                                     */
    const char *lora;   /* NULL: none                                                  */
    const char *style;  /* "rap" (style fields below) or "chat" (the GGUF's template)  */
    prompt_style turns; /* for style "rap"                                             */
    int context;        /* 0: the model's own, at most 4096                            */
    int threads;        /* at most; 0: all. Small models use fewer                      */
    /* The files' SHA-256 when known (profile.json lists them); NULL: computed when first asked for. */
    const char *model_sha256, *mmproj_sha256;
} vlm_options;

/* Every file is checked (magic, counts, shapes against its own metadata, sizes against the file) before
 * ggml sees it: a damaged one is RAP_E_FORMAT, never an abort. llama.cpp's log goes to nobody. */
rap_status vlm_open(vlm **out, const vlm_options *options, rap_err *err);
void vlm_close(vlm *v);
/* Of model and mmproj: keys the image-token cache. "" when a file could not be read again: cache nothing. */
const char *vlm_fingerprint(vlm *v);
int vlm_has_vision(const vlm *v);
int vlm_embedding_width(const vlm *v); /* floats per image token */
int vlm_context(const vlm *v);         /* tokens a conversation may hold */

/* Encodes a picture into projected tokens: out [tokens, width] f32, free(). For models whose picture
 * takes special positions (M-RoPE) RAP_E_UNSUPPORTED: the caller then passes the picture itself. */
rap_status vlm_encode(vlm *v, const image *im, float **out, size_t *out_floats, rap_err *err);

#endif

/* sentencepiece.h: the vocabulary in SentencePiece's tokenizer.model, a protocol buffer. Keeps only what a
 * GGUF needs: the pieces and how they are joined. */
#ifndef RAP_FORMATS_SENTENCEPIECE_H
#define RAP_FORMATS_SENTENCEPIECE_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

/* SentencePiece's values, which a GGUF uses too. */
typedef enum spm_type {
    SPM_NORMAL = 1,
    SPM_UNKNOWN,
    SPM_CONTROL,
    SPM_USER_DEFINED,
    SPM_UNUSED,
    SPM_BYTE
} spm_type;

typedef struct spm_piece {
    char *text; /* UTF-8, not empty */
    float score;
    spm_type type;
} spm_piece;

typedef struct spm_model {
    spm_piece *piece; /* [count] */
    size_t count;
    bool merges; /* byte-pair merges by score, as in llama.cpp; otherwise another method (unigram, words) */
} spm_model;

rap_status spm_open(spm_model **out, const char *path, rap_err *err);
/* Errors call it `name`. */
rap_status spm_parse(spm_model **out, const void *bytes, size_t size, const char *name,
                     rap_err *err);
void spm_close(spm_model *m); /* NULL-safe */

#endif

/* decoder.h: a decoder out of its GGUF, frozen, with a LoRA beside each of its linear layers; its loss and the loss's
 * gradient by the LoRA.
 *
 * Reading order: shape.h (the file), ops.h (steps and their gradients), linear.h (frozen weight + LoRA), decoder_open.c (memory), then
 * forward.c, which is the model from top to bottom, forwards and backwards. */
#ifndef RAP_TRAIN_DECODER_H
#define RAP_TRAIN_DECODER_H

#include "train/linear.h"
#include "train/ops.h"

typedef struct decoder decoder;

typedef struct decoder_options {
    int rank;     /* of the LoRA; 0: none */
    double alpha; /* its scale is alpha / rank */
    double dropout;
    uint64_t seed;
    int threads;
    int rows;       /* T at most: tokens that are computed together; the longest sequence must fit */
    bool recompute; /* keep only each layer's input, and make the rest again on the way back */
    bool bf16;      /* products with frozen weights in bf16; RAP_E_UNSUPPORTED where the processor has none */
    size_t keep;    /* bytes that unpacked weights may take; larger models are unpacked layer by layer, every time */
    const struct lora *adapter; /* [adapters] that fit the file (lora_check()): part of the frozen weights; lent until decoder_close() */
    const float *adapter_scale;
    int adapters; /* FROZEN_LORAS at most */
} decoder_options;

/* Several sequences, one behind the other. */
typedef struct rows {
    int64_t count;               /* T */
    const int32_t *token;        /* [T] −1: the row is a picture's */
    const real *const *picture;  /* [T] [D] where token is −1      */
    const int32_t *target;       /* [T] the token that follows and is learnt; −1: not */
    spans spans;
    const real *weight;          /* [T] of the targets' losses; NULL: 1 */
} rows;

/* Bytes that decoder_open() will take at most, the file's own pages not counted. */
size_t decoder_bytes(const shape *s, const decoder_options *o);
/* Do the packed weights fit into o->keep? Then the file's pages are let go once they are read. */
bool decoder_keeps(const shape *s, const decoder_options *o);

rap_status decoder_open(decoder **out, const gguf_file *g, const decoder_options *o, rap_err *err);
void decoder_close(decoder *d); /* NULL-safe */
const shape *decoder_shape(const decoder *d);
int64_t decoder_rows(const decoder *d); /* T at most */

/* A token's row of the table of embeddings, and of the output matrix: [D] each; NULL: not wanted. */
void decoder_token_rows(real *in, real *out, const decoder *d, int32_t token);

/* The LoRA's numbers, one behind the other, and the loss's gradient by them. */
size_t decoder_params(const decoder *d);
real *decoder_param(decoder *d);
real *decoder_grad(decoder *d);
/* LoRA number i, NULL past the last: for each layer the linear layers it has, in the order of linear_kind. */
const linear *decoder_linear(const decoder *d, size_t i);

/* Σ weight · loss over the targets. dropout_key 0: no dropout; else another mask for each key. */
rap_status decoder_loss(double *out, decoder *d, const rows *r, uint64_t dropout_key, rap_err *err);
/* The same, and grad += the gradient of scale · Σ loss. */
rap_status decoder_learn(double *out, decoder *d, const rows *r, double scale, uint64_t dropout_key,
                         rap_err *err);
/* Behind decoder_learn(): the gradient by each row that went in, [T, D], lent until the next call; for what makes pictures'
 * rows, and for rows that are learnt. */
const real *decoder_input_gradient(const decoder *d);

/* Words that the vocabulary does not have: further rows of the output matrix, token vocab + i. row, grad [count, D] are lent;
 * decoder_learn() adds to grad. In targets only: as an input such a word is a row like a picture's. */
enum { DECODER_WORDS = 16 };
void decoder_words(decoder *d, const real *row, real *grad, int count);

/* out [T, vocab]; without further words */
rap_status decoder_logits(real *out, decoder *d, const rows *r, rap_err *err);


/* Milliseconds of processor time in the layers of a kind since the last clear [3]: W forwards, W backwards, LoRA. */
const double *decoder_times(const decoder *d, linear_kind kind);
void decoder_clear_times(decoder *d);

#endif

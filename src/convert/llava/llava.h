/* llava.h: a LLaVA becomes two files, as llama.cpp loads them: the language model with its tokenizer, and the
 * image tower with its projector.
 *
 * Reading order: llava.c (whose names they are), decoder.c and decoder_keys.c (the language model), pieces.c, pieces_json.c
 * pieces_json.c and special.c (its tokenizer), tower.c (the other file), plan.c (how tensors are written one at a time).
 *
 * Shapes: V tokens, N width of the language model, F its feed-forward, H heads, K of keys and values, C floats
 * of a head; D width of the tower, P pixels of a patch, T positions. */
#ifndef RAP_CONVERT_LLAVA_LLAVA_H
#define RAP_CONVERT_LLAVA_LLAVA_H

#include "convert/convert_inside.h"

/* Is it one of the layouts that are read? */
bool llava_recognise(const conversion *c);
/* Its parts become model.gguf and mmproj.gguf in the folder `out`, or options.part the file `out`. */
rap_status llava_convert(conversion *c, const char *out);

/* ---- for the files of this folder ---- */

/* Who named the tensors. Every prefix ends in a dot. */
typedef struct llava_layout {
    const char *decoder, *head;      /* "model.", "lm_head.weight" */
    const char *linear1, *linear2;   /* of the projector, without ".weight" */
    const char *tower, *projector;   /* everything that begins so is of the other file */
    const char *text_config;         /* "", or "text_config." */
} llava_layout;

/* A tensor that will be written. */
typedef struct planned {
    const state_tensor *from;
    gguf_type type;
    int64_t heads; /* rows of each head: halves become pairs, as llama.cpp rotates them; 0: as they are */
    float *values; /* [count] computed instead of read; owned */
    size_t count;
} planned;

typedef struct plan {
    planned *item; /* [count] */
    size_t count, room;
} plan;

typedef struct llava {
    conversion *c; /* of the checkpoint; its `out` is the file in the making */
    const llava_layout *layout;
    bool phi3;       /* the family of the language model: else llama */
    bool phi3_marks; /* its vocabulary has Phi-3's marks */
    plan plan;
    conversion tower; /* of the image tower's own checkpoint; in NULL: it has none */
} llava;

/* "text_config.hidden_size" where the fields of the language model are nested; returns out. */
const char *llava_field(char out[96], const llava *l, const char *name);

/* Declares tensor `from` of `in`, which must have that shape, as `to`. A matrix gets the type of the conversion, a
 * vector f32. */
void plan_tensor(llava *l, conversion *in, const char *from, const char *to, convert_shape shape);
/* The same with rows permuted within `heads` heads. */
void plan_heads(llava *l, const char *from, const char *to, convert_shape shape, int64_t heads);
/* The same in a type of its own. */
void plan_typed(llava *l, conversion *in, const char *from, const char *to, convert_shape shape,
                gguf_type type);
/* Numbers that no tensor holds. */
void plan_floats(llava *l, const char *to, const float *values, int64_t count);
/* Writes l->c->out and all that was declared; into the temporary file `keep` next to `path`. */
rap_status plan_write(llava *l, const char *path, temp *keep);
void llava_plan_release(plan *p);

/* Each fills l->c->out. */
void decoder_plan(llava *l);
void tower_plan(llava *l);
/* general.type, file type, sampling. */
void llava_put_general(llava *l, const char *type);
void llava_put_name(llava *l);

/* ---- the language model ---- */

typedef struct decoder_sizes {
    int64_t V, N, F;
    int layers, heads, kv_heads, head_dim;
} decoder_sizes;

void decoder_put_keys(llava *l, const decoder_sizes *s);

/* ---- the tokenizer ---- */

/* Tokens by their number. */
typedef struct pieces {
    char **text; /* [count] */
    float *score;
    int32_t *type; /* spm_type */
    size_t count;
} pieces;

rap_status pieces_init(pieces *w, size_t count, rap_err *err); /* all [PADi], unused */
rap_status pieces_set(pieces *w, size_t i, const char *text, float score, int type, rap_err *err);
void pieces_release(pieces *w);

/* From tokenizer.model or tokenizer.json and the files with added tokens; `count` rows of the token table. */
void pieces_put(llava *l, size_t count);
/* The vocabulary of a tokenizer.json whose byte-pair merges are SentencePiece's; json NULL: none. */
void pieces_from_json(llava *l, pieces *w, const json_t *json, const char *path);
/* Tokens for the beginning, the end and so on, and the chat template. */
void special_put(llava *l, size_t count, const json_t *tokenizer);

#endif

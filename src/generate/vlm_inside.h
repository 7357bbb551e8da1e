/* vlm_inside.h: what an open model is made of, for the files of this folder. */
#ifndef RAP_GENERATE_VLM_INSIDE_H
#define RAP_GENERATE_VLM_INSIDE_H

#include "generate/prefix.h"
#include "generate/style.h"
#include "generate/tokens.h"
#include "generate/vlm.h"

#include <llama.h>
#include <mtmd.h>

#include <pthread.h>
#include <stdbool.h>

struct vlm {
    pthread_mutex_t lock; /* of the projector's runs, and of the fingerprints, spare and kept */
    char *model_path, *mmproj_path; /* mmproj_path NULL: text only */
    char *model_sha, *mmproj_sha;   /* NULL: not known yet         */
    char *fingerprint;              /* [65] "" until asked for     */
    char *state_name;               /* [65] likewise: kept.c        */
    struct llama_model *model;
    mtmd_context *mtmd; /* NULL: text only. With a tower it only splits and scales pictures */
    tower *tower;       /* encodes pictures; NULL: mtmd does */
    struct llama_adapter_lora *lora[VLM_LORAS];
    float lora_scale[VLM_LORAS];
    char *lora_path[VLM_LORAS];
    size_t loras;
    tokenizer tokens;
    style style;
    struct llama_context *spare; /* of a closed conversation; NULL: none */
    prefix spare_prefix;         /* what stands in it */
    kept_states kept;
    unsigned forgotten; /* how often vlm_forget() was called */
    int context;
    int both_ways;    /* tokens of the largest picture, when they see each other in both directions; else 0 */
    int concept_tokens; /* of a concept's picture; 0: no bound */
    int image_tokens; /* as asked of mtmd; 0: its own bound */
    int limit;        /* threads at most                    */
    int threads;      /* threads the decoder runs on        */
    int width;        /* floats per row that the decoder takes in */
};

/* The memory of a closed conversation, or NULL, and what stands in it. *out_since: for what is left or kept later: after a
 * vlm_forget() between them it is dropped. In kept.c. */
struct llama_context *vlm_take_spare(prefix *out, unsigned *out_since, vlm *v);
/* Takes over ctx and what is in p. */
void vlm_leave_spare(vlm *v, struct llama_context *ctx, prefix *p, unsigned since);
/* Keeps a state of the first `count` steps in memory; takes over `bytes`. */
void vlm_keep_state(vlm *v, unsigned since, const prefix *steps, size_t count, uint8_t *bytes,
                    size_t size);
/* Its state sums up all it read, and cannot forget its last tokens. */
bool vlm_is_recurrent(const vlm *v);
/* Names all that a state of the decoder depends on besides its tokens; "": a file could not be read. */
const char *vlm_state_name(vlm *v);

/* Tokens of the largest piece that any picture is split into; 0: reads no pictures. In picture.c. */
int vlm_largest_piece(const vlm *v);

#endif

/* vlm_inside.h: what an open model is made of. For vlm.c, picture.c, feed.c and session.c. */
#ifndef RAP_GENERATE_VLM_INSIDE_H
#define RAP_GENERATE_VLM_INSIDE_H

#include "generate/check/check.h"
#include "generate/style.h"
#include "generate/tokens.h"
#include "generate/vlm.h"

#include <llama.h>
#include <mtmd.h>

#include <pthread.h>
#include <stdbool.h>

/* What this model writes around a picture's tokens, e.g. <start_of_image> … <end_of_image>. */
typedef struct picture_frame {
    bool known;  /* the fields below are set                              */
    bool simple; /* a picture is one row of tokens between these, no more */
    llama_token *before, *after;
    size_t before_count, after_count;
} picture_frame;

struct vlm {
    pthread_mutex_t lock; /* of the projector's runs, and of fingerprint, frame and spare */
    char *model_path, *mmproj_path; /* mmproj_path NULL: text only */
    char *model_sha, *mmproj_sha;   /* NULL: not known yet         */
    char *fingerprint;              /* [65] "" until asked for     */
    struct llama_model *model;
    mtmd_context *mtmd; /* NULL: text only */
    struct llama_adapter_lora *lora;
    tokenizer tokens;
    style style;
    picture_frame frame;
    struct llama_context *spare; /* of a closed conversation; NULL: none */
    int context;
    int limit;   /* threads at most             */
    int threads; /* threads the decoder runs on */
    int width;   /* floats per token fed to the decoder */
};

#endif

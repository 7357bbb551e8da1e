/* profile.h: reads profile.json: model files, prompt, retrieval settings. Opening a profile loads
 * no model; docs/models.md documents the fields. */
#ifndef RAP_ENGINE_PROFILE_H
#define RAP_ENGINE_PROFILE_H

#include "base/err.h"
#include "generate/prompt.h"
#include "generate/vlm.h"
#include "retrieve/embed.h"

#include <jansson.h>
#include <stdbool.h>

typedef struct profile_file {
    char *path;         /* NULL: the profile has none */
    const char *sha256; /* "" when profile.json gives none */
} profile_file;

typedef struct profile {
    char *folder, *file; /* the folder and its profile.json */
    json_t *json;        /* owns the texts below */
    const char *name, *description, *license;
    bool drawings_only; /* its models do not understand photographs */
    profile_file encoder, text_encoder, detector, llm, mmproj;
    profile_file lora[VLM_LORAS]; /* [loras] adapters of the language model */
    float lora_scale[VLM_LORAS];
    int loras;
    int context, image_tokens, concept_tokens, gpu_layers; /* as in vlm_options */
    int prefix_cache; /* MiB of kept prefixes beside a store; 0: none */
    const char *endpoint, *model; /* of a language model behind a chat endpoint; NULL: none */
    int photo_side, concept_side, timeout; /* as in generator_remote_options; seconds of silence. 0: its default */
    const char *style, *precision; /* "rap" or "chat"; "auto", "f32", "bf16" or "int8" */
    const char *vision;            /* "auto", "own" or "mtmd" */
    prompt_style turns;
    const char *describe, *verify_question; /* PROMPT_DESCRIBE, PROMPT_VERIFY, or the profile's own */
    int k, max_regions;
    float threshold, detector_confidence, detector_iou;
    float crowding, ambiguity; /* judge.h, rank.h */
    bool verify;               /* the language model looks at every match again */
    float verify_threshold;    /* and leaves out those with a smaller probability */
    float *center;             /* [center_dim] or NULL: judge.h */
    int center_dim;
    float *scatter; /* [axes, scatter_dim]: judge.h */
    int axes, scatter_dim;
    const char **extra_vocabulary; /* ended by NULL */
    embed_crop crop;
} profile;

/* `where`: a folder, its profile.json, or a name in the user's data folder; NULL: $RAP_PROFILE, the
 * user's default, the tiny profile beside the program, in the source tree, as installed. */
rap_status profile_open(profile **out, const char *where, rap_err *err);
void profile_close(profile *p); /* NULL-safe */

/* Adapter files, ended by NULL, in place of the profile's adapters, each with a scale of 1. lora NULL: they stay. */
rap_status profile_wear(profile *p, const char *const *lora, rap_err *err);

/* RAP_OK when the profile names the file and it is there; `field` ("encoder") is for the error. */
rap_status profile_need(const profile *p, const profile_file *file, const char *field,
                        const char *needed_by, rap_err *err);

/* RAP_OK when `out` is neither profile.json nor a file that it names, by any name of that file. */
rap_status profile_spare(const profile *p, const char *out, rap_err *err);

#endif

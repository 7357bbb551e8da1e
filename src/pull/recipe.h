/* recipe.h: a JSON file that says how to make a profile: repositories of a model hub, their files, and the conversion
 * of each (docs/models.md documents the fields).
 *
 * A recipe may come from anywhere, so every name in it is checked before it becomes a path or a URL, and every count and
 * length is bounded. */
#ifndef RAP_PULL_RECIPE_H
#define RAP_PULL_RECIPE_H

#include "base/err.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define RECIPE_FILE_LIMIT ((int64_t)1 << 40) /* bytes of one file */

typedef struct recipe_file {
    const char *path;   /* inside the repository: "config.json", "gguf/model.gguf" */
    int64_t bytes;      /* −1: not known */
    const char *sha256; /* "" when not known */
    bool shards;        /* an index, whose shards are files of the source too, once it is known */
} recipe_file;

typedef struct recipe_source {
    const char *name;     /* what the steps call it */
    const char *hub;      /* "openai/clip-vit-base-patch32" */
    const char *revision; /* a commit, branch or tag */
    recipe_file *file;    /* [file_count] */
    int file_count;
} recipe_source;

typedef struct recipe_step {
    const char *role;  /* "encoder": the name in profile.json */
    const char *as;    /* "clip.gguf": the file in the profile's folder */
    bool convert;      /* false: the file is used unchanged */
    int source;        /* index of the source */
    const char *from;  /* the file in it; NULL: the repository's whole folder */
    const char *vocab; /* the BPE merges, a file of the same source; NULL: in the checkpoint's folder */
    int tower;         /* source of the image tower of a LLaVA that does not hold its own; −1: none */
    const char *type;  /* of the weights: "f32", "f16", "bf16", "q8_0", "q4_k_m" and so on; "": unchanged */
    int image_size;    /* input size of an encoder in pixels; 0: as published */
} recipe_step;

typedef struct recipe {
    json_t *json;    /* owns the texts */
    json_t *indexes; /* of shards; own their names. NULL: none yet */
    const char *name, *description, *license;
    recipe_source *source; /* [source_count] */
    int source_count;
    recipe_step *step; /* [step_count] */
    int step_count;
    const json_t *profile; /* the rest of profile.json; NULL: nothing */
    char digest[65];       /* of the whole recipe: identifies the profiles made by it */
} recipe;

/* `file` is its name in errors. */
rap_status recipe_parse(recipe **out, const char *text, size_t len, const char *file, rap_err *err);
rap_status recipe_read(recipe **out, const char *path, rap_err *err);
void recipe_free(recipe *r); /* NULL-safe */

/* Adds the shards that the index `file` of a source lists, now that it is at `path`; the source's files move. */
rap_status recipe_add_shards(recipe *r, recipe_source *s, int file, const char *path, rap_err *err);

/* The path of the recipe `name`: `name` itself if it is a path (has a slash or ends in ".json"), else NAME.json in
 * $RAP_RECIPES, next to the program, in the source tree, or installed. free(). */
rap_status recipe_find(char **out, const char *name, rap_err *err);

/* All recipes of those folders, each name once, in order. A failure of the visitor stops; a recipe that cannot be read
 * does not: the visitor gets its error in `why`. */
typedef rap_status recipe_visit(const recipe *r, void *payload, rap_err *err);
typedef void recipe_broken(const char *why, void *payload);
rap_status recipe_each(recipe_visit *visit, recipe_broken *broken, void *payload, rap_err *err);

int64_t recipe_bytes(const recipe *r, bool *all); /* of the files whose size is known; are all? */

#endif

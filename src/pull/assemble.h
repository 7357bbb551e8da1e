/* assemble.h: makes a profile's folder from downloaded files: conversion, checks, profile.json, and a rename
 * that puts all of it in place at once. */
#ifndef RAP_PULL_ASSEMBLE_H
#define RAP_PULL_ASSEMBLE_H

#include "pull/recipe.h"

typedef struct assemble_input {
    const recipe *recipe;
    char *const *folder; /* [source_count] each source's snapshots/COMMIT in the cache */
    const char *profile; /* the folder to make */
    int (*on_step)(const char *what, const char *file, void *payload); /* non-zero: stop; NULL: silent */
    void *payload;
} assemble_input;

/* Makes the profile next to `profile`, then renames it; an older one made by rap pull is replaced. */
rap_status assemble(const assemble_input *in, rap_err *err);

typedef enum assemble_state {
    ASSEMBLE_NONE,    /* nothing is there                               */
    ASSEMBLE_DONE,    /* made by this very recipe, every file is there  */
    ASSEMBLE_STALE,   /* made by rap pull from another recipe, or damaged */
    ASSEMBLE_FOREIGN  /* something that rap pull has not made           */
} assemble_state;
assemble_state assemble_look(const char *profile, const recipe *r);

#endif

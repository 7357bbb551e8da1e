/* handle.h: the fields of a handle: a store, an engine, and what was prepared from both. */
#ifndef RAP_RAP_HANDLE_H
#define RAP_RAP_HANDLE_H

#include "engine/engine.h"
#include "remember/store.h"
#include "retrieve/names.h"
#include "retrieve/retriever.h"

struct rap {
    rap_err err;
    char note[300];      /* of the last call; the store may have one too */
    rap_options options; /* its strings are not used after rap_open() */
    int threads;
    rap_engine *engine;
    store *store;
    /* borrowed from the engine, NULL until first needed: models.h */
    const profile *profile;
    encoder *encoder;
    const char *maker; /* of vectors */
    generator *generator;
    /* made from the store, NULL until first needed */
    retriever *retriever;
    names *names; /* as of names_generation */
    int64_t names_generation;
};

/* Every public call starts with this. Clears the last error. False for a NULL handle or one whose opening failed. */
int rap_ready(rap *r);

/* Concepts were changed or forgotten, if `status` says so, which is returned: what the language model still has of them in
 * memory is dropped. */
rap_status handle_changed(rap *r, rap_status status);

#endif

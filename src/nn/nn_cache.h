/* nn_cache.h: packed weights kept in a file, so that the next start maps them instead of packing again. */
#ifndef RAP_NN_NN_CACHE_H
#define RAP_NN_NN_CACHE_H

#include "nn/nn_internal.h"

/* What is kept for this file and precision. NULL: nothing is to be kept: the weights are few, their file is not
 * known for certain, there is no folder for caches, or $RAP_PACK_CACHE is "0". Else that variable names the folder. */
nn_cache *nn_cache_open(const gguf_file *weights, nn_precision p);
void nn_cache_close(nn_cache *c); /* NULL-safe; what nn_cache_find() gave is gone. First of what is closed */

/* The packed weight as `like` describes it, whole and undamaged, or NULL. */
void *nn_cache_find(const nn_cache *c, const nn_packed *like, size_t bytes);

/* SHA-256 of the weights' file as it was kept, "" when it was not. */
const char *nn_cache_sum(const nn_cache *c);

/* Keeps all of our own forms in the list, and what was kept before and is not among them. The list stays until
 * nn_cache_close(), which waits for the thread that writes. A failure only means that the next start packs again. */
void nn_cache_write(nn_cache *c, const nn_packed *list, const char *sum);

#endif

/* nn_cache.h: packed weights cached in a file, so that the next start maps them instead of packing again. */
#ifndef RAP_NN_NN_CACHE_H
#define RAP_NN_NN_CACHE_H

#include "nn/nn_internal.h"

/* Opens the cache for this file and precision. NULL when caching is off: the weights are few, their file
 * cannot be identified, there is no cache folder, or $RAP_PACK_CACHE is "0" (any other value names the
 * folder). */
nn_cache *nn_cache_open(const gguf_file *weights, nn_precision p);
void nn_cache_close(nn_cache *c); /* NULL-safe; invalidates what nn_cache_find() returned. Call it before freeing the list */

/* The packed weight that matches `like`, checked for damage, or NULL. */
void *nn_cache_find(const nn_cache *c, const nn_packed *like, size_t bytes);

/* SHA-256 of the weights' file as cached; "" if none. */
const char *nn_cache_sum(const nn_cache *c);

/* Writes every weight in the list whose layout is known, plus the old file's other entries, in a
 * background thread. The list must stay valid until nn_cache_close(), which waits for that thread. If
 * writing fails, the next start packs again. */
void nn_cache_write(nn_cache *c, const nn_packed *list, const char *sum);

#endif

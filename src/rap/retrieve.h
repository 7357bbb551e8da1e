/* retrieve.h: the steps of rap_retrieve(), used one by one by conversations and corrections. */
#ifndef RAP_RAP_RETRIEVE_H
#define RAP_RAP_RETRIEVE_H

#include "rap/handle.h"

/* Detects, embeds, searches. The photo must stay as long as what is seen. */
rap_status retrieve_look(rap *r, const image *photo, rap_policy policy, sighting *out);
/* Ranks the regions of a photo (NULL: none) together with the names in `text` (NULL: none); a handle that verifies looks
 * at the photo again (verify.h). */
rap_status retrieve_matches(rap *r, const sighting *seen, const char *text, int limit,
                            rap_matches **out);
/* The concepts that the text names, by the rules of `policy`: out [*out_count], free(). */
rap_status retrieve_named(rap *r, const char *text, rap_policy policy, int64_t **out,
                          int *out_count);
/* Exactly these names, in this order. */
rap_status retrieve_only(rap *r, const char *const *wanted, rap_matches **out);

#endif

/* verify.h: the language model looks at matches again: the concept's picture beside the region's crop. */
#ifndef RAP_RAP_VERIFY_H
#define RAP_RAP_VERIFY_H

#include "rap/handle.h"

/* Whether this handle verifies its matches: by its options, else by the profile, which must be read. */
int verify_is_on(const rap *r);

/* Judges the matches at a place in the photo, which was kept (sighting_keep()), best first, until `limit` are accepted;
 * the rest is freed. Those that are denied move to m->denied. A concept that the text names stays: it was asked about. */
rap_status verify_matches(rap *r, const sighting *seen, rap_matches *m, int limit);

#endif

/* matches.h: builds the rap_matches that a caller gets. */
#ifndef RAP_RAP_MATCHES_H
#define RAP_RAP_MATCHES_H

#include "retrieve/retriever.h"

#include <stdbool.h>

/* An empty list with room for `room` matches, and the regions of `seen` (NULL: none). Must be freed even after a
 * failure. */
rap_status matches_new(rap_matches **out, const sighting *seen, int room, rap_err *err);
/* Appends a match with the concept's texts. */
rap_status matches_add(rap_matches *m, const rap_record *record, const rank_result *from,
                       rap_err *err);
/* Makes room for `more` further ones. */
rap_status matches_grow(rap_matches *m, size_t more, rap_err *err);
/* Keeps only those with keep[count]. */
void matches_keep(rap_matches *m, const bool *keep);

/* Splits the first `judged` matches: those that are accepted stay, the others move to m->denied. The rest is freed. */
rap_status matches_split(rap_matches *m, const bool *accepted, size_t judged, rap_err *err);

#endif

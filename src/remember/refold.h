/* refold.h: names that an older version folded by an older rule.
 *
 * Until version 4 names were compared without case only, so that one store may hold two names that are
 * one now ("José" in composed and in decomposed letters, "bo" and "<bo>"). None of them is lost: the name
 * that keeps its folded form keeps its text; a later one is called "José (2)"; an alias that says
 * the same as another name of its own concept goes, because it finds nothing more. */
#ifndef RAP_REMEMBER_REFOLD_H
#define RAP_REMEMBER_REFOLD_H

#include "remember/db.h"

/* Folds every name of a store anew and writes an event "rename" for each that got a number. Inside a
 * transaction of the caller. */
rap_status refold_names(db *d, rap_err *err);

/* Makes SQL know fold_name(text), for stores that are only read and keep their old folded names. */
rap_status refold_function(db *d, rap_err *err);

typedef rap_status refold_taken(bool *out, const char *folded, void *payload, rap_err *err);
/* `text` as a name is kept now, with a number behind it where it is taken; and that folded. free() both. */
rap_status refold_free_name(char **out, char **out_folded, const char *text, refold_taken *taken,
                            void *payload, rap_err *err);

#endif

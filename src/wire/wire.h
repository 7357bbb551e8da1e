/* wire.h: the results of the public API as JSON, for the command line and for any other interface of a program.
 * measure.h has those of `rap eval` and `rap calibrate`.
 *
 * Each function returns a new document that the caller owns, or NULL only when memory ran out. A number that JSON cannot
 * represent becomes null, and invalid UTF-8 in a text (a file name) becomes U+FFFD. Texts are copied. */
#ifndef RAP_WIRE_WIRE_H
#define RAP_WIRE_WIRE_H

#include "rap.h"

#include <jansson.h>

json_t *wire_record(const rap_record *record);
json_t *wire_matches(const rap_matches *matches); /* with the regions and times */
json_t *wire_answer(const rap_answer *answer);    /* all of it; "retrieved" has the matches */
json_t *wire_embedding(const rap_embedding *embedding);

json_t *wire_token(const char *text, size_t len); /* a piece of an answer that is still to come */

/* One turn of a conversation: the question, then what wire_answer() says. answer NULL: there is none, for the reason
 * `error`. */
json_t *wire_turn(const char *question, const rap_answer *answer, const char *error);
/* A command of a conversation ("/see"), and its result (owned) or the reason `error` why there is none. */
json_t *wire_command(const char *command, json_t *result, const char *error);

/* The results of changes. */
json_t *wire_remembered(int64_t id, const char *name, const char *info, const char *category);
json_t *wire_remembered_views(int64_t id, const char *name, int views, const char *info,
                              const char *category);
json_t *wire_not_remembered(const char *name, const char *error);
/* Lists of the above, and of names; borrowed. */
json_t *wire_remembered_all(json_t *remembered, json_t *skipped, json_t *failed);
json_t *wire_changed(const char *name, const char *info, const char *category); /* info, category: as a model proposed
                                                                                * them, else NULL */
json_t *wire_corrected(const char *name, int is_it);
json_t *wire_forgotten(const char *const *names); /* ended by NULL */
json_t *wire_imported(const rap_import_report *report);
json_t *wire_file(const char *path); /* that was written */
json_t *wire_text(const char *text);

#endif

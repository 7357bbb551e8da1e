/* wire.h: the results of the public API as JSON, the same for every way out of a process: the command line,
 * a server, a tool protocol. docs/rap.1 shows the fields; measure.h has those of `rap eval` and `rap calibrate`.
 *
 * Each function returns a new document that the caller owns, or NULL when memory ran out, and for no other reason: a
 * number that JSON cannot say becomes null, and of a text that is not UTF-8 (a file name) the bytes that are wrong
 * become U+FFFD. Texts are copied. */
#ifndef RAP_WIRE_WIRE_H
#define RAP_WIRE_WIRE_H

#include "rap.h"

#include <jansson.h>

json_t *wire_record(const rap_record *record);
json_t *wire_matches(const rap_matches *matches); /* also the regions and the times */
json_t *wire_answer(const rap_answer *answer);    /* text, what it was given, counts and times */
json_t *wire_embedding(const rap_embedding *embedding);

/* One turn of a conversation. error: NULL, or why there is no answer. */
json_t *wire_turn(const char *question, const char *answer, const char *error);

/* What a change came to. */
json_t *wire_remembered(int64_t id, const char *name);
json_t *wire_changed(const char *name);
json_t *wire_corrected(const char *name, int is_it);
json_t *wire_forgotten(const char *const *names); /* ended by NULL */
json_t *wire_imported(const rap_import_report *report);
json_t *wire_file(const char *path); /* that was written */

#endif

/* wire.h: the results of the public API as JSON, the same for every way out of a process: the command line,
 * a server, a tool protocol. docs/rap.1 shows the fields.
 *
 * Each function returns a new document that the caller owns, or NULL when memory ran out. Texts are copied. */
#ifndef RAP_WIRE_WIRE_H
#define RAP_WIRE_WIRE_H

#include "rap.h"

#include <jansson.h>

json_t *wire_record(const rap_record *record);
json_t *wire_matches(const rap_matches *matches); /* also the regions and the times */
json_t *wire_answer(const rap_answer *answer);    /* text, what it was given, counts and times */

#endif

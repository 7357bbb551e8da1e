/* put.h: builds JSON objects and lists field by field. Out of memory sets the document to NULL, and later fields are
 * dropped, so only the final result must be checked. */
#ifndef RAP_WIRE_PUT_H
#define RAP_WIRE_PUT_H

#include "formats/json.h"

/* Take ownership of `value`, which may be NULL. */
void put_value(json_t **object, const char *key, json_t *value);
void put_next(json_t **list, json_t *value);

void put_text(json_t **object, const char *key, const char *text); /* any bytes; NULL: null */
void put_number(json_t **object, const char *key, double value);   /* NaN: null */
void put_count(json_t **object, const char *key, int64_t value);

#endif

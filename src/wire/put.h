/* put.h: objects and lists field by field. A failure (memory) leaves NULL in the place of the document, and whatever is
 * put after it is dropped, so that the last result is all there is to check. */
#ifndef RAP_WIRE_PUT_H
#define RAP_WIRE_PUT_H

#include "formats/json.h"

/* Take `value` over, NULL included. */
void put_value(json_t **object, const char *key, json_t *value);
void put_next(json_t **list, json_t *value);

void put_text(json_t **object, const char *key, const char *text); /* any bytes; NULL: null */
void put_number(json_t **object, const char *key, double value);   /* NaN: null */
void put_count(json_t **object, const char *key, int64_t value);

#endif

/* json.h: reading JSON that came from outside, and values that JSON cannot say (jansson underneath). A field is named by its dotted
 * path ("retrieval.k"), and every error names the file and the field. */
#ifndef RAP_FORMATS_JSON_H
#define RAP_FORMATS_JSON_H

#include "base/err.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* Parses an object; `name` is what errors call it. Free with json_decref(). A byte-order mark in front is
 * passed over; UTF-16, a web page, an archive and the like are named for what they are. */
rap_status json_parse(json_t **out, const char *text, size_t len, const char *name, rap_err *err);
/* The same from a file of at most `limit` bytes. */
rap_status json_read(json_t **out, const char *path, size_t limit, rap_err *err);
/* The same with any value at the top, say a list. */
rap_status json_parse_any(json_t **out, const char *text, size_t len, const char *name, rap_err *err);
rap_status json_read_any(json_t **out, const char *path, size_t limit, rap_err *err);

/* The value at a dotted path, borrowed; NULL when absent or null. */
json_t *json_at(const json_t *root, const char *field);

/* Each leaves *out as it was when the field is absent, so that the caller's default stands; a field of
 * another type is RAP_E_FORMAT. Strings are borrowed from `root`. */
rap_status json_get_string(const char **out, const json_t *root, const char *field,
                           const char *file, rap_err *err);
rap_status json_get_bool(bool *out, const json_t *root, const char *field, const char *file,
                         rap_err *err);
/* Also checks low ≤ value ≤ high. */
rap_status json_get_int(int *out, const json_t *root, const char *field, int low, int high,
                        const char *file, rap_err *err);
rap_status json_get_float(float *out, const json_t *root, const char *field, float low, float high,
                          const char *file, rap_err *err);

/* New values of what jansson refuses: of bytes that are not UTF-8 each becomes U+FFFD; NULL and what is no finite
 * number become null. NULL when memory ran out. */
json_t *json_any_text(const char *text);
json_t *json_any_number(double value);

/* The value as text with two spaces of indent, or NULL when memory ran out. free(). */
char *json_text(const json_t *value);

#endif

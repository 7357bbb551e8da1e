/* json.h: reading untrusted JSON, and writing values that JSON cannot express (with jansson). A field is
 * named by its dotted path ("retrieval.k"), and every error names the file and the field. */
#ifndef RAP_FORMATS_JSON_H
#define RAP_FORMATS_JSON_H

#include "base/err.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* Parses an object; errors call it `name`. Free with json_decref(). A leading byte-order mark is skipped;
 * UTF-16, a web page, an archive and the like are reported as such. */
rap_status json_parse(json_t **out, const char *text, size_t len, const char *name, rap_err *err);
/* The same from a file of at most `limit` bytes. */
rap_status json_read(json_t **out, const char *path, size_t limit, rap_err *err);
/* The same with any value at the top level, such as a list. */
rap_status json_parse_any(json_t **out, const char *text, size_t len, const char *name, rap_err *err);
rap_status json_read_any(json_t **out, const char *path, size_t limit, rap_err *err);

/* The value at a dotted path, borrowed; NULL if absent or null. */
json_t *json_at(const json_t *root, const char *field);

/* Each leaves *out unchanged if the field is absent, so the caller's default stays; a field of another type
 * is RAP_E_FORMAT. Strings are borrowed from `root`. */
rap_status json_get_string(const char **out, const json_t *root, const char *field,
                           const char *file, rap_err *err);
rap_status json_get_bool(bool *out, const json_t *root, const char *field, const char *file,
                         rap_err *err);
/* Also checks low ≤ value ≤ high. */
rap_status json_get_int(int *out, const json_t *root, const char *field, int low, int high,
                        const char *file, rap_err *err);
rap_status json_get_float(float *out, const json_t *root, const char *field, float low, float high,
                          const char *file, rap_err *err);

/* New values for input that jansson refuses: bytes that are not UTF-8 become U+FFFD; NULL and non-finite
 * numbers become null. NULL when out of memory. */
json_t *json_any_text(const char *text);
json_t *json_any_number(double value);

/* The value as text, indented by two spaces, or NULL when out of memory. free(). */
char *json_text(const json_t *value);

#endif

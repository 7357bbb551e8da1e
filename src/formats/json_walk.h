/* json_walk.h: reads a large JSON file from front to back in constant memory. The walker has a position in the
 * file; the caller enters the lists and objects it needs, skips the rest, and takes single values (such as an
 * annotation) as jansson documents.
 *
 *     json_walk_open(&w, "instances.json", err)
 *     json_walk_enter(w, '{', err)
 *     while (json_walk_key(w, &key, &more, err) == RAP_OK && more)
 *         if (strcmp(key, "annotations") != 0)
 *             json_walk_skip(w, err)
 *         else {
 *             json_walk_enter(w, '[', err)
 *             while (json_walk_item(w, &more, err) == RAP_OK && more)
 *                 json_walk_value(&annotation, w, err)
 *         }
 *
 * Every error names the file and the line. Skipped values are only checked for nesting; jansson checks the
 * values that are taken. */
#ifndef RAP_FORMATS_JSON_WALK_H
#define RAP_FORMATS_JSON_WALK_H

#include "base/err.h"

#include <jansson.h>
#include <stdbool.h>

typedef struct json_walk json_walk;

enum { JSON_WALK_DEPTH = 64, JSON_WALK_VALUE = 64 << 20 }; /* deepest nesting; bytes of one value */

/* `path` may be a pipe. A UTF-8 byte-order mark is skipped. */
rap_status json_walk_open(json_walk **out, const char *path, rap_err *err);
void json_walk_close(json_walk *w); /* NULL-safe */

/* The first character of the next value: '{', '[', '"', 't', 'f', 'n', a digit or '-'; 0 at the end of the
 * file. */
rap_status json_walk_peek(char *out, json_walk *w, rap_err *err);

/* Enters the next value, which must be an object ('{') or a list ('['). json_walk_key or json_walk_item
 * leave it at its end. */
rap_status json_walk_enter(json_walk *w, char kind, rap_err *err);

/* The next key of the current object, borrowed until the next call; its value must then be entered, skipped
 * or taken. `*out_more` false: the object has ended. */
rap_status json_walk_key(const char **out, bool *out_more, json_walk *w, rap_err *err);

/* Moves to the next item of the current list; `*out_more` false: the list has ended. */
rap_status json_walk_item(bool *out_more, json_walk *w, rap_err *err);

rap_status json_walk_skip(json_walk *w, rap_err *err);
/* Takes the whole next value, at most JSON_WALK_VALUE bytes of text. Free with json_decref(). */
rap_status json_walk_value(json_t **out, json_walk *w, rap_err *err);

/* RAP_OK if only white space is left. */
rap_status json_walk_end(json_walk *w, rap_err *err);

/* The current line, from 1; the fraction of the file read, 0 to 1 (0 for a pipe). */
long json_walk_line(const json_walk *w);
double json_walk_share(const json_walk *w);

/* Sets "FILE:LINE: " and the text, for errors the caller finds in a value. */
rap_status json_walk_wrong(const json_walk *w, rap_err *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif

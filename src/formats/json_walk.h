/* json_walk.h: a large JSON file read from front to back in constant memory. The walker stands at one place of
 * the file; the caller enters the lists and objects it cares about, steps over the rest, and takes single
 * values (an annotation, say) as jansson documents.
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
 * Every error names the file and the line. What is skipped is checked for nesting only; what is taken is
 * checked by jansson. */
#ifndef RAP_FORMATS_JSON_WALK_H
#define RAP_FORMATS_JSON_WALK_H

#include "base/err.h"

#include <jansson.h>
#include <stdbool.h>

typedef struct json_walk json_walk;

enum { JSON_WALK_DEPTH = 64, JSON_WALK_VALUE = 64 << 20 }; /* nesting entered; bytes of one value taken */

/* `path` may be a pipe. A UTF-8 byte-order mark is stepped over. */
rap_status json_walk_open(json_walk **out, const char *path, rap_err *err);
void json_walk_close(json_walk *w); /* NULL-safe */

/* What the next value begins with: '{', '[', '"', 't', 'f', 'n' or a digit or '-'; 0 at the end of the file. */
rap_status json_walk_peek(char *out, json_walk *w, rap_err *err);

/* Goes into the next value, which must be an object ('{') or a list ('['). json_walk_key or json_walk_item leave
 * it again when they come to its end. */
rap_status json_walk_enter(json_walk *w, char kind, rap_err *err);

/* The next key of the object that the walker is in, borrowed until the next call; the walker then stands before
 * its value, which must be entered, skipped or taken. `*out_more` false: the object has ended. */
rap_status json_walk_key(const char **out, bool *out_more, json_walk *w, rap_err *err);

/* Stands before the next item of the list that the walker is in; `*out_more` false: the list has ended. */
rap_status json_walk_item(bool *out_more, json_walk *w, rap_err *err);

rap_status json_walk_skip(json_walk *w, rap_err *err);
/* The next value whole, at most JSON_WALK_VALUE bytes of text. Free with json_decref(). */
rap_status json_walk_value(json_t **out, json_walk *w, rap_err *err);

/* RAP_OK when only white space is left. */
rap_status json_walk_end(json_walk *w, rap_err *err);

/* The line that the walker stands on, from 1; the share of the file that is read, 0 to 1 (0 for a pipe). */
long json_walk_line(const json_walk *w);
double json_walk_share(const json_walk *w);

/* "FILE:LINE: " and the text, for what a caller finds wrong with a value. */
rap_status json_walk_wrong(const json_walk *w, rap_err *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif

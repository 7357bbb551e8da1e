/* plain.h: makes foreign text safe to print on a terminal.
 *
 * Names, infos, answers, file names and model metadata may contain characters that move the cursor, change colours or
 * the direction of text, or break a line and imitate a message of ours. So
 *
 *   - tabs and line breaks of every kind (also U+0085, U+2028, U+2029) become a space, so that a field of a table stays
 *     one field;
 *   - other control characters (C0, DEL, C1), those that change the direction of text (U+202A–E, U+2066–9, U+206A–F),
 *     annotation marks (U+FFF9–B) and bytes that are not UTF-8 become U+FFFD, so that they are visible.
 *
 * The marks U+200E and U+200F stay: they affect only neutral characters next to them. In JSON all of these are escaped
 * instead (output.c). */
#ifndef RAP_CLI_PLAIN_H
#define RAP_CLI_PLAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

typedef enum plain_kind { PLAIN_SHOWN, PLAIN_SPACE, PLAIN_HIDDEN } plain_kind;
plain_kind plain_kind_of(unsigned code_point);

void plain_put(FILE *out, const char *text);

/* The same for streamed text, whose pieces may end inside a character. */
typedef struct plain_stream {
    char held[5]; /* the beginning of a character */
    size_t count;
    bool begun; /* something was put */
} plain_stream;
#define PLAIN_STREAM_INIT { "", 0, false }
void plain_stream_put(plain_stream *s, FILE *out, const char *text, size_t len);
void plain_stream_end(plain_stream *s, FILE *out);

#endif

/* plain.h: text that others wrote, on its way to a terminal.
 *
 * Names, infos, answers, file names and what models say of themselves may hold characters that move the cursor, change
 * colours or the order of what is read, or end a line and begin one that looks like ours. Here
 *
 *   - white space that is no space (tab, line breaks of every kind, U+0085, U+2028, U+2029) becomes a space, so that a
 *     field of a table stays one;
 *   - other controls (C0, DEL, C1), what changes the direction of text (U+202A–E, U+2066–9, U+206A–F), marks of
 *     annotations (U+FFF9–B) and bytes that are not UTF-8 become U+FFFD, so that they are seen.
 *
 * The marks U+200E and U+200F stay: they move nothing but neutral characters beside them. JSON escapes all of these
 * instead (output.c). */
#ifndef RAP_CLI_PLAIN_H
#define RAP_CLI_PLAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

typedef enum plain_kind { PLAIN_SHOWN, PLAIN_SPACE, PLAIN_HIDDEN } plain_kind;
plain_kind plain_kind_of(unsigned code_point);

void plain_put(FILE *out, const char *text);

/* The same for text that comes in pieces, which may end inside a character. */
typedef struct plain_stream {
    char held[5]; /* the beginning of a character */
    size_t count;
} plain_stream;
#define PLAIN_STREAM_INIT { "", 0 }
void plain_stream_put(plain_stream *s, FILE *out, const char *text, size_t len);
void plain_stream_end(plain_stream *s, FILE *out);

#endif

/* chat_line.h: the lines of a conversation: from a terminal, where they can be edited and recalled (libedit), or from a
 * pipe or file. The history is in memory only, because questions are private. */
#ifndef RAP_CLI_CHAT_LINE_H
#define RAP_CLI_CHAT_LINE_H

#include "base/buf.h"

#include <stdbool.h>

typedef struct chat_lines chat_lines;

typedef enum chat_line {
    CHAT_LINE_END, /* of the input */
    CHAT_LINE_READ,
    CHAT_LINE_LONG,   /* over CHAT_LINE_LONGEST; the buffer has its beginning */
    CHAT_LINE_CLEARED /* by Ctrl-C */
} chat_line;

enum { CHAT_LINE_LONGEST = 1 << 20 };

/* quiet: without a prompt. NULL: out of memory. */
chat_lines *chat_lines_open(bool quiet);
void chat_lines_close(chat_lines *l); /* NULL-safe */
bool chat_lines_terminal(const chat_lines *l);

/* The next line without its end; it may hold NUL bytes. */
chat_line chat_lines_read(chat_lines *l, buf *line);

#endif

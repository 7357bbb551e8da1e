/* pickle_lines.h: values that protocols 0 and 1 write as lines of text. */
#ifndef RAP_FORMATS_PICKLE_LINES_H
#define RAP_FORMATS_PICKLE_LINES_H

#include "formats/pickle_machine.h"

/* The value of `line` after one of the opcodes I L F S V; NULL with the error set. */
pickle_value *unpickle_line(unpickled *u, uint8_t op, pickle_chars line);
/* A memo index; UINT64_MAX if it is not a number. */
uint64_t unpickle_line_index(pickle_chars line);

#endif

/* text.h: UTF-8 text: one character at a time, validity, control characters, numbers. Comparing is in
 * text_fold.h, searching in text_search.h. */
#ifndef RAP_BASE_TEXT_H
#define RAP_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

bool text_is_utf8(const char *text);
bool text_has_control(const char *text);           /* C0, DEL, C1, U+2028/2029 */
bool text_is_control(unsigned code_point);
size_t text_decode(unsigned *out, const char *text); /* one code point; bytes used; 0 when invalid/end */
size_t text_encode(char out[4], unsigned code_point);   /* bytes written; 0 for what is no code point */
/* The bounds of the text without spaces (also those of no width) around it. */
void text_trim(const char **out_from, size_t *out_len, const char *text);
bool text_parse_long(long *out, const char *text);   /* whole text, base 10 */
bool text_parse_double(double *out, const char *text);

#endif

/* text.h: UTF-8 text: validity, case folding, trimming, search. */
#ifndef RAP_BASE_TEXT_H
#define RAP_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

bool text_is_utf8(const char *text);
bool text_has_control(const char *text);           /* C0, DEL, C1, U+2028/2029 */
bool text_is_control(unsigned code_point);
char *text_fold(const char *text);                 /* lower case for comparing (Unicode simple folding for
                                                      Latin, Greek, Cyrillic, Armenian; else as is); free() */
/* Does the folded `needle` stand in the folded `hay` as a whole word (no letter or digit beside it)?
 * Gives the byte offset, or -1. */
long text_find_word(const char *hay, const char *needle);
size_t text_decode(unsigned *out, const char *text); /* one code point; bytes used; 0 when invalid/end */
size_t text_encode(char out[4], unsigned code_point);   /* bytes written; 0 for what is no code point */
unsigned text_fold_code(unsigned code_point);           /* what text_fold() does to one code point */
bool text_parse_long(long *out, const char *text);   /* whole text, base 10 */
bool text_parse_double(double *out, const char *text);

#endif

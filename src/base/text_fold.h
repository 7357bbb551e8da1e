/* text_fold.h: the form in which texts are compared, whoever typed them on whatever system. */
#ifndef RAP_BASE_TEXT_FOLD_H
#define RAP_BASE_TEXT_FOLD_H

#include <stdbool.h>

/* Two texts are the same for a reader when their folded forms are the same bytes:
 *
 * - canonical and compatible forms are one (NFC, NFD, full-width, half-width, ligatures);
 * - case is folded in full: ß, ss and ẞ are one, as are σ and ς;
 * - i, I, ı, İ and i with U+0307 are one letter. Turkish has two, but which language a name is in is
 *   not known, and IŞIK must be Işık;
 * - any white space is one blank between words, none at the ends;
 * - apostrophes and single quotes are ', double quotes ", hyphens and dashes -;
 * - what has no width is not there (soft hyphen, zero-width space, direction marks, variation
 *   selectors), except where it joins an emoji; nor are lines that only stretch a word (tatweel);
 * - Persian ی and ک are Arabic ي and ك, which look the same inside a word; ½ is 1/2.
 *
 * Bytes that are not UTF-8 become U+FFFD. Folding twice changes nothing. free(); NULL: out of memory. */
char *text_fold(const char *text);

/* A name or alias in that form, without the <brackets> that the paper writes around names. */
char *text_fold_name(const char *name);

/* A name as it is kept: as typed, without spaces and <brackets> around it; free(); NULL: out of memory. */
char *text_plain_name(const char *name);

/* Are these the same name? false also when memory runs out. */
bool text_same_name(const char *a, const char *b);

/* Has a folded text nothing in it that could be read: only marks without a letter, or nothing? */
bool text_is_blank(const char *folded);

/* The canonical composed form (NFC) of valid UTF-8; free(); NULL: out of memory. */
char *text_compose(const char *text);

#endif

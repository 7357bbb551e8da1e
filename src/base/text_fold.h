/* text_fold.h: folds texts to the form in which they are compared, independent of keyboard and system. Names are
 * compared here. */
#ifndef RAP_BASE_TEXT_FOLD_H
#define RAP_BASE_TEXT_FOLD_H

#include <stdbool.h>

/* Two texts are equal to a reader if their folded forms are the same bytes:
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

/* The stored form of a name: as typed, without surrounding spaces and <brackets>; free(); NULL: out of memory. */
char *text_plain_name(const char *name);

/* Are these the same name? false also when memory runs out. */
bool text_same_name(const char *a, const char *b);

/* Is there nothing readable in a folded text: empty, or only marks without a letter? */
bool text_is_blank(const char *folded);

/* The canonical composed form (NFC) of valid UTF-8; free(); NULL: out of memory. */
char *text_compose(const char *text);
char *text_decompose(const char *text); /* the same apart (NFD) */

#endif

/* measure_exact.h: is an answer to a question the right one? The official exact match, and ours beside it. */
#ifndef RAP_EVAL_PUBLISHED_MEASURE_EXACT_H
#define RAP_EVAL_PUBLISHED_MEASURE_EXACT_H

#include <jansson.h>
#include <stdbool.h>

/* The official script's: both without case, punctuation and articles are the same (words_normalise). As "a" is an
 * article, an empty answer, "The" and "an" all equal "A". false also when memory runs out. */
bool exact_official(const char *answer, const char *expected);

/* Ours. Where a letter is expected, the answer must give this letter, and no other option:
 * - the letter alone, in either case, with brackets or punctuation around it: "B", "b", "(B)", "B.";
 * - or the letter as a capital with ")", ".", ":" or "," behind it and further words: "B. Cat", "(B) Cat";
 * - or, where the options are known, the text of the right option and of no other: "It is a cat.".
 * Where words are expected: both are the same without case, a leading article and closing punctuation. An empty
 * answer is never right. `options`: an object of texts by letter, or NULL. */
bool exact_strict(const char *answer, const char *expected, const json_t *options);

#endif

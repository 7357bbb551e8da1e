/* words.h: texts as the published scripts take them apart, which are written in Python: its white space, its lower
 * case, its word characters. For our own measures see base/text_fold.h and base/text_search.h. */
#ifndef RAP_EVAL_PUBLISHED_WORDS_H
#define RAP_EVAL_PUBLISHED_WORDS_H

#include <stddef.h>

/* Lower case, character by character; free(); NULL: out of memory. */
char *words_lower(const char *text);

/* The words of a caption as RePIC's scripts split it: "</s>" removed, split at white space, .,!?;:()[]{}"'- stripped
 * at both ends, empty words left out. Each ends with NUL, one behind the other in `text`. */
typedef struct words {
    char *text;  /* free() */
    char **word; /* [count], into `text`; free() */
    size_t count;
} words;

/* 0; −1: out of memory. */
int words_split(words *out, const char *caption);
void words_release(words *w);

/* An answer as the official script compares it: lower case, ASCII punctuation removed, the words "a", "an" and "the"
 * removed, one space between words. free(); NULL: out of memory. */
char *words_normalise(const char *answer);

#endif

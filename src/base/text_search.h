/* text_search.h: finds names in a text, as whole words. */
#ifndef RAP_BASE_TEXT_SEARCH_H
#define RAP_BASE_TEXT_SEARCH_H

#include <stdbool.h>
#include <stddef.h>

/* A text prepared once for any number of searches. */
typedef struct text_search {
    char *text;          /* folded */
    unsigned char *edge; /* [len + 1]: may a name begin or end before this byte? */
    size_t len;
} text_search;

bool text_search_init(text_search *out, const char *text); /* false: out of memory */
void text_search_release(text_search *s);

/* The first occurrence at or after `from` of the folded name (text_fold_name) as whole words: the byte offset in
 * s->text, or -1. Rules for its neighbours:
 *
 * - no letter or digit of its own kind of script, so "bo" is not in "bob"; but "bo's" has it;
 * - scripts without spaces (Chinese, Japanese, Thai …) may continue on both sides; but katakana not with katakana,
 *   and Korean only after a name (particles), not before it;
 * - a name ends where a grapheme ends: 👩 is not in 👩‍🚀, nor e in é;
 * - "don't" does not have "don". */
long text_search_find(const text_search *s, const char *folded_name, size_t from);

/* The same for a single search; -1 also when memory runs out. `name` as typed. */
long text_search_once(const char *text, const char *name);

#endif

/* nouns.h: everyday nouns, for naming the kind of a thing that nobody has named. */
#ifndef RAP_RETRIEVE_NOUNS_H
#define RAP_RETRIEVE_NOUNS_H

extern const char *const nouns[]; /* ended by NULL; lower case, each once */

#endif

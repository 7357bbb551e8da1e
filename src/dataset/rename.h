/* rename.h: a caption of somebody else's becomes one that uses a concept's name. */
#ifndef RAP_DATASET_RENAME_H
#define RAP_DATASET_RENAME_H

#include "base/buf.h"

/* "A dog on a bench." → "{name} on a bench." when the category ("dog") stands exactly once in the text, with an
 * article or without one. 0 and nothing written otherwise: a plural or a second mention would be left behind. */
int rename_category(buf *out, const char *text, const char *category);

/* Each whole word `word` ("sks", also in brackets) → "{name}". The number of them. */
int rename_word(buf *out, const char *text, const char *word);

#endif

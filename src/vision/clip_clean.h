/* clip_clean.h: cleans text as CLIP's tokenizer expects it: HTML entities resolved twice, NFC, surrounding
 * white space stripped, lower case. */
#ifndef RAP_VISION_CLIP_CLEAN_H
#define RAP_VISION_CLIP_CLEAN_H

#include "base/err.h"

/* free(). RAP_E_ARGUMENT if the text is not UTF-8. */
rap_status clip_clean(char **out, const char *text, rap_err *err);

/* Resolves entities once, for tests; free(), NULL if out of memory. */
char *clip_unescape(const char *text);

#endif

/* clip_clean.h: text as CLIP's tokenizer sees it: HTML entities resolved twice, letters composed (NFC), ends
 * stripped, lower case. */
#ifndef RAP_VISION_CLIP_CLEAN_H
#define RAP_VISION_CLIP_CLEAN_H

#include "base/err.h"

/* free(). RAP_E_ARGUMENT when the text is not UTF-8. */
rap_status clip_clean(char **out, const char *text, rap_err *err);

/* Entities resolved once, for tests; free(), NULL when out of memory. */
char *clip_unescape(const char *text);

#endif

/* environment.h: settings from the environment, checked once: a misspelt one is refused as in a file. */
#ifndef RAP_RAP_ENVIRONMENT_H
#define RAP_RAP_ENVIRONMENT_H

#include "base/err.h"

/* RAP_PRECISION, RAP_TOKEN_CACHE_MIB, RAP_PACK_CACHE. */
rap_status environment_check(rap_err *err);

/* $RAP_TOKEN_CACHE_MIB once it was checked: 0: not set; −1: none is kept. */
int environment_token_cache_mib(void);

#endif

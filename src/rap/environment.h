/* environment.h: settings from environment variables. Invalid values are errors, as in a file. */
#ifndef RAP_RAP_ENVIRONMENT_H
#define RAP_RAP_ENVIRONMENT_H

#include "base/err.h"

/* RAP_PRECISION, RAP_TOKEN_CACHE_MIB, RAP_PREFIX_CACHE_MIB, RAP_PACK_CACHE. */
rap_status environment_check(rap_err *err);

/* The value of $RAP_TOKEN_CACHE_MIB, after environment_check(). 0: not set; −1: no cache. */
int environment_token_cache_mib(void);
/* The same of $RAP_PREFIX_CACHE_MIB. */
int environment_prefix_cache_mib(void);

#endif

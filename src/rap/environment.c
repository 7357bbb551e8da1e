/* environment.c: checks RAP_PRECISION, RAP_TOKEN_CACHE_MIB, RAP_PREFIX_CACHE_MIB and RAP_PACK_CACHE. An empty value counts as not set. */
#include "rap/environment.h"

#include "base/text.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

static const char *setting(const char *name)
{
    const char *value = getenv(name);

    return value && *value ? value : NULL;
}

static rap_status check_precision(rap_err *err)
{
    static const char *const names[] = { "auto", "f32", "bf16", "int8" };
    const char *set = setting("RAP_PRECISION");

    for (size_t i = 0; set && i < sizeof names / sizeof *names; i++)
        if (strcmp(set, names[i]) == 0)
            return RAP_OK;
    return set ? err_set(err, RAP_E_ARGUMENT,
                         "RAP_PRECISION is '%s': expected auto, f32, bf16 or int8", set)
               : RAP_OK;
}

/* A word without a slash is more likely a misspelt switch than a folder in the current one. */
static rap_status check_pack_cache(rap_err *err)
{
    const char *set = setting("RAP_PACK_CACHE");

    if (!set || strcmp(set, "0") == 0 || strchr(set, '/'))
        return RAP_OK;
    return err_set(
        err, RAP_E_ARGUMENT,
        "RAP_PACK_CACHE is '%s': expected the path of a folder (with a slash), or 0 for none", set);
}

/* 0: not set; −1: 0 MiB. */
static int mib_of(const char *name)
{
    const char *set = setting(name);
    long mib;

    if (!set || !text_parse_long(&mib, set))
        return 0;
    return mib ? (int)mib : -1;
}

int environment_token_cache_mib(void)
{
    return mib_of("RAP_TOKEN_CACHE_MIB");
}

int environment_prefix_cache_mib(void)
{
    return mib_of("RAP_PREFIX_CACHE_MIB");
}

static rap_status check_mib(const char *name, rap_err *err)
{
    const char *set = setting(name);
    long mib;

    if (!set || (text_parse_long(&mib, set) && mib >= 0 && mib <= INT_MAX))
        return RAP_OK;
    return err_set(err, RAP_E_ARGUMENT, "%s is '%s': expected a number of MiB, or 0 for none", name,
                   set);
}

rap_status environment_check(rap_err *err)
{
    rap_status status = check_precision(err);

    if (status == RAP_OK)
        status = check_pack_cache(err);
    if (status == RAP_OK)
        status = check_mib("RAP_TOKEN_CACHE_MIB", err);
    return status == RAP_OK ? check_mib("RAP_PREFIX_CACHE_MIB", err) : status;
}

/* engine.c: rap_engine_*(): engines that several handles share. */
#include "engine/engine.h"
#include "rap/environment.h"

rap_status rap_engine_open(rap_engine **out, const rap_engine_options *options)
{
    static const rap_engine_options defaults = RAP_ENGINE_OPTIONS_INIT;
    const profile *found = NULL;
    rap_err err = { RAP_OK, "" };
    rap_status status;

    if (!out)
        return RAP_E_ARGUMENT;
    options = options ? options : &defaults;
    *out = NULL;
    status = environment_check(&err);
    if (status == RAP_OK)
        status = engine_open(out, options, &err);
    if (status == RAP_OK)
        status = engine_profile(&found, *out, &err);
    if (status == RAP_OK && options->load)
        status = engine_load(*out, &err);
    if (status == RAP_OK)
        return RAP_OK;
    engine_close(*out);
    *out = engine_failed(&err);
    return status;
}

void rap_engine_close(rap_engine *engine)
{
    engine_close(engine);
}

const char *rap_engine_error(const rap_engine *engine)
{
    return engine ? engine_failure(engine)->text : "out of memory";
}

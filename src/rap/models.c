/* models.c: gets models from the engine, and makes the retriever of the handle's store. */
#include "rap/models.h"

rap_status models_profile(rap *r)
{
    return r->profile ? RAP_OK : engine_profile(&r->profile, r->engine, &r->err);
}

rap_status models_encoder(rap *r)
{
    rap_status status = models_profile(r);

    if (status != RAP_OK || r->encoder)
        return status;
    return engine_encoder(&r->encoder, &r->maker, r->engine, &r->err);
}

rap_status models_generator(rap *r)
{
    rap_status status = models_profile(r);

    if (status != RAP_OK || r->generator)
        return status;
    return engine_generator(&r->generator, r->engine, &r->err);
}

rap_status models_retriever(rap *r)
{
    const engine_retriever_options o = { .store = r->store,
                                         .read_only = r->options.store_use,
                                         .threads = r->threads,
                                         .on_progress = r->options.on_progress,
                                         .payload = r->options.payload };
    rap_status status = models_encoder(r);

    if (status != RAP_OK || r->retriever)
        return status;
    return engine_retriever(&r->retriever, r->engine, &o, &r->err);
}

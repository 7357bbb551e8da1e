/* generator_local.h: a model in this process as a generator. */
#ifndef RAP_GENERATE_GENERATOR_LOCAL_H
#define RAP_GENERATE_GENERATOR_LOCAL_H

#include "generate/generator.h"
#include "generate/vlm.h"

/* Owns the model that it opens. */
rap_status generator_open_local(generator **out, const vlm_options *options, rap_err *err);

#endif

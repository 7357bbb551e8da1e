/* models.h: the engine's models, lent to a handle when it first needs them. */
#ifndef RAP_RAP_MODELS_H
#define RAP_RAP_MODELS_H

#include "rap/handle.h"

rap_status models_profile(rap *r);
rap_status models_encoder(rap *r);
rap_status models_retriever(rap *r); /* encoder and, where the profile has one, detector */
rap_status models_vlm(rap *r);

#endif

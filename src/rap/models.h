/* models.h: models that a handle borrows from the engine when it first needs them. */
#ifndef RAP_RAP_MODELS_H
#define RAP_RAP_MODELS_H

#include "rap/handle.h"

rap_status models_profile(rap *r);
rap_status models_encoder(rap *r);
rap_status models_retriever(rap *r); /* the encoder, and the detector if the profile has one */
rap_status models_generator(rap *r);

#endif

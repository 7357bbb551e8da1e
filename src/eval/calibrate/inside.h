/* inside.h: between the files of this folder: a handle whose store is nobody's. */
#ifndef RAP_EVAL_CALIBRATE_INSIDE_H
#define RAP_EVAL_CALIBRATE_INSIDE_H

#include "base/temp.h"
#include "rap/inside.h"
#include "eval/calibrate/trust.h"

typedef struct trust_handle {
    rap *r;
    temp folder; /* of the store */
} trust_handle;

rap_status trust_handle_open(trust_handle *out, const trust_models *models, rap_err *err);
void trust_handle_close(trust_handle *h); /* also after a failed open */

judge_settings trust_fit_judge(const trust_fit *f);

/* A center or a spread of another size is another encoder's. */
rap_status trust_fit_fits(const trust_fit *f, const trust_seen *seen, rap_err *err);

/* The status of a public call, with the handle's line in `err`. */
rap_status trust_handed_up(rap *r, rap_status status, rap_err *err);

#endif

/* measure.h: the results of `rap eval` and `rap calibrate` as JSON; the rules of wire.h apply. */
#ifndef RAP_WIRE_MEASURE_H
#define RAP_WIRE_MEASURE_H

#include "eval/calibrate/calibrate.h"
#include "eval/eval.h"

json_t *wire_eval(const eval_report *report);

/* written: the profile.json that was written; NULL: none. */
json_t *wire_calibration(const calibrate_set *set, const calibrate_fit *before, const calibrate_fit *after,
                         const calibrate_verified *verify, const char *written); /* verify: NULL: not measured */

#endif

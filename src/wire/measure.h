/* measure.h: what `rap eval` and `rap calibrate` measured, as JSON; the rules are those of wire.h. */
#ifndef RAP_WIRE_MEASURE_H
#define RAP_WIRE_MEASURE_H

#include "eval/calibrate/calibrate.h"
#include "eval/eval.h"

json_t *wire_eval(const eval_report *report);

/* written: the profile.json with the settings; NULL: nothing was written. */
json_t *wire_calibration(const calibrate_set *set, const calibrate_fit *before, const calibrate_fit *after,
                         const char *written);

#endif

/* calibrate_inside.h: functions shared by the files of this folder. */
#ifndef RAP_EVAL_CALIBRATE_CALIBRATE_INSIDE_H
#define RAP_EVAL_CALIBRATE_CALIBRATE_INSIDE_H

#include "eval/calibrate/calibrate.h"

judge_settings calibrate_fit_judge(const calibrate_fit *f);

/* A center or scatter of another dimension belongs to another encoder. */
rap_status calibrate_fit_fits(const calibrate_fit *f, const calibrate_features *seen, rap_err *err);

/* The engine in `models`, or a new one for its profile: engine_close() it either way. */
rap_status calibrate_engine(rap_engine **out, const calibrate_models *models, rap_err *err);

/* Makes a store at `path` that holds the set's concepts. */
rap_status calibrate_fill_store(rap_engine *engine, const calibrate_set *set, const char *path,
                                rap_err *err);

#endif

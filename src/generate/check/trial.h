/* trial.h: loads a model in a child process first, to see whether llama.cpp survives it. */
#ifndef RAP_GENERATE_CHECK_TRIAL_H
#define RAP_GENERATE_CHECK_TRIAL_H

#include "base/err.h"

/* For models and projectors whose family the checks do not know: what they leave is answered by llama.cpp with an assertion, which
 * would end this process. Loads the model (and the projector, NULL: none), evaluates one token and encodes one small
 * picture. RAP_E_MODEL when the child died, was refused the model or took longer than TRIAL_SECONDS. llama.cpp must
 * have been started.
 *
 * version: of llama.cpp. Where it is given, files that have passed are not tried again while they stay as they are: an
 * empty file in the user's cache folder (rap/tried; $RAP_TRIAL_CACHE names another, 0 does without) says so. NULL: they
 * always are. */
rap_status trial_load(const char *model, const char *mmproj, const char *version, rap_err *err);

enum { TRIAL_SECONDS = 300 };

/* The same with any work in place of loading: what `work` returns is the child's word, 0 is good. */
typedef int trial_work(void *payload);

typedef enum trial_result {
    TRIAL_GOOD = 0,
    TRIAL_REFUSED, /* work returned something else  */
    TRIAL_DIED,    /* by a signal, or it exited     */
    TRIAL_SLOW,    /* stopped after `seconds`       */
    TRIAL_NONE     /* no child could be made        */
} trial_result;

trial_result trial_run(trial_work *work, void *payload, int seconds);

#endif

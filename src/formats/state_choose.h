/* state_choose.h: which of the tensors in a pickle are the model's. */
#ifndef RAP_FORMATS_STATE_CHOOSE_H
#define RAP_FORMATS_STATE_CHOOSE_H

#include "formats/pickle.h"

#include <stddef.h>

/* Averaged weights ("ema", "state_dict_ema", "swa") and others in one file. */
typedef enum state_average {
    STATE_AVERAGE_NONE,
    STATE_AVERAGE_TAKEN,
    STATE_AVERAGE_LEFT, /* they lack tensors that the others have */
} state_average;

enum { STATE_MAX_PLACE = 120 };

typedef struct state_choice {
    const pickle_value *dict;   /* of names and tensors; or */
    const pickle_value *module; /* a whole module; both NULL: nothing found */
    size_t tensors;
    char place[STATE_MAX_PLACE + 1]; /* its keys from the top: "model.state_dict"; "" at the top */
    state_average average;
    char averaged[STATE_MAX_PLACE + 1]; /* where those lie */
} state_choice;

/* Looks through the dicts below `root` (and those that objects hold). The most tensors win, and averaged
 * ones where they are as many; what an optimizer keeps does not count. `file` is what errors call it. */
rap_status state_choose(state_choice *out, const pickle_value *root, const char *file, rap_err *err);

/* Does a key name averaged weights? */
int state_is_averaged(const char *name, size_t len);

#endif

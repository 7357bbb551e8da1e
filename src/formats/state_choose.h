/* state_choose.h: finds the model's tensors in a pickle. */
#ifndef RAP_FORMATS_STATE_CHOOSE_H
#define RAP_FORMATS_STATE_CHOOSE_H

#include "formats/pickle.h"

#include <stddef.h>

/* How averaged weights ("ema", "state_dict_ema", "swa") compare with the others in the file. */
typedef enum state_average {
    STATE_AVERAGE_NONE,
    STATE_AVERAGE_TAKEN,
    STATE_AVERAGE_LEFT, /* they lack some of the other's tensors */
} state_average;

enum { STATE_MAX_PLACE = 120 };

typedef struct state_choice {
    const pickle_value *dict;   /* names and tensors; or */
    const pickle_value *module; /* a whole module; both NULL: nothing found */
    size_t tensors;
    char place[STATE_MAX_PLACE + 1]; /* its keys from the top level: "model.state_dict"; "" at the top */
    state_average average;
    char averaged[STATE_MAX_PLACE + 1]; /* their keys */
} state_choice;

/* Searches the dicts below `root` (and those in objects). The most tensors win, or the averaged ones if they
 * have as many; optimizer state is ignored. Errors call the file `file`. */
rap_status state_choose(state_choice *out, const pickle_value *root, const char *file, rap_err *err);

/* Does a key name averaged weights? */
int state_is_averaged(const char *name, size_t len);

#endif

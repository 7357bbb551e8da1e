/* module_tree.h: a pickled PyTorch module: its tensors under their state_dict() names, and its layers with
 * their attributes. */
#ifndef RAP_FORMATS_MODULE_TREE_H
#define RAP_FORMATS_MODULE_TREE_H

#include "formats/pickle.h"

bool module_is(const pickle_value *v); /* NULL-safe */

typedef rap_status module_visit(void *payload, const char *name, const pickle_tensor *tensor,
                                rap_err *err);

/* Visits every parameter and buffer below `module`. A tree that contains itself, or is deeper or larger than
 * any network, is refused; errors call the file `file`. */
rap_status module_walk(const pickle_value *module, const char *file, module_visit *visit,
                       void *payload, rap_err *err);

/* The layer at a path ("model.22.cv4.0"); NULL if absent. module may be NULL. */
const pickle_value *module_find(const pickle_value *module, const char *path);
/* The direct child layer called `name`; NULL if absent. */
const pickle_value *module_child(const pickle_value *module, const char *name);

#endif

/* script_tree.h: the tensors of a TorchScript archive: objects whose attributes are tensors and more
 * objects. Its code is ignored. */
#ifndef RAP_FORMATS_SCRIPT_TREE_H
#define RAP_FORMATS_SCRIPT_TREE_H

#include "formats/module_tree.h"

/* Is this an object of a class defined in the archive itself? */
bool script_is(const pickle_value *v);

/* Visits every tensor under its state_dict() name. Errors call the file `file`. */
rap_status script_walk(const pickle_value *root, const char *file, module_visit *visit, void *payload,
                       rap_err *err);

#endif

/* script_tree.h: the tensors of a TorchScript archive: objects whose attributes are tensors and further
 * objects. Its code is not looked at. */
#ifndef RAP_FORMATS_SCRIPT_TREE_H
#define RAP_FORMATS_SCRIPT_TREE_H

#include "formats/module_tree.h"

/* Is this an object of a class that the archive itself brings along? */
bool script_is(const pickle_value *v);

/* Visits every tensor under the name that state_dict() would give it. `file` is what errors call it. */
rap_status script_walk(const pickle_value *root, const char *file, module_visit *visit, void *payload,
                       rap_err *err);

#endif

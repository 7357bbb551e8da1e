/* name_list.h: a list of names in one block of memory, ended by NULL, as answers carry them. */
#ifndef RAP_RAP_NAME_LIST_H
#define RAP_RAP_NAME_LIST_H

#include <stddef.h>

/* Copies name [count]; free(). NULL: out of memory. */
const char **name_list_new(const char *const *name, size_t count);

#endif

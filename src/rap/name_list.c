/* name_list.c: see name_list.h: the pointers, then the texts. */
#include "rap/name_list.h"

#include <stdlib.h>
#include <string.h>

const char **name_list_new(const char *const *name, size_t count)
{
    size_t room = (count + 1) * sizeof *name;
    const char **list;
    char *at;

    for (size_t i = 0; i < count; i++)
        room += strlen(name[i]) + 1;
    list = calloc(1, room);
    if (!list)
        return NULL;
    at = (char *)(list + count + 1);
    for (size_t i = 0; i < count; i++) {
        size_t size = strlen(name[i]) + 1;

        memcpy(at, name[i], size);
        list[i] = at;
        at += size;
    }
    return list;
}

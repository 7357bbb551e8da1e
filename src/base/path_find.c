/* path_find.c: see path_find.h. */
#include "base/path_find.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/text.h"
#include "base/text_fold.h"

#include <stdlib.h>
#include <string.h>

char *path_spelling(const char *name, int which)
{
    char *slashed = mem_string(name), *spelled;

    if (which == 0 || !slashed)
        return slashed;
    for (char *at = slashed; (at = strchr(at, '\\')) != NULL; at++)
        *at = '/';
    if (which == 1 || !text_is_utf8(slashed))
        return slashed;
    spelled = which == 2 ? text_compose(slashed) : text_decompose(slashed);
    free(slashed);
    return spelled;
}

char *path_find(const char *folder, const char *name)
{
    for (int i = 0; i < PATH_SPELLINGS; i++) {
        char *spelled = path_spelling(name, i), *path = spelled ? path_join(folder, spelled) : NULL;

        free(spelled);
        if (!path || file_exists(path))
            return path;
        free(path);
    }
    return path_join(folder, name);
}

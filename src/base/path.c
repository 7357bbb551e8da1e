/* path.c: the pieces of a path. */
#include "base/file.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

char *path_join(const char *folder, const char *name)
{
    size_t folder_len = strlen(folder), name_len = strlen(name);
    bool slash = folder_len > 0 && folder[folder_len - 1] != '/';
    char *path;

    if (name[0] == '/' || folder_len == 0)
        return mem_string(name);
    path = malloc(folder_len + slash + name_len + 1);
    if (!path)
        return NULL;
    memcpy(path, folder, folder_len);
    if (slash)
        path[folder_len] = '/';
    memcpy(path + folder_len + slash, name, name_len + 1);
    return path;
}

char *path_folder(const char *path)
{
    const char *slash = strrchr(path, '/');

    if (!slash)
        return mem_string(".");
    if (slash == path)
        return mem_string("/");
    return mem_string_n(path, (size_t)(slash - path));
}

const char *path_base(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

const char *path_extension(const char *path)
{
    const char *base = path_base(path), *dot = strrchr(base, '.');

    return dot && dot != base ? dot + 1 : "";
}

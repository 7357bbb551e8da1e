/* path.c: the pieces of a path, and the folders a user and an installation have. */
#include "base/path.h"

#include "base/buf.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

bool path_stays(const char *path)
{
    bool stays = *path && *path != '/' && *path != '\\';

    while (stays && *path) {
        size_t len = strcspn(path, "/\\");

        stays = !(len == 2 && path[0] == '.' && path[1] == '.');
        path += len;
        path += *path != '\0';
    }
    return stays;
}

bool path_climbs(const char *path)
{
    int depth = 0;

    while (*path) {
        size_t len = strcspn(path, "/");

        if (len == 2 && path[0] == '.' && path[1] == '.')
            depth--;
        else if (len > 0 && !(len == 1 && path[0] == '.'))
            depth++;
        if (depth < 0)
            return true;
        path += len;
        path += strspn(path, "/");
    }
    return false;
}

bool path_is_inside(const char *path, const char *root)
{
    size_t len = strlen(root);

    if (len == 1) /* "/" */
        return true;
    return strncmp(path, root, len) == 0 && path[len] == '/';
}

char *path_user_data(const char *name)
{
    const char *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
    buf path = BUF_INIT;

    if (data && *data == '/')
        buf_printf(&path, "%s/rap/%s", data, name);
    else if (home && *home)
        buf_printf(&path, "%s/.local/share/rap/%s", home, name);
    else
        return NULL;
    return buf_detach(&path);
}

char *path_beside_program(const char *relative)
{
    char program[4096];
    ssize_t len = readlink("/proc/self/exe", program, sizeof program - 1);
    char *folder, *found;

    if (len <= 0)
        return NULL;
    program[len] = '\0';
    folder = path_folder(program);
    found = folder ? path_join(folder, relative) : NULL;
    free(folder);
    return found;
}

static bool cannot_be_synced(int reason)
{
    return reason == EINVAL || reason == ENOTSUP || reason == EROFS || reason == EBADF ||
           reason == EACCES;
}

rap_status path_sync(const char *path, rap_err *err)
{
    char *folder = path_folder(path);
    int fd = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    rap_status status = RAP_OK;

    if (!folder)
        return err_memory(err, "syncing a folder");
    if ((fd < 0 || fsync(fd) != 0) && !cannot_be_synced(errno))
        status = err_file(err, path, "syncing its folder");
    if (fd >= 0)
        close(fd);
    free(folder);
    return status;
}

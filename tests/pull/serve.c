/* serve.c: the test hub as a program, for tests/e2e: serve ROOT PORT-FILE [METHOD PATH WORDS]…
 *
 * Serves each ROOT/OWNER/NAME/PATH as /OWNER/NAME/resolve/main/PATH, writes its port into PORT-FILE, and
 * ends when its standard input ends. Tricks: server.h. Also serves /toy/vit/resolve/main/vit.pt, a small ViT as
 * timm saves it. */
#include "convert/made_models.h"

#include "base/file.h"
#include "pull/server.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static server *hub;
static size_t root_len;

static int add_served(const char *path, const struct stat *info, int type, struct FTW *where)
{
    const char *relative = path + root_len + 1, *name = strchr(relative, '/');
    const char *file = name ? strchr(name + 1, '/') : NULL;
    char *bytes = NULL;
    size_t size = 0;
    buf url = BUF_INIT;

    (void)where;
    if (type != FTW_F || !file || file_read(&bytes, &size, path, (size_t)1 << 30, NULL) != RAP_OK)
        return 0;
    buf_printf(&url, "/%.*s/resolve/main%s", (int)(file - relative), relative, file);
    server_add(hub, buf_text(&url), bytes,
               (size_t)info->st_size < size ? (size_t)info->st_size : size);
    buf_release(&url);
    free(bytes);
    return 0;
}

static void add_checkpoint(const char *beside)
{
    made_model m;
    char *path = NULL, *bytes = NULL;
    size_t size = 0;

    if (asprintf(&path, "%s.pt", beside) < 0)
        return;
    make_vit(&m);
    save_model(path, &m, 0);
    if (file_read(&bytes, &size, path, (size_t)1 << 30, NULL) == RAP_OK)
        server_add(hub, "/toy/vit/resolve/main/vit.pt", bytes, size);
    unlink(path);
    free(bytes);
    free(path);
}

int main(int argc, char **argv)
{
    char port[16], byte;

    if (argc < 3 || (hub = server_start()) == NULL)
        return 1;
    root_len = strlen(argv[1]);
    nftw(argv[1], add_served, 16, 0);
    add_checkpoint(argv[2]);
    for (int i = 3; i + 2 < argc; i += 3)
        server_trick(hub, argv[i], argv[i + 1], argv[i + 2]);
    snprintf(port, sizeof port, "%d\n", server_port(hub));
    if (file_write(argv[2], port, strlen(port), NULL) != RAP_OK)
        return 1;
    while (read(STDIN_FILENO, &byte, 1) > 0)
        ;
    server_stop(hub);
    return 0;
}

/* picture.c: picture arguments: a file, or a pipe ("-", /dev/stdin, <(…)). A pipe can be read only once, but a command
 * may need its picture twice, so the bytes are kept. */
#include "base/buf.h"
#include "cli/cli.h"
#include "cli/interrupt.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PICTURE_LIMIT ((size_t)512 << 20) /* the library's own */

static int cannot_read(const char *name, const char *why)
{
    cli_say("%s: %s", name, why);
    return rap_status_exit_code(RAP_E_IO);
}

static int slurp(buf *out, int fd, const char *name)
{
    char some[65536];
    ssize_t got;

    while ((got = read(fd, some, sizeof some)) != 0) {
        if (got < 0 && errno == EINTR && !interrupt_caught())
            continue;
        if (interrupt_caught())
            return rap_status_exit_code(RAP_E_CANCELLED);
        if (got < 0)
            return cannot_read(name, strerror(errno));
        buf_add(out, some, (size_t)got);
        if (buf_failed(out)) {
            cli_say("%s: out of memory", name);
            return rap_status_exit_code(RAP_E_MEMORY);
        }
        if (out->len > PICTURE_LIMIT) {
            cli_say("%s: larger than the limit of %zu MiB", name, PICTURE_LIMIT >> 20);
            return rap_status_exit_code(RAP_E_LIMIT);
        }
    }
    if (out->len == 0)
        return cannot_read(name, "is empty; expected a picture");
    return CLI_CONTINUE;
}

int cli_picture(cli *c, rap_image *out, const char *path)
{
    bool standard = strcmp(path, "-") == 0;
    const char *name = standard ? "standard input" : path;
    struct stat info;
    buf bytes = BUF_INIT;
    int fd, code;

    *out = (rap_image){ .path = path };
    if (!standard && (stat(path, &info) != 0 || S_ISREG(info.st_mode) || S_ISDIR(info.st_mode)))
        return CLI_CONTINUE; /* the library reports what is wrong with a file */
    if (standard && c->stdin_used) {
        cli_say("-: standard input is already used in this command; give a file");
        return CLI_USAGE;
    }
    c->stdin_used |= standard;
    fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return cannot_read(name, strerror(errno));
    code = slurp(&bytes, fd, name);
    if (!standard)
        close(fd);
    if (code != CLI_CONTINUE) {
        buf_release(&bytes);
        return code;
    }
    out->path = NULL;
    out->size = bytes.len;
    out->bytes = c->piped = buf_detach(&bytes);
    return CLI_CONTINUE;
}

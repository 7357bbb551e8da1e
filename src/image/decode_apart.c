/* decode_apart.c: decodes WebP, HEIC and AVIF in a sandboxed process, the program rap-decode:
 * their decoders are large, and a fault in one must cost one picture, not the program that uses
 * this library. One process per picture; its reply is checked like any untrusted bytes. */
#include "base/file.h"
#include "base/mem.h"
#include "image/apart.h"
#include "image/decode.h"
#include "image/raster.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef RAP_BUILT_DECODER
#define RAP_BUILT_DECODER "build/rap-decode"
#endif
#ifndef RAP_INSTALLED_DECODER
#define RAP_INSTALLED_DECODER "/usr/libexec/rap/rap-decode"
#endif

typedef struct apart {
    pid_t pid;
    int socket;
    int64_t deadline; /* milliseconds of the monotonic clock */
    bool late;
} apart;

/* ---- the program ---- */

static char *only_if_runnable(char *path)
{
    if (path && access(path, X_OK) == 0)
        return path;
    free(path);
    return NULL;
}

/* The path of rap-decode: $RAP_DECODER; next to an installed program; in the build; the install
 * location. free() */
static char *apart_program(void)
{
    const char *named = secure_getenv("RAP_DECODER");
    char *found = NULL;

    if (named && *named)
        return only_if_runnable(mem_string(named));
    found = only_if_runnable(path_beside_program("../libexec/rap/rap-decode"));
    if (!found)
        found = only_if_runnable(mem_string(RAP_BUILT_DECODER));
    if (!found)
        found = only_if_runnable(mem_string(RAP_INSTALLED_DECODER));
    return found;
}

/* The environment contains only what the dynamic linker may need. */
static char *apart_libraries(void)
{
    const char *folders = secure_getenv("LD_LIBRARY_PATH");
    char *line = NULL;

    if (folders && asprintf(&line, "LD_LIBRARY_PATH=%s", folders) < 0)
        line = NULL;
    return line;
}

static int apart_prepare(posix_spawn_file_actions_t *files, posix_spawnattr_t *how, int socket)
{
    sigset_t none, all;

    sigemptyset(&none);
    sigfillset(&all);
    if (posix_spawn_file_actions_adddup2(files, socket, APART_SOCKET) ||
        posix_spawn_file_actions_addopen(files, 1, "/dev/null", O_RDWR, 0) ||
        posix_spawn_file_actions_adddup2(files, 1, 2) ||
        posix_spawn_file_actions_addclosefrom_np(files, 3) ||
        posix_spawnattr_setsigmask(how, &none) || posix_spawnattr_setsigdefault(how, &all) ||
        posix_spawnattr_setpgroup(how, 0) ||
        posix_spawnattr_setflags(how, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                          POSIX_SPAWN_SETPGROUP))
        return ENOMEM;
    return 0;
}

/* Starts the program with one end of a socket and no other descriptor of ours. Returns 0 or an
 * errno. */
static int apart_spawn(apart *a, const char *program, int socket)
{
    char *libraries = apart_libraries();
    char *const arguments[] = { (char *)"rap-decode", NULL }, *const environment[] = { libraries,
                                                                                       NULL };
    posix_spawn_file_actions_t files;
    posix_spawnattr_t how;
    int failed = posix_spawn_file_actions_init(&files);

    if (failed == 0 && (failed = posix_spawnattr_init(&how)) != 0)
        posix_spawn_file_actions_destroy(&files);
    if (failed == 0) {
        failed = apart_prepare(&files, &how, socket);
        if (failed == 0)
            failed = posix_spawn(&a->pid, program, &files, &how, arguments, environment);
        posix_spawn_file_actions_destroy(&files);
        posix_spawnattr_destroy(&how);
    }
    free(libraries);
    return failed;
}

static int64_t apart_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static rap_status apart_open(apart *a, const char *name, rap_err *err)
{
    int ends[2] = { -1, -1 }, failed;
    char *program = apart_program();

    *a = (apart){ .pid = -1, .socket = -1, .deadline = apart_now() + APART_SECONDS * 1000 };
    if (!program)
        return err_set(
            err, RAP_E_UNSUPPORTED,
            "%s: WebP, HEIC and AVIF pictures need the program rap-decode, which is not at "
            "%s; install it, or name it in RAP_DECODER",
            name, secure_getenv("RAP_DECODER") ?: RAP_INSTALLED_DECODER);
    failed = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0 ? 0 : errno;
    if (failed == 0) {
        failed = apart_spawn(a, program, ends[1]);
        close(ends[1]);
        a->socket = ends[0];
    }
    free(program);
    if (failed == 0)
        return RAP_OK;
    a->pid = -1;
    return err_set(err, RAP_E_IO, "%s: the program rap-decode cannot be started: %s", name,
                   strerrordesc_np(failed));
}

/* Returns its wait status, 0 if unknown. */
static int apart_close(apart *a, bool kill_it)
{
    int how = 0;

    if (a->socket >= 0)
        close(a->socket);
    if (a->pid < 0)
        return 0;
    if (kill_it)
        kill(a->pid, SIGKILL);
    while (waitpid(a->pid, &how, 0) < 0) {
        if (errno == EINTR)
            continue;
        how = 0; /* the calling program has reaped it */
        break;
    }
    return how;
}

/* ---- the exchange ---- */

/* Waits until the socket can be read (POLLIN) or written to. */
static bool apart_wait(apart *a, short event)
{
    for (;;) {
        struct pollfd wait = { .fd = a->socket, .events = event };
        int64_t left = a->deadline - apart_now();
        int ready = left > 0 ? poll(&wait, 1, (int)left) : 0;
        if (ready < 0 && errno == EINTR)
            continue;
        a->late = a->late || ready == 0;
        return ready > 0;
    }
}

static bool apart_send(apart *a, const void *bytes, size_t size)
{
    const char *from = bytes;

    while (size > 0) {
        ssize_t sent =
            apart_wait(a, POLLOUT) ? send(a->socket, from, size, MSG_NOSIGNAL | MSG_DONTWAIT) : -1;
        if (sent < 0 && !a->late && (errno == EINTR || errno == EAGAIN))
            continue;
        if (sent < 0)
            return false;
        from += sent;
        size -= (size_t)sent;
    }
    return true;
}

static bool apart_receive(apart *a, void *bytes, size_t size)
{
    char *to = bytes;

    while (size > 0) {
        ssize_t got = apart_wait(a, POLLIN) ? recv(a->socket, to, size, MSG_DONTWAIT) : -1;
        if (got < 0 && !a->late && (errno == EINTR || errno == EAGAIN))
            continue;
        if (got <= 0)
            return false;
        to += got;
        size -= (size_t)got;
    }
    return true;
}

static bool apart_ask(apart *a, const void *bytes, size_t size, const char *name)
{
    apart_request ask = { APART_REQUEST, (uint32_t)strnlen(name, 512), size };

    return apart_send(a, &ask, sizeof ask) && apart_send(a, name, ask.name_size) &&
           apart_send(a, bytes, size);
}

/* Is the reply consistent with the picture's header? A HEIC may be rotated and cropped from its announced size. */
static bool apart_is_sane(const apart_reply *r, const image_facts *f)
{
    int64_t width = r->full_width, height = r->full_height;
    int factor;

    if (r->magic != APART_REPLY || r->status != RAP_OK || width < 1 || height < 1 ||
        width * height > f->width * f->height)
        return false;
    factor = raster_factor(width, height);
    return r->width == (width + factor - 1) / factor && r->height == (height + factor - 1) / factor;
}

/* RAP_E_IO: the process ended without a reply. */
static rap_status apart_answer(image *out, apart *a, const image_facts *facts, const char *name,
                               rap_err *err)
{
    apart_reply reply;
    char text[sizeof err->text];
    rap_status status;

    if (!apart_receive(a, &reply, sizeof reply))
        return RAP_E_IO;
    if (reply.magic == APART_REPLY && reply.status > RAP_OK && reply.status < RAP_STATUS_COUNT &&
        reply.text_size < sizeof text) {
        if (!apart_receive(a, text, reply.text_size))
            return RAP_E_IO;
        text[reply.text_size] = '\0';
        return err_set(err, (rap_status)reply.status, "%s", text);
    }
    if (!apart_is_sane(&reply, facts))
        return image_damaged(err, name, "its size differs from the one in its header");
    status = image_new(out, reply.width, reply.height, err);
    if (status != RAP_OK)
        return status;
    out->full_width = reply.full_width;
    out->full_height = reply.full_height;
    if (apart_receive(a, out->rgb, (size_t)out->width * (size_t)out->height * 3))
        return RAP_OK;
    image_release(out);
    return RAP_E_IO;
}

static rap_status apart_ended(const apart *a, int how, const char *name, rap_err *err)
{
    char reason[80] = "its decoder ended early";

    if (a->late)
        return err_set(err, RAP_E_LIMIT, "%s: decoding took longer than %d seconds and was stopped",
                       name, APART_SECONDS);
    if (WIFSIGNALED(how))
        snprintf(reason, sizeof reason, "its decoder was ended by signal %d", WTERMSIG(how));
    return image_damaged(err, name, reason);
}

rap_status decode_apart(image *out, const image_facts *facts, const void *bytes, size_t size,
                        const char *name, rap_err *err)
{
    apart a;
    int how;
    rap_status status = apart_open(&a, name, err);
    bool started = status == RAP_OK;

    if (started)
        status =
            apart_ask(&a, bytes, size, name) ? apart_answer(out, &a, facts, name, err) : RAP_E_IO;
    how = apart_close(&a, started && status != RAP_OK);
    return started && status == RAP_E_IO ? apart_ended(&a, how, name, err) : status;
}

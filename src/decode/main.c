/* main.c: the program rap-decode: reads one WebP, HEIC or AVIF picture from the socket that it is started with, and writes
 * its pixels or one line there. librap starts it; a person has no use for it. Before the first foreign byte is looked at it
 * gives up what it does not need: files, the network, other processes, unbounded memory and time. */
#include "decode/foreign.h"
#include "decode/sandbox.h"
#include "image/apart.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

enum { NAME_MOST = 512 };

typedef struct request {
    char name[NAME_MOST + 1];
    uint8_t *bytes;
    size_t size;
} request;

static bool read_all(void *to, size_t size)
{
    char *at = to;

    while (size > 0) {
        ssize_t got = read(APART_SOCKET, at, size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        at += got;
        size -= (size_t)got;
    }
    return true;
}

static bool write_all(const void *from, size_t size)
{
    const char *at = from;

    while (size > 0) {
        ssize_t put = write(APART_SOCKET, at, size);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return false;
        at += put;
        size -= (size_t)put;
    }
    return true;
}

static bool receive(request *out)
{
    apart_request head;

    if (!read_all(&head, sizeof head) || head.magic != APART_REQUEST ||
        head.name_size > NAME_MOST || head.size > IMAGE_MAX_BYTES)
        return false;
    out->size = head.size;
    out->bytes = malloc(out->size + 1);
    return out->bytes && read_all(out->name, head.name_size) && read_all(out->bytes, out->size);
}

static bool answer(rap_status status, const image *im, const rap_err *err)
{
    apart_reply reply = { .magic = APART_REPLY, .status = (int32_t)status };

    if (status != RAP_OK) {
        reply.text_size = (uint32_t)strlen(err->text);
        return write_all(&reply, sizeof reply) && write_all(err->text, reply.text_size);
    }
    reply.width = im->width;
    reply.height = im->height;
    reply.full_width = image_full_width(im);
    reply.full_height = image_full_height(im);
    return write_all(&reply, sizeof reply) &&
           write_all(im->rgb, (size_t)im->width * (size_t)im->height * 3);
}

static bool is_socket(void)
{
    int kind = 0;
    socklen_t size = sizeof kind;

    return getsockopt(APART_SOCKET, SOL_SOCKET, SO_TYPE, &kind, &size) == 0 && kind == SOCK_STREAM;
}

int main(void)
{
    pid_t parent = getppid();
    request asked = { 0 };
    rap_err err = { 0 };
    image im = { 0 };
    rap_status status;

    if (!is_socket()) {
        fprintf(stderr, "rap-decode: decodes pictures for librap, which starts it itself\n");
        return 2;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0); /* its reader is gone */
    if (getppid() != parent)
        return 1;
    foreign_heif_start();
    if (!sandbox_limit(APART_MEMORY, APART_SECONDS))
        return 1;
    sandbox_close();
    if (!receive(&asked))
        return 1;
    status = foreign_decode(&im, asked.bytes, asked.size, asked.name, &err);
    _exit(answer(status, &im, &err)
              ? 0
              : 1); /* at once: what the libraries would tidy up goes with the process */
}

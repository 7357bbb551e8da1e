/* check/trial.c: a child process loads a model before this process does.
 *
 * A library has no program of its own to start, so the child is a fork() without exec. Only the calling thread exists
 * in the child, and a lock that another thread held stays locked for ever. The child avoids such locks: the C library
 * makes malloc usable after fork(); llama.cpp is initialised before the fork, its log is dropped, and it computes on
 * one thread, so that OpenMP's pool (which has no threads in the child) is not used; no GPU is touched; the child
 * reports through a pipe and ends with _exit(). If it still hangs on a lock, it is killed after a while, and the result
 * is a status. */
#include "generate/check/trial.h"

#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/threads.h"

#include <llama.h>
#include <mtmd.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- a child ---- */

/* Signals as in a new program, nothing on the terminal, no core file, no debugger started by ggml's abort. */
static void calm_child(void)
{
    static const int signals[] = { SIGABRT, SIGSEGV, SIGBUS,  SIGFPE, SIGILL,
                                   SIGTERM, SIGINT,  SIGPIPE, SIGALRM };
    const struct rlimit none = { 0, 0 };
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    sigset_t all;

    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        signal(signals[i], SIG_DFL);
    sigemptyset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    setrlimit(RLIMIT_CORE, &none);
    setenv("GGML_NO_BACKTRACE", "1", 1);
    if (null >= 0) {
        dup2(null, STDIN_FILENO);
        dup2(null, STDOUT_FILENO);
        dup2(null, STDERR_FILENO);
    }
}

/* Waits for the child's byte. −1: it ended without one; −2: time is up. */
static int read_word(int fd, int seconds)
{
    double end = clock_ms() + seconds * 1000.0;
    unsigned char word = 0;

    for (;;) {
        double left = end - clock_ms();
        struct pollfd ready = { .fd = fd, .events = POLLIN };
        int count = poll(&ready, 1, left > 0 ? (int)left + 1 : 0);
        ssize_t got;

        if (count < 0 && errno == EINTR)
            continue;
        if (count == 0)
            return -2;
        got = read(fd, &word, 1);
        if (got < 0 && errno == EINTR)
            continue;
        return got == 1 ? word : -1;
    }
}

trial_result trial_run(trial_work *work, void *payload, int seconds)
{
    int ends[2], word;
    pid_t child;

    if (pipe2(ends, O_CLOEXEC) != 0)
        return TRIAL_NONE;
    child = fork();
    if (child == 0) {
        unsigned char answer;

        calm_child();
        answer = work(payload) != 0;
        while (write(ends[1], &answer, 1) < 0 && errno == EINTR)
            ;
        _exit(0);
    }
    close(ends[1]);
    word = child > 0 ? read_word(ends[0], seconds) : -1;
    close(ends[0]);
    if (child < 0)
        return TRIAL_NONE;
    if (word == -2)
        kill(child, SIGKILL);
    while (waitpid(child, NULL, 0) < 0 &&
           errno == EINTR) /* ECHILD: the host takes its children itself */
        ;
    return word == 0    ? TRIAL_GOOD
           : word == -1 ? TRIAL_DIED
           : word == -2 ? TRIAL_SLOW
                        : TRIAL_REFUSED;
}

/* ---- loading ---- */

typedef struct pair {
    const char *model, *mmproj;
} pair;

static bool evaluates(struct llama_model *model)
{
    struct llama_context_params params = llama_context_default_params();
    struct llama_context *ctx;
    llama_token token = 0;

    params.n_ctx = params.n_batch = params.n_ubatch = 16;
    params.n_threads = params.n_threads_batch = 1;
    ctx = llama_init_from_model(model, params);
    return ctx && llama_decode(ctx, llama_batch_get_one(&token, 1)) == 0;
}

static bool encodes(mtmd_context *mtmd)
{
    enum { SIDE = 64 };
    static uint8_t pixels[SIDE * SIDE * 3];
    const mtmd_input_part part = { .text = NULL, .bitmap = mtmd_bitmap_init(SIDE, SIDE, pixels) };
    const mtmd_input_part *const parts[] = { &part };
    mtmd_input_chunks *chunks = mtmd_input_chunks_init();

    if (!part.bitmap || !chunks || mtmd_tokenize_from_parts(mtmd, chunks, parts, 1, false) != 0)
        return false;
    for (size_t i = 0; i < mtmd_input_chunks_size(chunks); i++) {
        const mtmd_input_chunk *c = mtmd_input_chunks_get(chunks, i);

        if (mtmd_input_chunk_get_type(c) == MTMD_INPUT_CHUNK_TYPE_IMAGE)
            return mtmd_encode_chunk(mtmd, c) == 0;
    }
    return false;
}

/* In the child: nothing is freed, it ends at once. */
static int load_pair(void *payload)
{
    const pair *p = payload;
    struct llama_model_params model_params = llama_model_default_params();
    struct mtmd_context_params params = mtmd_context_params_default();
    static ggml_backend_dev_t no_devices[] = { NULL };
    struct llama_model *model;
    mtmd_context *mtmd;

    model_params.n_gpu_layers = 0;
    model_params.devices = no_devices;
    model = llama_model_load_from_file(p->model, model_params);
    if (!model || !evaluates(model))
        return 1;
    if (!p->mmproj)
        return 0;
    params.use_gpu = false;
    params.n_threads = 1;
    params.warmup = false;
    mtmd = mtmd_init_from_file(p->mmproj, model, params);
    return !mtmd || (mtmd_support_vision(mtmd) && !encodes(mtmd));
}

/* ---- what has passed ---- */

/* The folder of marks, owned; NULL: none. */
static char *mark_folder(void)
{
    const char *own = getenv("RAP_TRIAL_CACHE"), *cache = getenv("XDG_CACHE_HOME");
    const char *home = getenv("HOME");

    if (own && *own)
        return strcmp(own, "0") == 0 ? NULL : mem_string(own);
    if (cache && *cache == '/')
        return path_join(cache, "rap/tried");
    return home && *home == '/' ? path_join(home, ".cache/rap/tried") : NULL;
}

/* A file as it is now. */
static void add_identity(buf *out, const char *path)
{
    file_state s;

    if (path && file_identify(&s, path))
        buf_printf(out, "%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", s.device,
                   s.inode, s.size, s.modified, s.changed);
}

/* The mark of this pair, owned; NULL: it has none. */
static char *mark_path(const char *model, const char *mmproj, const char *version)
{
    char *folder = version ? mark_folder() : NULL, *path = NULL, name[65];
    buf b = BUF_INIT;

    if (!folder)
        return NULL;
    buf_printf(&b, "%s\n", version);
    add_identity(&b, model);
    add_identity(&b, mmproj);
    if (!buf_failed(&b)) {
        sha256_hex(name, b.data, b.len);
        path = path_join(folder, name);
    }
    buf_release(&b);
    free(folder);
    return path;
}

/* A mark that cannot be written only costs the next trial. */
static void write_mark(const char *path)
{
    char *folder = path_folder(path);

    if (folder && file_make_folders(folder, NULL) == RAP_OK)
        file_write(path, "", 0, NULL);
    free(folder);
}

static rap_status try_pair(const char *model, const char *mmproj, rap_err *err)
{
    pair p = { model, mmproj };
    const char *with = mmproj ? " with " : "", *other = mmproj ? mmproj : "";

    switch (trial_run(load_pair, &p, TRIAL_SECONDS)) {
    case TRIAL_GOOD:
        return RAP_OK;
    case TRIAL_REFUSED:
        return err_set(err, RAP_E_MODEL, "%s%s%s: llama.cpp cannot load this model", model, with,
                       other);
    case TRIAL_DIED:
        return err_set(err, RAP_E_MODEL,
                       "%s%s%s: llama.cpp crashes on this model (tried in a process of its own)",
                       model, with, other);
    case TRIAL_SLOW:
        return err_set(err, RAP_E_MODEL, "%s%s%s: this model did not load within %d seconds", model,
                       with, other, TRIAL_SECONDS);
    default:
        return err_set(err, RAP_E_MODEL, "%s%s%s: no process to try this model in", model, with,
                       other);
    }
}

rap_status trial_load(const char *model, const char *mmproj, const char *version, rap_err *err)
{
    char *mark = mark_path(model, mmproj, version);
    rap_status status = RAP_OK;

    if (!mark || !file_exists(mark)) {
        status = try_pair(model, mmproj, err);
        if (!status && mark)
            write_mark(mark);
    }
    free(mark);
    return status;
}

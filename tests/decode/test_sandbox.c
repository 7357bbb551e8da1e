/* test_sandbox.c: what a process can still do in the sandbox (src/decode/sandbox.c), tried by processes that go in. */
#include "decode/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { MEMORY = 256 << 20, SECONDS = 1 };

typedef int attempt(void); /* 0: it worked */

/* How a process that makes the attempt in the sandbox ends, as of waitpid(). */
static int try(attempt *what, bool closed)
{
    int how = 0;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        if (!sandbox_limit(MEMORY, SECONDS) || (closed && !sandbox_close()))
            _exit(99);
        _exit(what() == 0 ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &how, 0), pid);
    return how;
}

static void expect_refused(attempt *what, bool closed)
{
    int how = try(what, closed);

    assert_true(WIFEXITED(how));
    assert_int_equal(WEXITSTATUS(how), 1);
}

static int open_to_read(void)
{
    return open("/etc/passwd", O_RDONLY) >= 0 ? 0 : 1;
}

static int open_to_write(void)
{
    return open("/tmp/rap-sandbox", O_WRONLY | O_CREAT, 0600) >= 0 ? 0 : 1;
}

static int make_socket(void)
{
    return socket(AF_INET, SOCK_STREAM, 0) >= 0 ? 0 : 1;
}

static int make_memory_file(void)
{
    return memfd_create("x", 0) >= 0 ? 0 : 1;
}

static int make_process(void)
{
    pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);

    if (pid == 0)
        _exit(0);
    return pid > 0 ? 0 : 1;
}

static int run_program(void)
{
    char *const arguments[] = { (char *)"true", NULL };

    execv("/bin/true", arguments);
    return 1;
}

static int remove_file(void)
{
    return unlink("/tmp/rap-sandbox-kept") == 0 ? 0 : 1;
}

static int signal_parent(void)
{
    return kill(getppid(), 0) == 0 ? 0 : 1;
}

static int make_code(void)
{
    return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                0) != MAP_FAILED
               ? 0
               : 1;
}

static int trace(void)
{
    return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == 0 ? 0 : 1;
}

static int take_memory(void)
{
    size_t size = (size_t)MEMORY * 2;
    char *memory = malloc(size);

    if (!memory)
        return 1;
    memset(memory, 1, size);
    return memory[size / 2] == 1 ? 0 : 1;
}

static int compute_for_ever(void)
{
    volatile unsigned long sum = 0;

    for (;;)
        sum += 1;
    return 0;
}

static void *add_one(void *payload)
{
    ++*(int *)payload;
    return payload;
}

static int compute(void)
{
    int sum = 0;
    pthread_t thread;
    char *memory = malloc(32 << 20);

    if (!memory || pthread_create(&thread, NULL, add_one, &sum) != 0)
        return 1;
    memset(memory, 1, 32 << 20);
    pthread_join(thread, NULL);
    free(memory);
    return sum == 1 ? 0 : 1;
}

static void lets_it_compute(void **state)
{
    assert_int_equal(try(compute, true), 0);
}

static void refuses_all_else(void **state)
{
    static attempt *const attempts[] = { open_to_read, open_to_write, make_socket, make_memory_file,
                                         make_process, run_program,   remove_file, signal_parent,
                                         make_code,    trace };
    int fd = open("/tmp/rap-sandbox-kept", O_WRONLY | O_CREAT, 0600);

    assert_true(fd >= 0);
    close(fd);
    for (size_t i = 0; i < sizeof attempts / sizeof *attempts; i++)
        expect_refused(attempts[i], true);
    assert_int_equal(unlink("/tmp/rap-sandbox-kept"), 0);
}

/* Without the filter, as on a kernel that has none. */
static void holds_by_limits_alone(void **state)
{
    static attempt *const attempts[] = { open_to_read, open_to_write, make_socket,
                                         make_memory_file };

    for (size_t i = 0; i < sizeof attempts / sizeof *attempts; i++)
        expect_refused(attempts[i], false);
}

static void bounds_memory(void **state)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    skip(); /* a sanitizer's own memory is not bounded */
#endif
    expect_refused(take_memory, true);
}

static void bounds_time(void **state)
{
    int how = try(compute_for_ever, true);

    assert_true(WIFSIGNALED(how));
    assert_true(WTERMSIG(how) == SIGKILL || WTERMSIG(how) == SIGXCPU);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lets_it_compute),       cmocka_unit_test(refuses_all_else),
        cmocka_unit_test(holds_by_limits_alone), cmocka_unit_test(bounds_memory),
        cmocka_unit_test(bounds_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_nn_pool.c: every piece runs once, lanes stay distinct, helpers help, and loops finish when
 * nested, concurrent, with more threads than cores, and after a fork. */
#include "nn/nn.h"

#include "base/threads.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { PIECES = 1000, LANES = 9 };

typedef struct counts {
    atomic_int ran[PIECES], in_lane[LANES], wrong;
    int inner;
} counts;

static void inner_piece(void *payload, int64_t i, int lane)
{
    counts *c = payload;
    atomic_fetch_add(&c->ran[i], 1);
}

static void piece(void *payload, int64_t i, int lane)
{
    counts *c = payload;
    if (lane < 0 || lane >= LANES || atomic_fetch_add(&c->in_lane[lane], 1))
        atomic_fetch_add(&c->wrong, 1);
    if (c->inner)
        nn_each(LANES, c->inner, inner_piece, c);
    else
        atomic_fetch_add(&c->ran[i], 1);
    atomic_fetch_sub(&c->in_lane[lane], 1);
}

static void check(int threads, int count, int inner)
{
    counts *c = calloc(1, sizeof *c);
    assert_non_null(c);
    c->inner = inner;
    nn_each(threads, count, piece, c);
    assert_int_equal(atomic_load(&c->wrong), 0);
    for (int i = 0; i < (inner ? inner : count); i++)
        assert_int_equal(atomic_load(&c->ran[i]), inner ? count : 1);
    free(c);
}

static void test_every_piece_once(void **state)
{
    for (int round = 0; round < 200; round++)
        check(1 + round % LANES, round % 7 ? round : PIECES, 0);
    check(4, 0, 0);
}

static void test_loops_within_loops(void **state)
{
    check(4, 20, 13);
}

static void *loop_beside(void *unused)
{
    for (int round = 0; round < 100; round++)
        check(3, 50, 0);
    return NULL;
}

static void test_two_callers(void **state)
{
    pthread_t id;
    assert_int_equal(pthread_create(&id, NULL, loop_beside, NULL), 0);
    loop_beside(NULL);
    pthread_join(id, NULL);
}

/* The caller's piece waits until a helper has run one. */
static void wait_for_help(void *payload, int64_t i, int lane)
{
    atomic_bool *helped = payload;
    double start = clock_ms();
    if (lane != 0)
        atomic_store(helped, true);
    while (!atomic_load(helped) && clock_ms() - start < 20000)
        usleep(100);
}

static void test_helpers_help(void **state)
{
    for (int round = 0; round < 20; round++) {
        atomic_bool helped = false;
        if (round % 2)
            usleep(5000); /* by now the helper is asleep */
        nn_each(2, 2, wait_for_help, &helped);
        assert_true(atomic_load(&helped));
    }
}

static void test_after_sleep_and_fork(void **state)
{
    int ended = -1;
    check(4, 100, 0);
    usleep(5000); /* by now the helpers are asleep */
    check(4, 100, 0);
    pid_t child = fork();
    if (child == 0) {
        check(4, 100, 0);
        _exit(0);
    }
    assert_true(child > 0);
    waitpid(child, &ended, 0);
    assert_int_equal(ended, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_piece_once),     cmocka_unit_test(test_loops_within_loops),
        cmocka_unit_test(test_two_callers),          cmocka_unit_test(test_helpers_help),
        cmocka_unit_test(test_after_sleep_and_fork),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

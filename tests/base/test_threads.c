/* test_threads.c: cores and the clock (src/base/threads.c). */
#include "base/threads.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>

static void follows_the_affinity(void **state)
{
    cpu_set_t all, one;
    int first = 0;

    assert_int_equal(sched_getaffinity(0, sizeof all, &all), 0);
    assert_in_range(threads_available(), 1, CPU_COUNT(&all));
    while (!CPU_ISSET(first, &all))
        first++;
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    assert_int_equal(threads_available(), 1);
    assert_int_equal(sched_setaffinity(0, sizeof all, &all), 0);
}

static void the_clock_runs(void **state)
{
    struct timespec pause = { 0, 5000000 };
    double before = clock_ms();

    nanosleep(&pause, NULL);
    assert_true(clock_ms() - before >= 5.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(follows_the_affinity),
        cmocka_unit_test(the_clock_runs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

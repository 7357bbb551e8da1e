/* nn_pool.c: the one thread pool shared by all networks of the process.
 *
 * Why not OpenMP: at the end of each loop an OpenMP team spins until all its threads are done. On
 * a busy machine, one thread without a core then delays every layer, and 30 ms of work takes
 * seconds. Here a loop waits only for threads that have started a piece of it: every running
 * thread, including the caller, takes the next piece, so a thread without a core delays nothing.
 * Idle threads spin briefly, because the next layer is typically microseconds away, and then sleep.
 *
 * A loop is open while pool.open holds its number. A helper first increments pool.inside and then
 * reads pool.open; the caller closes the loop and then reads pool.inside, so one of them always
 * sees the other. A second loop at the same time (from another thread, or nested) runs on its
 * caller's thread alone. A child of fork() has no helpers and starts its own. */
#include "nn/nn_internal.h"

#include "base/threads.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

enum { MAX_HELPERS = 255 };
#define SPIN_MS 0.1 /* of an idle helper */

static struct {
    atomic_flag busy; /* a loop is running */
    int helpers;      /* threads started; under busy */
    /* the loop: written before `open`, read only by threads inside */
    nn_each_fn *fn;
    void *payload;
    int64_t count, grain;
    int lanes;
    _Atomic uint64_t open; /* its number; 0: none */
    uint64_t last;         /* number of the last loop; under busy */
    _Atomic int64_t next;  /* the next free piece */
    atomic_int lane, inside, sleeping;
    pthread_mutex_t lock;
    pthread_cond_t wake;
} pool = { .busy = ATOMIC_FLAG_INIT,
           .lock = PTHREAD_MUTEX_INITIALIZER,
           .wake = PTHREAD_COND_INITIALIZER };

static void rest(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

static void take_pieces(int lane)
{
    for (;;) {
        int64_t i = atomic_fetch_add(&pool.next, pool.grain), end = i + pool.grain;
        if (i >= pool.count)
            return;
        for (; i < end && i < pool.count; i++)
            pool.fn(pool.payload, i, lane);
    }
}

static void help(uint64_t loop)
{
    atomic_fetch_add(&pool.inside, 1);
    if (atomic_load(&pool.open) == loop) {
        int lane = atomic_fetch_add(&pool.lane, 1);
        if (lane < pool.lanes)
            take_pieces(lane);
    }
    atomic_fetch_sub(&pool.inside, 1);
}

/* Waits until a loop other than `seen` is open; returns its number. */
static uint64_t wait_for_loop(uint64_t seen)
{
    double start = clock_ms();
    uint64_t loop;
    for (int i = 0; i % 64 || clock_ms() - start < SPIN_MS; i++) {
        if ((loop = atomic_load(&pool.open)) && loop != seen)
            return loop;
        rest();
    }
    pthread_mutex_lock(&pool.lock);
    atomic_fetch_add(&pool.sleeping, 1);
    while (!(loop = atomic_load(&pool.open)) || loop == seen)
        pthread_cond_wait(&pool.wake, &pool.lock);
    atomic_fetch_sub(&pool.sleeping, 1);
    pthread_mutex_unlock(&pool.lock);
    return loop;
}

/* After fork(), only the calling thread exists in the child; clears the helpers' state. */
static void forget_helpers(void)
{
    pool.helpers = 0;
    atomic_store(&pool.open, 0);
    atomic_store(&pool.inside, 0);
    atomic_store(&pool.sleeping, 0);
    pool.lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    pool.wake = (pthread_cond_t)PTHREAD_COND_INITIALIZER;
    atomic_flag_clear(&pool.busy);
}

static void watch_forks(void)
{
    pthread_atfork(NULL, NULL, forget_helpers);
}

static void *helper(void *unused)
{
    uint64_t seen = 0;
    for (;;) {
        seen = wait_for_loop(seen);
        help(seen);
    }
    return NULL;
}

/* Starts up to `wanted` helpers; fewer is slower, not wrong. */
static void start_helpers(int wanted)
{
    pthread_attr_t detached;
    pthread_t id;
    if (pthread_attr_init(&detached))
        return;
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    while (pool.helpers < wanted && !pthread_create(&id, &detached, helper, NULL))
        pool.helpers++;
    pthread_attr_destroy(&detached);
}

static void open_loop(int threads, int64_t count, nn_each_fn *fn, void *payload)
{
    start_helpers(threads - 1);
    pool.fn = fn;
    pool.payload = payload;
    pool.count = count;
    pool.grain = count / (8 * threads) + 1;
    pool.lanes = threads;
    atomic_store(&pool.next, 0);
    atomic_store(&pool.lane, 1); /* lane 0 is the caller's */
    atomic_store(&pool.open, ++pool.last);
    if (atomic_load(&pool.sleeping) == 0)
        return;
    pthread_mutex_lock(&pool.lock);
    pthread_cond_broadcast(&pool.wake);
    pthread_mutex_unlock(&pool.lock);
}

static void close_loop(void)
{
    atomic_store(&pool.open, 0);
    for (int i = 0; atomic_load(&pool.inside) > 0; i++)
        if (i < 2000)
            rest();
        else
            sched_yield(); /* a helper was preempted in the middle of a piece */
}

/* Runs every piece on the caller's thread. */
static void run_alone(int64_t count, nn_each_fn *fn, void *payload)
{
    for (int64_t i = 0; i < count; i++)
        fn(payload, i, 0);
}

void nn_each(int threads, int64_t count, nn_each_fn *fn, void *payload)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, watch_forks);
    threads = threads > MAX_HELPERS + 1 ? MAX_HELPERS + 1 : threads;
    threads = threads > count ? (int)count : threads;
    if (threads < 2 || atomic_flag_test_and_set(&pool.busy)) {
        run_alone(count, fn, payload);
        return;
    }
    open_loop(threads, count, fn, payload);
    take_pieces(0);
    close_loop();
    atomic_flag_clear(&pool.busy);
}

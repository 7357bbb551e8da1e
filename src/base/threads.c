/* threads.c: how many cores this process may use, and a monotonic clock. */
#include "base/threads.h"

#include <sched.h>
#include <stdio.h>
#include <time.h>

static int threads_affinity(void)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 1;
    return CPU_COUNT(&set);
}

/* The processor quota of a container: more threads than that only wait for each other. 0: none. */
static int threads_quota(void)
{
    FILE *f = fopen("/sys/fs/cgroup/cpu.max", "re");
    long quota = 0, period = 0;
    int fields;

    if (!f)
        return 0;
    fields = fscanf(f, "%ld %ld", &quota, &period); /* "max 100000" when unlimited */
    fclose(f);
    if (fields != 2 || quota <= 0 || period <= 0)
        return 0;
    return (int)((quota + period - 1) / period);
}

int threads_available(void)
{
    int cores = threads_affinity(), quota = threads_quota();

    if (quota > 0 && quota < cores)
        cores = quota;
    return cores < 1 ? 1 : cores;
}

double clock_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

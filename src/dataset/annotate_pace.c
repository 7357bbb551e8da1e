/* annotate_pace.c: see annotate_pace.h. */
#include "dataset/annotate_pace.h"

#include "base/threads.h"

#include <time.h>

void annotate_pace_init(annotate_pace *p, int per_minute)
{
    pthread_mutex_init(&p->lock, NULL);
    p->next_ms = 0;
    p->step_ms = per_minute > 0 ? 60000.0 / per_minute : 0;
    p->stop = false;
}

void annotate_pace_release(annotate_pace *p)
{
    pthread_mutex_destroy(&p->lock);
}

/* Takes the next place in time if it has come; else how long it is until then. */
static double take_place(annotate_pace *p)
{
    double now = clock_ms(), wait;

    pthread_mutex_lock(&p->lock);
    wait = p->next_ms - now;
    if (wait <= 0)
        p->next_ms = now + p->step_ms;
    pthread_mutex_unlock(&p->lock);
    return wait;
}

bool annotate_pace_wait(annotate_pace *p)
{
    double wait;

    while (!p->stop && (wait = take_place(p)) > 0) {
        struct timespec nap = { 0, (long)((wait < 50 ? wait : 50) * 1e6) };

        nanosleep(&nap, NULL);
    }
    return !p->stop;
}

void annotate_pace_hold(annotate_pace *p, long ms)
{
    double until = clock_ms() + (double)ms;

    pthread_mutex_lock(&p->lock);
    if (p->next_ms < until)
        p->next_ms = until;
    pthread_mutex_unlock(&p->lock);
}

/* interrupt.c: see interrupt.h. Everything on_signal() calls may be called by a signal handler. */
#include "cli/interrupt.h"

#include "base/temp.h"

#include <signal.h>
#include <stddef.h>
#include <unistd.h>

enum { GRACE_SECONDS = 2 };

static volatile sig_atomic_t caught;
static volatile sig_atomic_t sparing, noted; /* a SIGINT that ends only what is under way */

static void die_of(int signal_number)
{
    struct sigaction action = { .sa_handler = SIG_DFL };
    sigset_t only;

    sigaction(signal_number, &action, NULL);
    sigemptyset(&only);
    sigaddset(&only, signal_number);
    pthread_sigmask(SIG_UNBLOCK, &only, NULL);
    raise(signal_number);
    _exit(128 + signal_number);
}

static void on_signal(int signal_number)
{
    if (signal_number == SIGINT && sparing && !noted && !caught) {
        noted = 1;
        return;
    }
    if (!caught && signal_number != SIGALRM) {
        caught = signal_number;
        alarm(GRACE_SECONDS);
        return;
    }
    if (!caught) /* an alarm that is not ours */
        return;
    temp_remove_all();
    die_of(caught);
}

void interrupt_install(void)
{
    static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGALRM };
    struct sigaction action = { .sa_handler = on_signal }, before;

    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        /* signals that nohup or a shell's & ignores stay ignored */
        if (sigaction(signals[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
            sigaction(signals[i], &action, NULL);
}

int interrupt_caught(void)
{
    return caught ? caught : noted ? SIGINT : 0;
}

void interrupt_spare(void)
{
    sparing = 1;
}

bool interrupt_take(void)
{
    bool was = noted;

    noted = 0;
    return was;
}

void interrupt_self(void)
{
    sparing = 0;
    raise(SIGINT);
}

void interrupt_end(void)
{
    if (!caught)
        return;
    temp_remove_all();
    die_of(caught);
}

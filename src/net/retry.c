/* retry.c: see retry.h. */
#include "net/retry.h"

#include <stdio.h>
#include <time.h>

enum { LONGEST_MS = 30000, LONGEST_ASKED_MS = 120000, NAP_MS = 50 };

long retry_pause_ms(const retry *r, int attempt, const http_reply *reply)
{
    long longest = r->longest_ms > 0 ? r->longest_ms : LONGEST_MS;
    long longest_asked = r->longest_asked_ms > 0 ? r->longest_asked_ms : LONGEST_ASKED_MS;
    long pause = r->first_ms;

    if (reply->retry_after > 0)
        return reply->retry_after > longest_asked / 1000 ? longest_asked
                                                         : reply->retry_after * 1000;
    for (int i = 0; i < attempt && pause < longest; i++)
        pause *= 2;
    return pause > longest ? longest : pause;
}

static rap_status stopped(rap_err *err)
{
    return err_set(err, RAP_E_CANCELLED, "stopped while waiting to try again");
}

rap_status retry_after_failure(const retry *r, int attempt, const http_reply *reply, rap_err *err)
{
    long pause = retry_pause_ms(r, attempt, reply);

    if (!reply->again || attempt >= r->most)
        return err->status;
    if (r->on_retry && r->on_retry(err->text, pause, r->payload))
        return stopped(err);
    for (long slept = 0; slept < pause; slept += NAP_MS) {
        long nap = pause - slept < NAP_MS ? pause - slept : NAP_MS;
        struct timespec time = { 0, nap * 1000000L };

        nanosleep(&time, NULL);
        if (r->cancelled && r->cancelled(r->payload))
            return stopped(err);
    }
    err_clear(err);
    return RAP_OK;
}

/* annotate_pace.h: how fast requests go out, for all threads together: so many a minute, evenly, and none while the
 * server wants a pause. */
#ifndef RAP_DATASET_ANNOTATE_PACE_H
#define RAP_DATASET_ANNOTATE_PACE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

typedef struct annotate_pace {
    pthread_mutex_t lock;
    double next_ms, step_ms; /* step 0: no limit */
    atomic_bool stop;        /* may be set by any thread: all waiting ends */
} annotate_pace;

void annotate_pace_init(annotate_pace *p, int per_minute);
void annotate_pace_release(annotate_pace *p);
bool annotate_pace_wait(annotate_pace *p);              /* until a request may go out; false: stopped */
void annotate_pace_hold(annotate_pace *p, long ms);     /* nothing goes out for so long */

#endif

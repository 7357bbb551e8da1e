/* gate.c: see gate.h. */
#include "image/gate.h"
#include "image/image.h"

#include <pthread.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t freed = PTHREAD_COND_INITIALIZER;
static uint64_t used;

uint64_t gate_enter(uint64_t memory)
{
    pthread_mutex_lock(&lock);
    while (used > 0 && memory > 0 && used + memory > IMAGE_MAX_MEMORY)
        pthread_cond_wait(&freed, &lock);
    used += memory;
    pthread_mutex_unlock(&lock);
    return memory;
}

void gate_leave(uint64_t held)
{
    pthread_mutex_lock(&lock);
    used -= held;
    pthread_cond_broadcast(&freed);
    pthread_mutex_unlock(&lock);
}

/* threads.h: how many cores this process may use, and a monotonic clock. */
#ifndef RAP_BASE_THREADS_H
#define RAP_BASE_THREADS_H

int threads_available(void); /* affinity-aware, ≥ 1 */
double clock_ms(void);       /* monotonic, milliseconds */

#endif

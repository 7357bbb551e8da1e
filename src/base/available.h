/* available.h: how much memory this process may still use. */
#ifndef RAP_BASE_AVAILABLE_H
#define RAP_BASE_AVAILABLE_H

#include <stddef.h>

/* Bytes that the machine and the process's control group leave free; SIZE_MAX where neither says. */
size_t memory_available(void);

/* Bytes of this process in memory now, pages of mapped files too; 0 where that is not said. */
size_t memory_resident(void);

#endif

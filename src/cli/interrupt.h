/* interrupt.h: Ctrl-C and other requests to stop.
 *
 * After the first SIGINT, SIGTERM or SIGHUP the work stops at its next check (progress, an answer's next token, a
 * transfer). A second signal, or two seconds without a check, end the process at once. In either case temporary files
 * are removed first. The process dies of the signal, so that a shell sees 130 or 143 and stops its own loop.
 *
 * In a conversation Ctrl-C stops only what is under way: see interrupt_spare(). */
#ifndef RAP_CLI_INTERRUPT_H
#define RAP_CLI_INTERRUPT_H

#include <stdbool.h>

void interrupt_install(void);
int interrupt_caught(void); /* the signal; 0: none */
/* Dies of the signal if one was caught; else returns. */
void interrupt_end(void);

/* From now on the first SIGINT is only noted: interrupt_caught() says so until interrupt_take() forgets it. A second one
 * before that is as the first one is elsewhere. */
void interrupt_spare(void);
bool interrupt_take(void); /* was one noted? */
/* As if SIGINT had come and were not spared. */
void interrupt_self(void);

#endif

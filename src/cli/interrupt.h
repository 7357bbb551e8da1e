/* interrupt.h: Ctrl-C, and being told to end.
 *
 * The first SIGINT, SIGTERM or SIGHUP asks the work to stop, where it looks up (progress, an answer's next token, a
 * transfer). A second one, or two seconds in which nothing looked up, end the process at once; in either case temporary
 * files go first. The process dies of the signal, so that a shell sees 130 or 143 and stops its own loop. */
#ifndef RAP_CLI_INTERRUPT_H
#define RAP_CLI_INTERRUPT_H

void interrupt_install(void);
int interrupt_caught(void); /* the signal; 0: none */
/* Dies of the signal when one was caught; else returns. */
void interrupt_end(void);

#endif

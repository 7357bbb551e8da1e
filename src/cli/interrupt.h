/* interrupt.h: Ctrl-C and other requests to stop.
 *
 * After the first SIGINT, SIGTERM or SIGHUP the work stops at its next check (progress, an answer's next token, a
 * transfer). A second signal, or two seconds without a check, end the process at once. In either case temporary files
 * are removed first. The process dies of the signal, so that a shell sees 130 or 143 and stops its own loop. */
#ifndef RAP_CLI_INTERRUPT_H
#define RAP_CLI_INTERRUPT_H

void interrupt_install(void);
int interrupt_caught(void); /* the signal; 0: none */
/* Dies of the signal if one was caught; else returns. */
void interrupt_end(void);

#endif

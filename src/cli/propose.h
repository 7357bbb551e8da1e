/* propose.h: --describe and --category auto: texts that the models propose, shown to the user before they are kept. */
#ifndef RAP_CLI_PROPOSE_H
#define RAP_CLI_PROPOSE_H

#include "cli/cli.h"

#define PROPOSE_AUTO "auto" /* of --category */
enum { PROPOSE_DECLINED = 1 }; /* the exit code when the user did not agree */

typedef struct proposal {
    bool describe;        /* --describe */
    bool yes;             /* --yes */
    const char *category; /* of the command line, NULL: none; "auto": to be proposed */
    char *info, *word;    /* what was proposed; NULL: nothing. rap_free() */
    bool declined;        /* the user did not want it */
} proposal;

/* An error line unless somebody can agree: at a terminal, or by --yes; and unless --yes means something. `info` is that
 * of the command line. Returns like cli_open(). */
int propose_check(const proposal *p, const char *command, const char *info);

/* Asks the models for what is wanted and the user whether to keep it. `known`: the category that the concept has, if it
 * gets no other. image NULL: the concept's own picture. RAP_E_CANCELLED with `declined` set: it is not wanted; for other
 * failures see rap_error(). */
rap_status propose(proposal *p, cli *c, const char *name, const char *known, const rap_image *image,
            rap_box box);
/* Prints why propose() failed and returns the exit code. */
int propose_failed(const proposal *p, cli *c, const char *name, rap_status status);
/* What to store: NULL where nothing was given. */
const char *propose_category(const proposal *p);
int propose_automatic(const proposal *p); /* flags of rap_automatic */
void propose_release(proposal *p);

#endif

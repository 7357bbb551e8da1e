/* answer.h: an answer as it comes, and what is remarked about it, for ask and chat. */
#ifndef RAP_CLI_ANSWER_H
#define RAP_CLI_ANSWER_H

#include "cli/cli.h"
#include "cli/plain.h"

typedef struct answer_view {
    cli *c;
    bool stream; /* --stream: with --json a line {"token": …} for each piece */
    plain_stream shown;
} answer_view;

/* Sets what the query calls back. The payload of the call is the view, its listener answer_listener(). */
void answer_watch(answer_view *view, rap_query *query);
rap_on_token *answer_listener(const answer_view *view);
/* After the call: ends a line that was begun. */
void answer_end(answer_view *view, rap_status status);

/* --stream without --json: CLI_USAGE; else CLI_CONTINUE. */
int answer_check(const answer_view *view, const cli_command *command);

/* The remarks on stderr, unless --quiet or --json: what was dropped, edited, forgotten. same_photo: whether nothing is
 * recognised in it has been said. */
void answer_remark(const cli *c, const rap_answer *a, bool same_photo);
/* rap_note(), unless --quiet, once in this process. */
void answer_note(const cli *c);

#endif

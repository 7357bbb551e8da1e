/* ask_method.h: rap ask --method head|soft-tokens: an answer with what was learnt of the concepts, without retrieval. */
#ifndef RAP_CLI_ASK_METHOD_H
#define RAP_CLI_ASK_METHOD_H

#include "cli/cli.h"

int cli_ask_method(cli *c, const char *method, const rap_query *query, int max_tokens);

#endif

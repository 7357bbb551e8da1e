/* train_method.h: rap train --method head|soft-tokens, and lora without DATA: learning each concept by itself. */
#ifndef RAP_CLI_TRAIN_METHOD_H
#define RAP_CLI_TRAIN_METHOD_H

#include "cli/cli.h"

#include <stdbool.h>

/* Does the command line name a method that learns the concepts of the store? */
bool cli_is_method(int argc, char **argv);
int cli_train_method(cli *c, int argc, char **argv);

/* The path of the store that the flags mean, opened once so that it is there; free(). NULL: *out_code says why. */
char *cli_store_path(int *out_code, cli *c, rap_store_use use);

#endif

/* eval_table.h: rap eval table FOLDER: what examples/paper_table.sh measured, as tables and a figure. */
#ifndef RAP_CLI_EVAL_TABLE_H
#define RAP_CLI_EVAL_TABLE_H

#include "cli/cli.h"

/* The figure goes to FOLDER/growth.png, the numbers to FOLDER/tables.json. */
int cli_eval_table(cli *c, const char *folder);

#endif

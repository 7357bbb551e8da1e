/* remember_folder.h: rap remember FOLDER: a concept for each subfolder, and for each picture directly in it. */
#ifndef RAP_CLI_REMEMBER_FOLDER_H
#define RAP_CLI_REMEMBER_FOLDER_H

#include "cli/propose.h"

/* wanted: what is asked of the models for each concept; its category, if it is a word, is of those without a
 * category.txt. Returns the exit code: 0, or that of the first failure. */
int remember_folder(cli *c, const char *folder, const proposal *wanted);

#endif

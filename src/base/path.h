/* path.h: the pieces of a path, and the folders a user and an installation have. */
#ifndef RAP_BASE_PATH_H
#define RAP_BASE_PATH_H

#include "base/err.h"

#include <stdbool.h>

char *path_join(const char *folder, const char *name);        /* free(); absolute `name` wins */
char *path_folder(const char *path);                          /* "." when it has none; free() */
const char *path_base(const char *path);                      /* borrowed */
const char *path_extension(const char *path);                 /* without the dot, "" when none */
bool path_climbs(const char *path); /* does a relative path leave its folder at some "..", by its text alone? */
bool path_stays(const char *path); /* is it relative, with no ".." in it, also where backslashes part folders? "": no */
bool path_is_inside(const char *path, const char *root); /* real paths both: is it below the folder `root`? */
char *path_user_data(const char *name);          /* <user data folder>/rap/`name`; NULL: no such; free() */
char *path_beside_program(const char *relative); /* `relative` to the program's folder; free() */

/* Syncs the folder of `path`, so that a new name in it survives a power cut. RAP_OK too where folders cannot be synced: on
 * some file systems, and for a user who may not read them. */
rap_status path_sync(const char *path, rap_err *err);

#endif

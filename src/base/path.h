/* path.h: the pieces of a path, and the folders a user and an installation have. */
#ifndef RAP_BASE_PATH_H
#define RAP_BASE_PATH_H

char *path_join(const char *folder, const char *name);        /* free(); absolute `name` wins */
char *path_folder(const char *path);                          /* "." when it has none; free() */
const char *path_base(const char *path);                      /* borrowed */
const char *path_extension(const char *path);                 /* without the dot, "" when none */
char *path_user_data(const char *name);          /* <user data folder>/rap/`name`; NULL: no such; free() */
char *path_beside_program(const char *relative); /* `relative` to the program's folder; free() */

/* Syncs the folder of `path`, so that a new name in it survives a power cut. */
void path_sync(const char *path);

#endif

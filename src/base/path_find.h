/* path_find.h: files as JSON from other systems names them. */
#ifndef RAP_BASE_PATH_FIND_H
#define RAP_BASE_PATH_FIND_H

enum { PATH_SPELLINGS = 4 };

/* How `name` may be spelled here, the most likely first: as written; as Windows writes it, with backslashes between
 * folders; then its letters composed, and decomposed as macOS keeps them. free(); NULL: out of memory. */
char *path_spelling(const char *name, int which);

/* `name` in `folder` by the first spelling that is there; as written when none is. free(); NULL: out of memory */
char *path_find(const char *folder, const char *name);

#endif

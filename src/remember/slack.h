/* slack.h: a thin layer under SQLite (a "VFS") that leaves no trace of what was deleted, and touches no file but
 * the database and its log: no rollback journal is opened or played back, no other file deleted. */
#ifndef RAP_REMEMBER_SLACK_H
#define RAP_REMEMBER_SLACK_H

/* The name to open a store with; registered on the first call. NULL: use SQLite's default, because
 * memory ran out. Safe to call from several threads. */
const char *slack_vfs(void);

#endif

/* server.h: a small model hub for tests, on 127.0.0.1, with every bad habit a network has.
 *
 * It answers like the hub does: HEAD on /OWNER/NAME/resolve/REVISION/PATH gives size, checksum and commit;
 * GET of a large file is redirected to /cdn/… on another host name ("localhost"), where the bytes are.
 * Tricks are words, one for each request of their kind, used up in order; after them it behaves:
 *
 *     HEAD  401 404 429 500 503  stall  close  lie-size  huge  lie-etag  no-etag  no-commit  mirror  loop  rename
 *           no-length  endless-line
 *     GET   401 404 429 500 503  stall  close  truncate  wrong  more  short  bare-more  ignore-range
 *           bad-range  416  loop  file  changed
 *           endless-error  endless-redirect  endless-line  endless-body
 *
 * server_say() answers a path word for word, whatever the method: for tests of the client alone. */
#ifndef RAP_TESTS_PULL_SERVER_H
#define RAP_TESTS_PULL_SERVER_H

#include <stddef.h>

typedef struct server server;

#define SERVER_COMMIT "0123456789abcdef0123456789abcdef01234567"

server *server_start(void); /* NULL: no socket */
void server_stop(server *s);
int server_port(const server *s);

/* Copies path and bytes. Files of 1000 bytes and more are redirected. */
void server_add(server *s, const char *path, const void *bytes, size_t size);
void server_trick(server *s, const char *method, const char *path, const char *words);

/* The path answers with exactly this, head included, and then: "close", "stall"; "flood" or "drip" (bytes without
 * end, fast or one now and then), "lines" (header lines without end); "slow": it comes a byte at a time. */
void server_say(server *s, const char *path, const char *reply, const char *ending);
/* The text of the last request, body included, as far as it fits. */
void server_last(server *s, char *out, size_t size);

/* Requests for the bytes of a path (method "GET") or about it ("HEAD"), so far. */
int server_count(server *s, const char *method, const char *path);
long server_sent(server *s);        /* bytes of bodies of files */
int server_token_leaks(server *s);  /* requests on the other host that carried a token */
int server_tokens(server *s);       /* requests on the hub's own host that did */

#endif

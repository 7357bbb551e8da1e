/* server_words.h: what a server says of a failure, as one short line: the message of an error in JSON (also of one
 * that is cut off), the title of a web page, or the text as it is. */
#ifndef RAP_REMOTE_SERVER_WORDS_H
#define RAP_REMOTE_SERVER_WORDS_H

#include <jansson.h>

enum { SERVER_WORDS = 240 };

/* `secret` (NULL: none) stands as *** in it. "" when it says nothing. */
void server_words(char out[SERVER_WORDS], const char *body, const char *secret);

/* The message of a reply that is an error though its code is 200; 0: it is no error. */
int server_error(char out[SERVER_WORDS], const json_t *reply, const char *secret);

#endif

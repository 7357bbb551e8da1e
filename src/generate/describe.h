/* describe.h: one line about a concept, in a model's words. What is asked is a pattern:
 *
 *     What is <name>? Answer with one sentence.             a question, whose answer is the line
 *     <name> is a {What color is <name>?} {category}.       the line, with questions in braces
 *
 * In both, <name> stands for the concept's name in brackets, {category} for its kind ("thing" if that is not known), and
 * a part in [square brackets] is left out when its category is not known or an answer in it says no. Knows no model. */
#ifndef RAP_GENERATE_DESCRIBE_H
#define RAP_GENERATE_DESCRIBE_H

#include "base/err.h"

enum { DESCRIBE_LIMIT = 400 }; /* bytes of a line */

/* Answers a question about the concept's picture; free(*out). */
typedef rap_status describe_ask(char **out, const char *question, void *payload, rap_err *err);

/* The line; free(*out). category: NULL: not known. RAP_E_MODEL: the answers make no description. */
rap_status describe_write(char **out, const char *pattern, const char *name, const char *category,
                          describe_ask *ask, void *payload, rap_err *err);

/* `<name> is …`, made of an answer: its first line without control characters, quotes and double spaces, at most
 * DESCRIBE_LIMIT bytes, cut after a sentence or a word; free(*out). */
rap_status describe_line(char **out, const char *name, const char *answer, rap_err *err);

/* `pattern` with <name> replaced by the concept's name in brackets; free(). NULL: out of memory. */
char *describe_name(const char *pattern, const char *name);

#endif

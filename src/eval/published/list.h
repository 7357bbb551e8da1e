/* list.h: a published list of questions, or the answers that a program wrote to one, in one form whatever file it
 * came from. docs/accuracy.md shows each shape. */
#ifndef RAP_EVAL_PUBLISHED_LIST_H
#define RAP_EVAL_PUBLISHED_LIST_H

#include "base/err.h"

#include <jansson.h>
#include <stdbool.h>

typedef enum list_kind {
    LIST_CAPTION,     /* the names that a caption should hold */
    LIST_RECOGNITION, /* is it in the picture: yes or no      */
    LIST_CHOICE,      /* the letter of an option              */
    LIST_OPEN,        /* an answer in words                   */
    LIST_KINDS
} list_kind;

const char *list_kind_name(list_kind kind);
/* By its name; false: none of them. */
bool list_kind_named(list_kind *out, const char *name);

/* An item is an object with these fields:
 *   place     text: where it stands in the file, for messages
 *   picture   text: as the file names it; absent: a question without a picture
 *   question  text: what is asked, in full
 *   answer    text: what a program wrote; absent in a list of questions
 *   concept   text: whom the question is about; absent where the file does not say
 *   names     list of texts: captions: the concepts in the picture, as the file writes them
 *   expected  text: choice and open: the right answer
 *   options   object of texts by letter: choice, where the file has them
 *   yes       bool: recognition: is it there
 *   negative  bool: recognition: does the file list it among the negatives */
typedef struct list {
    list_kind kind;
    bool answered; /* do the items have answers? all or none */
    json_t *items;
} list;

/* `kind` NULL: found from the shape of the file. RAP_E_FORMAT names the file, the item and what is wrong with it.
 * list_release() it either way. */
rap_status list_read(list *out, const char *path, const char *kind, rap_err *err);
/* The same from bytes; `name` is what messages call them, and ends in ".csv" for a table. */
rap_status list_parse(list *out, const char *text, size_t len, const char *name, const char *kind,
                      rap_err *err);
void list_release(list *l);

size_t list_count(const list *l);
const json_t *list_item(const list *l, size_t i);
/* A text of an item; NULL when absent. */
const char *list_text(const json_t *item, const char *field);
/* The answers of the items, borrowed from them, as the measures want them; free() the array. */
const char **list_answers(const list *l);

#endif

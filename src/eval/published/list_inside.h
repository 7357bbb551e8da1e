/* list_inside.h: between the readers of the shapes. Each adds its items to the list, and says with a line what is
 * wrong with the first that is not as it should be. */
#ifndef RAP_EVAL_PUBLISHED_LIST_INSIDE_H
#define RAP_EVAL_PUBLISHED_LIST_INSIDE_H

#include "eval/published/list.h"

#define LIST_CAPTION_QUESTION "Give a caption of the image."

/* A reading: the list that grows, and what messages name. */
typedef struct list_reading {
    list *out;
    const char *file;
    const char *kind; /* NULL: not given */
    char place[256];  /* "item 3", "bo / 0" */
} list_reading;

/* Starts an item at the reading's place; NULL: out of memory. list_add takes it. */
json_t *list_start(const list_reading *r);
rap_status list_add(list_reading *r, json_t *item, rap_err *err);
/* Sets a text; a NULL item or text is passed over. */
void list_set(json_t *item, const char *field, const char *text);

/* "FILE: PLACE: " and the text. */
rap_status list_wrong(const list_reading *r, rap_err *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The text of a field that must be there. */
rap_status list_need(const char **out, const list_reading *r, const json_t *object,
                     const char *field, rap_err *err);

/* Question and options as the official scripts put them, "sks" as <concept>; sets "question" and "options". `options`
 * must be an object of texts. */
rap_status list_choice(const list_reading *r, json_t *item, const char *question,
                       const char *concept, const json_t *options, rap_err *err);

rap_status list_read_rows(list_reading *r, const json_t *rows, rap_err *err);
rap_status list_read_map(list_reading *r, json_t *map, rap_err *err);
rap_status list_read_table(list_reading *r, const char *text, size_t len, rap_err *err);

#endif

/* unknown.c: the names that a question asks about and the store does not have. */
#include "rap/handle.h"

#include "base/text.h"

#include <stdlib.h>
#include <string.h>

enum { LONGEST = 128, MOST = 64 }; /* bytes of a name, as in the store; names of a text */

/* The name in the next pair of brackets: its length, and *at is moved to its start; 0: there is none. Comparisons
 * ("3 < 4") and closing tags are no names. */
static size_t next_name(const char **at)
{
    while ((*at = strchr(*at, '<')) != NULL) {
        size_t len = strcspn(++*at, "<>\r\n\t");

        if ((*at)[len] == '>' && len > 0 && len <= LONGEST && !strchr(" /!?", **at) &&
            (*at)[len - 1] != ' ')
            return len;
    }
    return 0;
}

static bool is_listed(const char *const *list, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(list[i], name) == 0)
            return true;
    return false;
}

/* Does a concept have it? */
static rap_status look_up(bool *out, rap *r, const char *name)
{
    rap_record *record = NULL;
    rap_status status = store_find(r->store, name, &record, &r->err);

    *out = status == RAP_OK;
    store_record_free(record);
    if (status != RAP_E_NOT_FOUND)
        return status;
    err_clear(&r->err);
    return RAP_OK;
}

/* One block, so that one free() is enough: the list, then its texts, which take no more room than `text`. */
static rap_status list_unknown(const char **list, rap *r, const char *text)
{
    char *room = (char *)(list + MOST + 1);
    size_t count = 0, len;
    rap_status status = RAP_OK;

    for (const char *at = text; status == RAP_OK && count < MOST && (len = next_name(&at)) > 0;
         at += len) {
        bool known = true;

        memcpy(room, at, len);
        room[len] = '\0';
        if (is_listed(list, count, room))
            continue;
        status = look_up(&known, r, room);
        if (status != RAP_OK || known)
            continue;
        list[count++] = room;
        room += len + 1;
    }
    return status;
}

rap_status rap_unknown(const char ***out, rap *r, const char *text)
{
    const char **list;
    rap_status status;

    if (out)
        *out = NULL;
    if (!rap_ready(r) || !out || !text)
        return RAP_E_ARGUMENT;
    if (!text_is_utf8(text))
        return err_set(&r->err, RAP_E_ARGUMENT, "the text is not valid UTF-8");
    list = calloc(1, (MOST + 1) * sizeof *list + strlen(text) + 1);
    if (!list)
        return err_memory(&r->err, "looking for names");
    status = list_unknown(list, r, text);
    if (status == RAP_OK)
        *out = list;
    else
        free(list);
    return status;
}
